"""The fast profile: sequences of the course library hold the first images alone; the arrays that they are made of stay whole.

So the notebook sees MNIST in its full size, may look at any image and split the arrays, and trains on a slice all the same.
What is compared with all labels stays whole: predictions, and sequences of test images outside of a training. A library
that the notebook pasted into a cell is shortened from the end of that cell on. Sequences of the notebook's own making stay
as long as they are.
"""

import contextlib
import functools
import inspect
import math
import weakref

from watch_training import at_work

NAME, MODEL = "MNISTSequence", "Sequential"
WHOLE = weakref.WeakKeyDictionary()  # what a sequence of training images holds, and all that it was asked to hold
UNCUT = []  # something while test images are read beyond those that a training is given


def install(shell, first):
    """`first`: how many training images a sequence may hold, how many test images, and how many test images there are. What comes
    back shortens a course library."""

    def shorten_course(library):
        shorten(vars(library).get(NAME), first)
        predict_whole(vars(library).get(MODEL))

    def after(result):
        own = shell.user_ns.get(NAME)
        if getattr(own, "__module__", None) == "__main__":
            shorten(own, first)
            predict_whole(shell.user_ns.get(MODEL))

    shell.events.register("post_run_cell", after)
    return shorten_course


def shorten(kind, first):
    if inspect.isclass(kind) and not hasattr(kind.__init__, "shortens"):
        kind.__init__ = make_with_few(kind.__init__, first)
        kind.__getattribute__ = cut_in_training(kind.__getattribute__, first)
        if hasattr(kind, "__len__") and hasattr(kind, "__getitem__"):
            kind.__len__ = few_batches(kind.__len__, first)
            kind.__getitem__ = beyond_the_few(kind.__getitem__)
            kind.__iter__ = getattr(kind, "__iter__", lambda self: (self[index] for index in range(len(self))))


def make_with_few(make, first):
    """Sequences of training images are made of the first ones: their length is what steps are counted with."""

    @functools.wraps(make)
    def __init__(self, *args, **kwargs):
        try:
            args, kwargs, held = shortened(make, first, self, args, kwargs)
            WHOLE[self] = held
        except Exception:  # what does not fit fails as it would, and a class of the notebook's own may have no hash
            pass
        make(self, *args, **kwargs)

    __init__.shortens = True
    return __init__


def shortened(make, first, self, args, kwargs):
    """The same arguments with fewer images and labels, which are the first two, and both with all of them."""
    train, _, whole_test = first
    bound = inspect.signature(make).bind(self, *args, **kwargs)
    images, labels = list(bound.arguments)[1:3]
    held = []
    if len(bound.arguments[images]) != whole_test:
        for name in (images, labels):
            every = bound.arguments[name]
            bound.arguments[name] = every[:train]
            held.append((bound.arguments[name], every))
    return bound.args[1:], bound.kwargs, held


def cut_in_training(get, first):
    """Whatever a sequence holds of all test images is the first of them while a training is at work."""
    _, test, whole_test = first

    @functools.wraps(get)
    def __getattribute__(self, name):
        value = get(self, name)
        if name.startswith("__") or size(value) != whole_test or UNCUT or not at_work():
            return value
        return value[:test]

    return __getattribute__


def size(value):
    """How many entries an array or a list has; None for anything else."""
    if isinstance(value, (list, tuple)):
        return len(value)
    shape = getattr(value, "shape", None)
    return shape[0] if isinstance(shape, tuple) and shape else None


def few_batches(length, first):
    """A sequence that counted its batches when it was made has as many in a training as its images fill."""
    _, test, whole_test = first

    @functools.wraps(length)
    def __len__(self):
        found, batch = length(self), vars(self).get("batch_size")
        cut = isinstance(batch, int) and any(size(value) == whole_test for value in vars(self).values())
        return min(found, math.ceil(test / batch)) if cut and not UNCUT and at_work() else found

    return __len__


def beyond_the_few(get):
    """A loop that counted the batches outside of the training, or knows how many there are, finds what it counted."""

    @functools.wraps(get)
    def __getitem__(self, index):
        if isinstance(index, int) and index >= len(self) and at_work():
            with uncut():
                return get(whole(self), index)
        return get(self, index)

    return __getitem__


@contextlib.contextmanager
def uncut():
    UNCUT.append(True)
    try:
        yield
    finally:
        UNCUT.pop()


def predict_whole(kind):
    predict = getattr(kind, "predict_generator", None)
    if not inspect.isclass(kind) or predict is None or hasattr(predict, "shortens"):
        return

    @functools.wraps(predict)
    def predict_generator(self, sequence, *args, **kwargs):
        return predict(self, sequence if at_work() else whole(sequence), *args, **kwargs)

    predict_generator.shortens = True
    kind.predict_generator = predict_generator


def whole(sequence):
    """The sequence with all of its images; itself where it was never shortened."""
    try:
        held = WHOLE[sequence]
        made = object.__new__(type(sequence))
    except Exception:
        return sequence
    for name, value in vars(sequence).items():
        vars(made)[name] = next((every for few, every in held if value is few), value)
    return made
