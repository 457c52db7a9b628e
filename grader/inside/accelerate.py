"""Makes library code quicker behind the notebook's back, with the same results to the last bit; never student code.

What takes most of the time of this kind of training, when it runs eagerly, is everything around the arithmetic: an
optimizer's update, a metric's update, a loss, a layer of the course library are dozens of small operations, each
with its own way through Python. They are traced once from the library's own code, for each kind and shape, and then
called with the variables at hand (see `compiled.py`); the buckets of a histogram are counted in NumPy. Whatever is
unusual takes the plain path: a class that is not the library's own or has been patched, sparse or missing gradients, a
graph being built, a layer that is asked to log.
"""

import copy
import functools
import inspect
import weakref

import numpy as np
import tensorflow as tf
from compiled import Differentiable, Refused, compiled
from keras.src import backend
from keras.src.backend import Variable
from keras.src.metrics import reduction_metrics
from keras.src.optimizers import base_optimizer
from tensorboard.plugins.histogram import summary_v2
from tensorflow import keras
from tensorflow.python.eager import backprop, context, forwardprop, record
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

NUMBERS = "biuf"  # kinds of NumPy's types
PLAIN_SETTINGS = (int, float, str, bool, type(None))


def install(library):
    """Quicken Keras and TensorBoard, and the course library's model as long as all its layers are the library's own."""
    quicken(base_optimizer.BaseOptimizer, "apply", quick_apply)
    quicken(reduction_metrics.Mean, "update_state", quick_update_state)
    quicken(reduction_metrics.MeanMetricWrapper, "update_state", quick_update_state)
    quicken(backend.nn, "sparse_categorical_crossentropy", quick_loss)
    quicken(summary_v2, "_buckets", quick_buckets)
    count(backprop.GradientTape, "_push_tape", "_pop_tape")
    count(forwardprop.ForwardAccumulator, "_push_accumulator", "_pop_accumulator")
    quicken(library.Sequential, "_forward", functools.partial(quick_forward, library))
    for module in (keras.optimizers, keras.metrics, library):
        remember_classes(module)


def quicken(owner, name, quick):
    """Replace a library's function by one that first asks `quick(plain, *args)`; its answer PLAIN means: not my case."""
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def call(*args, **kwargs):
        eager = tf.executing_eagerly() and not context.context().op_callbacks
        answer = quick(plain, *args, **kwargs) if eager else PLAIN
        return plain(*args, **kwargs) if answer is PLAIN else answer

    setattr(owner, name, call)


PLAIN = object()
known = {}


def once(key, make):
    """What `make()` gives for `key`, made at its first use; None where it cannot be made."""
    key = key, backend.floatx(), backend.epsilon()
    if key not in known:
        try:
            known[key] = make()
        except Exception:
            known[key] = None
    return known[key]


as_made = {}  # the attributes of classes when nobody could have patched them


def remember_classes(module):
    for kind in filter(inspect.isclass, vars(module).values()):
        as_made.update((base, dict(vars(base))) for base in kind.__mro__ if base not in as_made)


def pristine(kind):
    """Whether a class and its bases are known and as they were: a trace would hold a patch fast, or not know of it."""
    return all(base in as_made and unchanged(vars(base), as_made[base]) for base in kind.__mro__)


def unchanged(now, before):
    """Python itself adds `__annotations__` to a class that is asked for them."""
    added = len(now) - len(before) - ("__annotations__" in now) + ("__annotations__" in before)
    return not added and all(now.get(name, PLAIN) is value for name, value in before.items())


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


def settings_of(thing):
    """Everything in an object that a trace would hold fast; its name only labels what is logged."""
    return tuple(sorted((k, repr(v)) for k, v in vars(thing).items() if isinstance(v, PLAIN_SETTINGS) and k != "name"))


class Remembered:
    """Facts about objects, computed again when any of an object's attributes is another one."""

    def __init__(self, compute):
        self.compute, self.facts = compute, weakref.WeakKeyDictionary()

    def of(self, thing):
        now = tuple(vars(thing).values())
        before, fact = self.facts.get(thing, ((), None))
        if len(before) == len(now) and all(map(same, before, now)):
            return fact
        fact = self.compute(thing)
        self.facts[thing] = now, fact
        return fact


def same(before, now):
    return before is now or (type(before) is type(now) and isinstance(now, PLAIN_SETTINGS) and before == now)


# --- optimizers -----------------------------------------------------------------------------------------------------


