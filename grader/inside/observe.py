"""What the course library sees while a notebook runs it: models, the data they are fed, the runs they log to.

Written as JSON lines to the trace file, at once, so that a kernel that dies keeps what it did. The library is watched
from within its own `MNISTSequence.__getitem__` and `Sequential._forward`, if it has them; a model whose layers a training
calls one by one is found by the variables of the function that asks for batches. A library that the notebook pasted into a
cell is watched from the end of that cell on. Nothing that the notebook can see changes its results.
"""

import functools
import inspect
import json
import sys
import weakref

import numpy as np
import tensorflow as tf
from watch_training import at_work, plain_function

MOST_FACTS = 5000
MOST_TRAINED = 100  # each holds a batch until its cell ends
MOST_CALLERS = 6  # functions above a sequence that are looked at for a model


class Trace:
    """Numbers models and sequences as they appear and writes each new fact once."""

    def __init__(self, path, namespace):
        self.path = path
        self.namespace = namespace
        self.seen = set()
        self.last = {}
        self.objects = []
        self.batch = None  # the sequence that was read last, what it gave, and the training that read it
        self.logdir = None
        self.logdirs = []
        self.kinds = []  # classes of models that are watched
        self.trained = {}  # what may be a training, by model and sequence: a pass after the first says nothing new
        self.traced = None  # what a step was called with that was traced and has read no batch yet, and its training
        self.current = None  # the model that went forwards last: what is fetched next is counted for it
        self.steps = {}
        self.feeds = weakref.WeakKeyDictionary()  # beside the models, which stay as the notebook made them

    def write(self, **fact):
        line = json.dumps(fact, default=str)
        if line not in self.seen and len(self.seen) < MOST_FACTS:
            self.seen.add(line)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def write_change(self, fact, **facts):
        """A fact that may turn back: written whenever it is another than the last time."""
        if self.last.get(fact) != facts and len(self.seen) < MOST_FACTS:
            self.last[fact] = facts
            self.seen.discard(json.dumps({"fact": fact, **facts}, default=str))
            self.write(fact=fact, **facts)

    def count(self):
        if self.current is not None:
            self.steps[self.current] = self.steps.get(self.current, 0) + 1

    def number(self, thing):
        for index, known in enumerate(self.objects):
            if known is thing:
                return index
        self.objects.append(thing)
        return len(self.objects) - 1


def install(shell, path, fix_seeds):
    """What comes back watches a course library."""
    trace = Trace(path, shell.user_ns)
    files, courses = {}, []
    watch_writers(trace)

    def watch_course(library):
        if not any(vars(library) is known for known in courses):  # it may be reloaded
            courses.append(vars(library))
        watch_classes(vars(library), trace)

    def before(info):
        files[file_name(info.raw_cell)] = shell.execution_count
        fix_seeds()

    def after(result):
        quietly(note_trained, trace)
        for model, steps in trace.steps.items():
            trace.write(fact="steps", model=model, steps=steps)
        for writer, _ in trace.logdirs:
            quietly(writer.flush)
        for course in courses:  # again: the notebook may have put a method of its own in the place of ours
            watch_classes(course, trace)
        watch_classes(shell.user_ns, trace, only="__main__")
        own = shell.user_ns.get("Sequential")
        owner = own if inspect.isclass(own) and hasattr(own, "fit_generator") else courses[-1].get("Sequential")
        method = inspect.getattr_static(owner, "fit_generator", None)
        trace.write_change("patch", **describe_function(method, files))

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    return watch_course


def file_name(source):
    from ipykernel.compiler import get_file_name

    return get_file_name(source or "")


def describe_function(function, files):
    function = plain_function(function)
    code = getattr(function, "__code__", None)  # of the function itself: `wraps` makes it look like what it wraps
    module = getattr(function, "__globals__", {}).get("__name__") or getattr(function, "__module__", "")
    return {
        "is_function": inspect.isfunction(function),
        "module": str(module),
        "name": str(getattr(function, "__name__", "")),
        "count": files.get(code.co_filename) if code else None,
    }


def watch_writers(trace):
    create = tf.summary.create_file_writer

    @functools.wraps(create)
    def create_file_writer(logdir, *args, **kwargs):
        writer = create(logdir, *args, **kwargs)
        trace.logdir = str(logdir)
        trace.logdirs.append((writer, str(logdir)))
        return writer

    tf.summary.create_file_writer = create_file_writer


def watch_classes(names, trace, only=None):
    """Watch the classes of the course library among `names`; those that are being watched already are left alone."""
    for name, watch in (("MNISTSequence", watch_sequence), ("Sequential", watch_model)):
        found = names.get(name)
        if inspect.isclass(found) and only in (None, found.__module__):
            watch(found, trace)


