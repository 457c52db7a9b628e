"""The fast profile: sequences of the course library hold the first images alone; the arrays that they are made of stay whole.

So the notebook sees MNIST in its full size, may look at any image and split the arrays, and trains on a slice all the same.
Predictions are for all images, since they are compared with all labels. A library that the notebook pasted into a cell is
shortened from the end of that cell on. Sequences of the notebook's own making stay as long as they are.
"""

import contextlib
import functools
import inspect
import weakref

NAME, MODEL = "MNISTSequence", "Sequential"
WHOLE = weakref.WeakKeyDictionary()  # how to make a sequence as it was asked for: its own way, and the arguments


def install(shell, library, first):
    """`first`: how many training images a sequence may hold, how many test images, and how many test images there are."""
    shorten(vars(library).get(NAME), first)
    predict_whole(vars(library).get(MODEL))

    def after(result):
        own = shell.user_ns.get(NAME)
        if getattr(own, "__module__", None) == "__main__":
            shorten(own, first)
            predict_whole(shell.user_ns.get(MODEL))

    shell.events.register("post_run_cell", after)


def shorten(kind, first):
    make = getattr(kind, "__init__", None)
    if not inspect.isclass(kind) or hasattr(make, "shortens"):
        return

    @functools.wraps(make)
    def __init__(self, *args, **kwargs):
        with contextlib.suppress(TypeError):  # a class of the notebook's own may have no hash
            WHOLE[self] = make, args, kwargs
        args, kwargs = shortened(make, first, self, args, kwargs)
        make(self, *args, **kwargs)

    __init__.shortens = True
    kind.__init__ = __init__


def predict_whole(kind):
    predict = getattr(kind, "predict_generator", None)
    if not inspect.isclass(kind) or predict is None or hasattr(predict, "shortens"):
        return

    @functools.wraps(predict)
    def predict_generator(self, sequence, *args, **kwargs):
        return predict(self, whole(sequence), *args, **kwargs)

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
    """The same arguments with fewer images and labels, which are the first two; as they are where they do not fit."""
    train, test, whole_test = first
    try:
        bound = inspect.signature(make).bind(self, *args, **kwargs)
        images, labels = list(bound.arguments)[1:3]
        most = test if len(bound.arguments[images]) == whole_test else train
        for name in (images, labels):
            bound.arguments[name] = bound.arguments[name][:most]
        return bound.args[1:], bound.kwargs
    except Exception:
        return args, kwargs