def quick_apply(plain, optimizer, grads, trainable_variables=None):
    if trainable_variables is None or not getattr(optimizer, "built", False):
        return PLAIN
    gradients, variables = list(grads), list(trainable_variables)
    settings = optimizers.of(optimizer) if pristine(type(optimizer)) else None
    if settings is None or not usual_update(optimizer, gradients, variables):
        return PLAIN
    places = tuple(map(optimizer._get_variable_index, variables))
    values = [variable._value for variable in optimizer._variables]
    args = (gradients, variables, values)
    key = (plain, type(optimizer), settings, places, *map(specs, args))
    update = once(key, lambda: compiled(functools.partial(apply_with, plain, optimizer, places), args))
    return PLAIN if update is None else done(update([*gradients, *variables, *values]))


def done(_):
    return None


def usual_settings(optimizer):
    """An optimizer's settings when it is one of Keras's own and does nothing out of the way, else None."""
    usual = (
        isinstance(optimizer._learning_rate, Variable)
        and getattr(optimizer, "weight_decay", None) is None
        and not any(callable(value) for value in vars(optimizer).values() if not isinstance(value, Variable))
        and all(
            isinstance(variable, Variable) and type(variable._value) is ResourceVariable
            for variable in state(optimizer)
        )
    )
    return settings_of(optimizer) if usual else None


def state(optimizer):
    return getattr(optimizer, "_variables", ())


optimizers = Remembered(usual_settings)


def usual_update(optimizer, gradients, variables):
    return (
        len({id(variable) for variable in variables}) == len(variables) == len(gradients)
        and all(type(variable) is ResourceVariable and variable.constraint is None for variable in variables)
        and all(optimizer._var_key(variable) in optimizer._trainable_variables_indices for variable in variables)
        and all(isinstance(gradient, tf.Tensor) for gradient in gradients)
    )


def apply_with(plain, optimizer, places, gradients, variables, values):  # noqa: PLR0917
    """Keras's own update, traced with other variables in the places of this optimizer's."""
    indices, own = optimizer._trainable_variables_indices, [variable._value for variable in optimizer._variables]
    try:
        put_values(optimizer._variables, values)
        optimizer._trainable_variables_indices = dict(zip(map(optimizer._var_key, variables), places, strict=True))
        plain(optimizer, gradients, variables)
    finally:
        optimizer._trainable_variables_indices = indices
        put_values(optimizer._variables, own)