def watch_sequence(kind, trace):
    get = getattr(kind, "__getitem__", None)
    if get is None or hasattr(get, "watches"):
        return

    @functools.wraps(get)
    def __getitem__(self, index):
        batch = get(self, index)
        trace.batch = self, batch, at_work()
        if trace.traced is not None:
            quietly(note_traced, trace)
        trace.count()
        if index == 0 and len(trace.trained) < MOST_TRAINED:
            quietly(note_callers, trace)
        return batch

    __getitem__.watches = True
    kind.__getitem__ = __getitem__


def note_traced(trace):
    """The first batch that is read after a step was traced is the step's."""
    (*forward, training), trace.traced = trace.traced, None
    trace.batch = *trace.batch[:2], training
    note_model(*forward, trace, training)


def note_callers(trace):
    """Who asks for the first batch of a pass: a function with a model and maybe a writer among its variables."""
    frame = sys._getframe(3)
    for _ in range(MOST_CALLERS):
        if frame is None:
            return
        values = list(frame.f_locals.values())
        model = next((v for v in values if isinstance(v, tuple(trace.kinds))), None)
        if model is not None:
            writer = next((v for v in values if any(v is known for known, _ in trace.logdirs)), None)
            trace.trained.setdefault((id(model), id(trace.batch[0])), (model, writer, trace.batch))
            return
        frame = frame.f_back


def note_trained(trace):
    """Note the models that were fed in a cell and that `_forward` has not seen."""
    fed, trace.trained, trace.traced = trace.trained, {}, None
    unseen = [one for one in fed.values() if one[0] not in trace.feeds]
    for model, writer, batch in unseen:
        trace.batch = *batch[:2], None
        note_model(model, (), {"writer": writer}, trace)
    trace.current = None


def watch_model(kind, trace):
    forward = getattr(kind, "_forward", None)
    if forward is None or hasattr(forward, "watches"):
        return

    @functools.wraps(forward)
    def _forward(self, x, *args, **kwargs):
        quietly(note_model, self, args, kwargs, trace)
        trace.count()
        return forward(self, x, *args, **kwargs)

    trace.kinds.append(kind)
    _forward.watches = True
    kind._forward = _forward


def quietly(function, *args):
    """The watcher never disturbs what it watches."""
    try:
        function(*args)
    except Exception:
        pass


def note_model(model, args, kwargs, trace, training=None):
    known = trace.feeds.setdefault(model, set())
    training = training or at_work()
    stale = training and trace.batch and trace.batch[2] not in (None, training)  # another training has read it
    if training and tf.inside_function() and (trace.batch is None or trace.batch[2] is not training):
        stale = True  # a step that is traced has not read a batch of its own yet: tf.data will, in a thread
        trace.traced = model, args, kwargs, training
    source = trace.batch[0] if trace.batch and not stale else None
    writer = kwargs.get("writer", args[0] if args else None)
    trace.current = trace.number(model)
    key = (id(source), id(writer), training is not None)
    if key in known:
        return
    known.add(key)
    number = trace.current
    if len(known) == 1:
        trace.write(
            fact="model",
            model=number,
            logdir=trace.logdir,
            layers=[layer_fact(l, trace) for l in model._layers],
        )
    if writer is not None:
        trace.write(fact="logs", model=number, logdir=next((d for w, d in trace.logdirs if w is writer), None))
    if source is not None:
        trace.write(fact="feed", model=number, training=training is not None, **sequence_fact(source, trace))


def layer_fact(layer, trace):
    kind = type(layer)
    own = kind.__module__ == "__main__"  # only the notebook's own classes may go by another name
    return {
        "kind": kind.__name__,
        "number": trace.number(layer),
        "aliases": sorted(n for n, v in list(trace.namespace.items()) if v is kind and n != kind.__name__)[:5]
        if own
        else [],
        "origin": type(layer).__module__,
        "name": str(getattr(layer, "name", "")),
        "inputs": plain(getattr(layer, "inp_shape", None)),
        "outputs": plain(getattr(layer, "out_shape", None)),
        "activation": getattr(getattr(layer, "activation", None), "__name__", None),
    }


def plain(value):
    return int(value) if isinstance(value, (int, np.integer)) else None


def sequence_fact(sequence, trace):
    x, labels = trace.batch[1][0], trace.batch[1][1]
    x = np.asarray(x)
    preprocess = getattr(sequence, "preprocess", None)
    return {
        "sequence": trace.number(sequence),
        "length": len(sequence),
        "batch_size": plain(getattr(sequence, "batch_size", None)) or len(x),
        "samples": len(getattr(sequence, "X", ())),
        "preprocess": getattr(preprocess, "__name__", None if preprocess is None else "?"),
        "low": float(x.min()),
        "high": float(x.max()),
        "labels": "".join(str(int(label)) for label in np.ravel(labels)[:10]),
    }
