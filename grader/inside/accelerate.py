"""Makes library code quicker behind the notebook's back, with the same results to the last bit; never student code.

Three things take most of the time of this kind of training when they run eagerly, operation by operation: an
optimizer's update, a metric's update, and the buckets of a histogram. The first two are compiled from Keras's own code,
once for each kind and shape, and then called with the variables at hand; the buckets are counted in NumPy. Whatever is
unusual takes the plain path: a class that is not Keras's own, sparse or missing gradients, a graph being built, values
that are not finite.
"""

import functools

import numpy as np
import tensorflow as tf
from keras.src.backend import Variable
from keras.src.metrics import reduction_metrics
from keras.src.optimizers import base_optimizer
from tensorboard.plugins.histogram import summary_v2
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

NUMBERS = "biuf"  # kinds of NumPy's types


def install():
    quicken(base_optimizer.BaseOptimizer, "_backend_apply_gradients", quick_apply)
    quicken(reduction_metrics.Mean, "update_state", quick_update_state)
    quicken(reduction_metrics.MeanMetricWrapper, "update_state", quick_update_state)
    quicken(summary_v2, "_buckets", quick_buckets)


def quicken(owner, name, quick):
    """Replace a library's function by one that first asks `quick(plain, *args)`; its answer PLAIN means: not my case."""
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def call(*args, **kwargs):
        answer = quick(plain, *args, **kwargs) if tf.executing_eagerly() else PLAIN
        return plain(*args, **kwargs) if answer is PLAIN else answer

    setattr(owner, name, call)


PLAIN = object()
compiled = {}


def compile_once(key, make, *args):
    """The compiled function for `key`, made and traced for `args` at its first use; None where it cannot be."""
    if key not in compiled:
        try:
            function = tf.function(make(), autograph=False)
            function.get_concrete_function(*args)
        except Exception:
            function = None
        compiled[key] = function
    return compiled[key]


# --- optimizers -----------------------------------------------------------------------------------------------------


def quick_apply(plain, optimizer, gradients, variables):
    gradients, variables, state = list(gradients), list(variables), getattr(optimizer, "_variables", ())
    if not usual_optimizer(optimizer, gradients, variables, state):
        return PLAIN
    values = [variable._value for variable in state]
    args = (gradients, variables, values)
    key = (plain, type(optimizer), settings_of(optimizer), *(specs(part) for part in args))
    function = compile_once(key, lambda: functools.partial(apply_with, plain, optimizer), *args)
    return PLAIN if function is None else function(*args)


def usual_optimizer(optimizer, gradients, variables, state):
    return (
        type(optimizer).__module__.startswith("keras.src.optimizers.")
        and optimizer.built
        and isinstance(optimizer._learning_rate, Variable)
        and getattr(optimizer, "weight_decay", None) is None
        and not any(callable(value) for value in vars(optimizer).values() if not isinstance(value, Variable))
        and all(isinstance(variable, Variable) and type(variable._value) is ResourceVariable for variable in state)
        and all(type(variable) is ResourceVariable for variable in variables)
        and len({id(variable) for variable in variables}) == len(variables) == len(gradients)
        and all(isinstance(gradient, tf.Tensor) for gradient in gradients)
    )


def settings_of(optimizer):
    """Everything in an optimizer that a compiled update would hold fast."""
    plain = (int, float, str, bool, type(None))
    return tuple(sorted((k, repr(v)) for k, v in vars(optimizer).items() if isinstance(v, plain) and k != "name"))


def specs(tensors):
    return tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)


def apply_with(plain, optimizer, gradients, variables, values):
    """Keras's own update, traced with other variables in the places of this optimizer's."""
    state, indices = optimizer._variables, optimizer._trainable_variables_indices
    own = [variable._value for variable in state]
    try:
        for variable, value in zip(state, values, strict=True):
            variable._value = value
        optimizer._trainable_variables_indices = {optimizer._var_key(v): i for i, v in enumerate(variables)}
        plain(optimizer, gradients, variables)
    finally:
        optimizer._trainable_variables_indices = indices
        for variable, value in zip(state, own, strict=True):
            variable._value = value


# --- metrics --------------------------------------------------------------------------------------------------------


def quick_update_state(plain, metric, *args, **kwargs):
    kind = type(metric)
    if kwargs or not kind.__module__.startswith("keras.src.metrics.") or not all(usual_value(arg) for arg in args):
        return PLAIN
    function = getattr(metric, "_fn", None)
    if function is not None and not function.__module__.startswith("keras.src."):
        return PLAIN
    values = [tf.convert_to_tensor(arg) for arg in args]
    state = [metric.total._value, metric.count._value]
    settings = repr(getattr(metric, "_fn_kwargs", None))
    key = (plain, kind, function, settings, metric.dtype, specs(values))
    compute = compile_once(key, lambda: functools.partial(updated, plain, metric), state, values)
    return PLAIN if compute is None else compute(state, values)


def usual_value(value):
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and value.dtype.kind in NUMBERS
    return isinstance(value, tf.Tensor) and not hasattr(value, "_keras_mask")


def updated(plain, metric, state, values):
    """Keras's own update of total and count, traced with other variables in the places of this metric's."""
    own = [metric.total._value, metric.count._value]
    try:
        metric.total._value, metric.count._value = state
        plain(metric, *values)
    finally:
        metric.total._value, metric.count._value = own


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
