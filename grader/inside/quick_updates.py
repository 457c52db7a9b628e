"""Updates of Keras's optimizers and metrics, traced with every variable as an argument: one trace serves for all."""

import functools
import weakref

import tensorflow as tf
from compiled import compiled
from keras.src.backend import Variable
from keras.src.utils.tracking import Tracker
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tracing import PLAIN, SETTINGS, are_batch, from_library, of_any_length, once, pristine, samples, specs, usual_value

# --- optimizers -----------------------------------------------------------------------------------------------------


BOOKS = ("_trainable_variables_indices", "_distribution_strategy", "apply")  # "apply": the probe's note of each call


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
    return before is now or (type(before) is type(now) and isinstance(now, SETTINGS) and before == now)


def quick_apply(plain, optimizer, grads, trainable_variables=None):
    if not all(isinstance(given, (list, tuple)) for given in (grads, trainable_variables)):
        return PLAIN
    gradients, variables = list(grads), list(trainable_variables)
    settings = optimizers.of(optimizer) if optimizer.built and pristine(type(optimizer)) else None
    if settings is None or not usual_update(optimizer, gradients, variables):
        return PLAIN
    places = tuple(map(optimizer._get_variable_index, variables))
    values = [variable._value for variable in optimizer._variables]
    args = (gradients, variables, values)
    key = (type(optimizer), settings, places, *map(specs, args))
    update = once(plain, key, lambda: compiled(functools.partial(apply_with, plain, optimizer, places), args))
    if update is None:
        return PLAIN
    update([*gradients, *variables, *values])
    return None


def usual_settings(optimizer):
    """All that a trace of an optimizer would hold fast; None when that is more than settings and variables."""
    usual = (
        isinstance(optimizer._learning_rate, Variable)
        and optimizer.weight_decay is None
        and all(usual_attribute(name, value) for name, value in vars(optimizer).items())
        and all(type(variable._value) is ResourceVariable for variable in optimizer._variables)
    )
    return settings_of(optimizer) if usual else None


def usual_attribute(name, value):
    """A setting, a variable, a list of variables, or what Keras keeps its books with."""
    if isinstance(value, (*SETTINGS, Variable, Tracker)) or name in BOOKS or name.startswith("_self_"):
        return True
    return isinstance(value, list) and all(isinstance(part, (Variable, ResourceVariable)) for part in value)


def settings_of(thing):
    """An object's settings; its name only labels what is logged."""
    return tuple(sorted((k, repr(v)) for k, v in vars(thing).items() if isinstance(v, SETTINGS) and k != "name"))


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
    if function is not None and not from_library(function):
        return PLAIN
    values = [tf.convert_to_tensor(arg) for arg in args]
    if not are_batch(values):
        return PLAIN
    state = [metric.total._value, metric.count._value]
    key = (kind, function, repr(getattr(metric, "_fn_kwargs", None)), metric.dtype, samples(values))
    update = once(
        plain, key, lambda: compiled(functools.partial(updated, plain, metric), (state, of_any_length(values)))
    )
    if update is None:
        return PLAIN
    update(state + values)
    return None


def updated(plain, metric, state, values):
    """Keras's own update of total and count, traced with other variables in the places of this metric's."""
    variables = [metric.total, metric.count]
    own = [variable._value for variable in variables]
    try:
        put_values(variables, state)
        plain(metric, *values)
    finally:
        put_values(variables, own)