def put_values(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable._value = value


# --- metrics --------------------------------------------------------------------------------------------------------


def quick_update_state(plain, metric, *args, **kwargs):
    kind, function = type(metric), getattr(metric, "_fn", None)
    if kwargs or not pristine(kind) or not all(map(usual_value, args)):
        return PLAIN
    if function is not None and not function.__module__.startswith("keras.src."):
        return PLAIN
    values = [tf.convert_to_tensor(arg) for arg in args]
    if not are_batch(values):
        return PLAIN
    state = [metric.total._value, metric.count._value]
    key = (plain, kind, function, repr(getattr(metric, "_fn_kwargs", None)), metric.dtype, samples(values))
    update = once(key, lambda: compiled(functools.partial(updated, plain, metric), (state, of_any_length(values))))
    return PLAIN if update is None else done(update(state + values))


def usual_value(value):
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and value.dtype.kind in NUMBERS
    return isinstance(value, tf.Tensor) and not hasattr(value, "_keras_mask") and not hasattr(value, "_keras_logits")


def updated(plain, metric, state, values):
    """Keras's own update of total and count, traced with other variables in the places of this metric's."""
    variables = [metric.total, metric.count]
    own = [variable._value for variable in variables]
    try:
        put_values(variables, state)
        plain(metric, *values)
    finally:
        put_values(variables, own)


# --- losses and layers: what gradients are taken of -------------------------------------------------------------------


def quick_loss(plain, target, output, from_logits=False, axis=-1):
    if not (usual_value(target) and usual_value(output)) or type(from_logits) is not bool or type(axis) is not int:
        return PLAIN
    values = [tf.convert_to_tensor(target), tf.convert_to_tensor(output)]
    if not are_batch(values):
        return PLAIN
    key = (plain, from_logits, axis, samples(values))
    return differentiable(key, functools.partial(plain, from_logits=from_logits, axis=axis), values)


def quick_forward(library, plain, model, x, *args, **kwargs):
    asks_more = any(arg is not None for arg in (*args, *kwargs.values()))
    leaves = None if asks_more or type(model) is not library.Sequential else leaves_of(vars(model))
    if leaves is None or not usual_value(x):
        return PLAIN
    settings, variables = leaves
    values = [tf.convert_to_tensor(x, variables[0].dtype) if isinstance(x, np.ndarray) else x]
    if not are_batch(values):
        return PLAIN
    key = (plain, settings, samples(values), specs(variables))
    return differentiable(key, functools.partial(apply_model, plain, model, variables), values, variables)


def leaves_of(attributes):
    """What a model of the library's own layers is made of: its structure with all settings, hashable, and its variables,
    each once; None when it holds anything else."""
    variables = {}
    try:
        return structure(attributes, variables), list(variables.values())
    except (TypeError, AttributeError, RecursionError):
        return None


def structure(thing, variables):
    if type(thing) is ResourceVariable:
        variables.setdefault(id(thing), thing)
        return list(variables).index(id(thing))
    if isinstance(thing, PLAIN_SETTINGS):
        return type(thing), thing
    if isinstance(thing, (tuple, list)):
        return type(thing), *(structure(part, variables) for part in thing)
    if isinstance(thing, dict):
        return tuple((name, structure(value, variables)) for name, value in thing.items() if name != "name")
    if from_tensorflow(thing):
        return thing
    if not pristine(type(thing)):
        raise TypeError
    return type(thing), structure(vars(thing), variables)


def from_tensorflow(function):
    """Whether a function is one of TensorFlow's or Keras's, which do the same whenever they are called."""
    module = str(getattr(function, "__module__", ""))
    return inspect.isfunction(function) and module.partition(".")[0] in ("tensorflow", "keras")


def apply_model(plain, model, variables, x, *others):
    """The library's own call, on a model that differs in its variables alone."""
    return plain(copy.deepcopy(model, dict(zip(map(id, variables), others, strict=True))), x)


watching = []  # what records at present


def count(kind, begin, end):
    """Know which objects of a kind record at present."""
    plain_begin, plain_end = getattr(kind, begin), getattr(kind, end)

    def begun(recorder, *args):
        plain_begin(recorder, *args)
        watching.append(recorder)

    def ended(recorder):
        plain_end(recorder)
        watching[:] = [other for other in watching if other is not recorder]

    setattr(kind, begin, begun)
    setattr(kind, end, ended)


def usual_tape():
    """Whether nothing records but one tape that gives gradients once: no gradient of a gradient can be asked for."""
    return not watching or (len(watching) == 1 and getattr(watching[0], "_persistent", True) is False)


def differentiable(key, function, values, variables=()):
    """`function(*values, *variables)` as one operation. At the first use of a key both ways are gone and compared."""
    if not usual_tape():
        return PLAIN
    quick = once(key, lambda: tried(function, values, variables))
    return PLAIN if quick is None else quick([*values, *variables])


def tried(function, values, variables):
    """A quick form of `function` that has given what the plain way gives, to the last bit."""
    quick = Differentiable(function, (*of_any_length(values), *variables))
    with record.stop_recording():
        plain, fast = function(*values, *variables), quick.plain([*values, *variables])
    if plain.dtype != fast.dtype or plain.numpy().tobytes() != fast.numpy().tobytes():
        raise Refused("other results")
    return quick


# --- histograms -----------------------------------------------------------------------------------------------------


def quick_buckets(plain, data, bucket_count=None):
    count = summary_v2.DEFAULT_BUCKET_COUNT if bucket_count is None else bucket_count
    if not isinstance(data, (tf.Tensor, ResourceVariable)) or type(count) is not int or count < 1:
        return PLAIN
    values = data.numpy().ravel()
    if values.dtype.kind not in NUMBERS or not values.size:
        return PLAIN
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite(low + high) or not np.isfinite(high - low) or (low < high and not (high - low) / count):
        return all_nan(count) if np.isnan(values).all() else PLAIN
    return tf.constant(one_value(high, len(values), count) if low == high else buckets(values, low, high, count))


def all_nan(count):
    """Edges that are no numbers, and no value in any bucket."""
    return tf.constant(np.stack([np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)], axis=1))


def one_value(value, size, count):
    edges, counts = np.full(count, value), np.zeros(count)
    counts[-1] = size
    return np.stack([edges, edges, counts], axis=1)


def buckets(values, low, high, count):
    """As `summary_v2._buckets` does it, operation by operation, but for the counting."""
    places = np.floor((values - low) / ((high - low) / count)).astype(np.int32)
    counts = np.bincount(np.minimum(places, count - 1), minlength=count).astype(np.float64)
    edges = np.concatenate([[low], low + (high - low) / count * np.arange(1, count), [high]])
    return np.stack([edges[:-1], edges[1:], counts], axis=1)
