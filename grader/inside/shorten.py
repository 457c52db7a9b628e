"""The fast profile: sequences of the course library hold the first images alone; the arrays that they are made of stay whole.

So the notebook sees MNIST in its full size, may look at any image and split the arrays, and trains on a slice all the same.
What is compared with all labels stays whole: predictions, and sequences of test images outside of a training. A library
that the notebook pasted into a cell is shortened from the end of that cell on. Sequences of the notebook's own making stay
as long as they are.
"""

import contextlib
import functools
import inspect
import sys
import weakref

NAME, MODEL = "MNISTSequence", "Sequential"
WHOLE = weakref.WeakKeyDictionary()  # how to make a sequence as it was asked for: its own way, and the arguments
DIFFERS = weakref.WeakKeyDictionary()  # attributes of a sequence of all test images: as it is, and made of the first
TRAINS = {"fit_generator"}  # names of functions in which a training is at work
MOST_CALLERS = 12


def install(shell, library, first):
    """`first`: how many training images a sequence may hold, how many test images, and how many test images there are."""
    shorten(vars(library).get(NAME), first)
    predict_whole(vars(library).get(MODEL))

    def after(result):
        own = shell.user_ns.get(NAME)
        if getattr(own, "__module__", None) == "__main__":
            shorten(own, first)
            predict_whole(shell.user_ns.get(MODEL))
        for kind in (vars(library).get(MODEL), shell.user_ns.get(MODEL)):
            TRAINS.update(names_of(getattr(kind, "fit_generator", None)))

    shell.events.register("post_run_cell", after)


def names_of(function):
    code = getattr(function, "__code__", None)
    return {name for name in (getattr(function, "__name__", None), getattr(code, "co_name", None)) if name}


def trains():
    """Whether a training is at work: one of the functions above is one, by its name."""
    frame = sys._getframe(2)
    for _ in range(MOST_CALLERS):
        if frame is None:
            return False
        name = frame.f_code.co_name
        if name.removeprefix("tf__") in TRAINS or "train" in name or "fit" in name:
            return True
        frame = frame.f_back
    return False


def shorten(kind, first):
    make = getattr(kind, "__init__", None)
    if not inspect.isclass(kind) or hasattr(make, "shortens"):
        return

    @functools.wraps(make)
    def __init__(self, *args, **kwargs):
        few, tests = shortened(make, first, self, args, kwargs)
        make(self, *few[0], **few[1])
        with contextlib.suppress(TypeError):  # a class of the notebook's own may have no hash
            WHOLE[self] = make, args, kwargs
            if tests and type(self).__init__ is __init__:  # or another was made on what this one holds
                of_few = dict(vars(self))
                make(self, *args, **kwargs)
                DIFFERS[self] = {n: (v, of_few[n]) for n, v in vars(self).items() if v is not of_few.get(n, v)}

    __init__.shortens = True
    kind.__init__ = __init__
    if kind.__hash__ is not None:
        kind.__getattribute__ = few_in_training(kind.__getattribute__)


def few_in_training(get):
    """Attributes of a sequence are those of the first images alone while a training is at work."""

    @functools.wraps(get)
    def __getattribute__(self, name):
        value = get(self, name)
        if name.startswith("__") or (held := DIFFERS.get(self, {}).get(name)) is None:
            return value
        all_of_them, few = held
        return few if value is all_of_them and trains() else value

    return __getattribute__


def predict_whole(kind):
    predict = getattr(kind, "predict_generator", None)
    if not inspect.isclass(kind) or predict is None or hasattr(predict, "shortens"):
        return

    @functools.wraps(predict)
    def predict_generator(self, sequence, *args, **kwargs):
        return predict(self, sequence if trains() else whole(sequence), *args, **kwargs)

    predict_generator.shortens = True
    kind.predict_generator = predict_generator


def whole(sequence):
    """The sequence with all of its images; itself where it was never shortened."""
    try:
        make, args, kwargs = WHOLE[sequence]
        made = object.__new__(type(sequence))
        vars(made).update(vars(sequence))
        make(made, *args, **kwargs)
    except Exception:
        return sequence
    return made


def shortened(make, first, self, args, kwargs):
    """The same arguments with fewer images and labels, which are the first two (as they are where they do not fit), and
    whether they are those of all test images."""
    train, test, whole_test = first
    try:
        bound = inspect.signature(make).bind(self, *args, **kwargs)
        images, labels = list(bound.arguments)[1:3]
        tests = len(bound.arguments[images]) == whole_test
        for name in (images, labels):
            bound.arguments[name] = bound.arguments[name][: test if tests else train]
        return (bound.args[1:], bound.kwargs), tests
    except Exception:
        return (args, kwargs), False
