"""What can be traced once and used again: kinds of tensors, classes that nobody has patched, and a memory of traces."""

import inspect
import operator
from collections import Counter

import numpy as np
import tensorflow as tf
from keras.src import backend

NUMBERS = "biuf"  # kinds of NumPy's types
SETTINGS = (int, float, str, bool, type(None))
MOST_TRACES = 40  # of one function: an attribute that changes with every step must not be traced at every step

PLAIN = object()  # the answer of a quick way that does not take the case
known = {}
made = Counter()


def once(plain, key, make):
    """What `make()` gives for the function `plain` and `key`, made at its first use; None where it cannot be made: what
    cannot be traced is left to the plain way, whatever the reason."""
    key = plain, key, backend.floatx(), backend.epsilon()
    if key not in known:
        if made[plain] >= MOST_TRACES:
            return None
        made[plain] += 1
        try:
            known[key] = make()
        except Exception:
            known[key] = None
    return known[key]


# --- classes --------------------------------------------------------------------------------------------------------

# What Python itself adds to a class: when it is asked for its hints, and when an instance is copied.
PYTHONS_OWN = ("__annotations__", "__slotnames__")
as_made = {}  # the attributes of classes when nobody could have patched them


def remember_classes(kinds):
    for kind in kinds:
        as_made.update((base, dict(vars(base))) for base in kind.__mro__ if base not in as_made)


def pristine(kind):
    """Whether a class and its bases are known and as they were: a trace would hold a patch fast, or not know of it."""
    return all(base in as_made and unchanged(vars(base), as_made[base]) for base in kind.__mro__)


def unchanged(now, before):
    """Whether the attributes of a class are those of before, each the same object."""
    added = len(now) - len(before) - sum((name in now) - (name in before) for name in PYTHONS_OWN)
    return not added and before.keys() <= now.keys() and all(map(operator.is_, before.values(), map(now.get, before)))


def from_library(function):
    """Whether a function, and all that it wraps, is TensorFlow's or Keras's own."""
    while inspect.isfunction(function):
        if function.__globals__.get("__name__", "").partition(".")[0] not in ("tensorflow", "keras"):
            return False
        if not hasattr(function, "__wrapped__"):
            return True
        function = function.__wrapped__
    return False


# --- tensors --------------------------------------------------------------------------------------------------------


def specs(tensors):
    return tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)


def samples(tensors):
    """As `specs`, for tensors of any number of samples."""
    return tuple((len(tensor.shape) > 0, tuple(tensor.shape[1:]), tensor.dtype) for tensor in tensors)


def are_batch(tensors):
    """Whether tensors (scalars aside) have the same number of samples, two or more: one may mean something else."""
    counts = {tensor.shape[0] for tensor in tensors if tensor.shape.rank}
    return not counts or (len(counts) == 1 and min(counts) > 1)


def of_any_length(tensors):
    """What tensors are traced as, so that one trace serves for batches of all sizes."""
    return [tf.TensorSpec([None, *t.shape[1:]] if t.shape.rank else [], t.dtype) for t in tensors]


def usual_value(value):
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and value.dtype.kind in NUMBERS
    return isinstance(value, tf.Tensor) and not hasattr(value, "_keras_mask") and not hasattr(value, "_keras_logits")
