"""What gradients are taken of: losses, and the course model's forward pass while all its layers are the library's own."""

import copy
import functools
import inspect
import types

import numpy as np
import tensorflow as tf
from compiled import Differentiable, Refused
from tensorflow.python.eager import record
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tracing import (
    PLAIN,
    SETTINGS,
    are_batch,
    as_made,
    from_library,
    of_any_length,
    once,
    pristine,
    samples,
    specs,
    usual_value,
)


def quick_loss(plain, target, output, from_logits=False, axis=-1):
    if not (usual_value(target) and usual_value(output)) or type(from_logits) is not bool or type(axis) is not int:
        return PLAIN
    values = [tf.convert_to_tensor(target), tf.convert_to_tensor(output)]
    if not are_batch(values):
        return PLAIN
    function = functools.partial(plain, from_logits=from_logits, axis=axis)
    return differentiable(
        plain, (from_logits, axis, samples(values)), function, values, lambda: function(target, output)
    )


def quick_forward(library, plain, *args, **kwargs):
    call = unlogged(plain, args, kwargs)
    if call is None or type(call[0]) is not library.Sequential:
        return PLAIN
    model, x, asked = bare(call[0]), *call[1:]
    leaves = leaves_of(vars(model))
    if leaves is None or not leaves[1] or not usual_value(x):
        return PLAIN
    settings, variables = leaves
    values = [tf.convert_to_tensor(x, variables[0].dtype) if isinstance(x, np.ndarray) else x]
    if not are_batch(values):
        return PLAIN
    given = tuple((name, value is None) for name, value in asked.items())
    key = (settings, given, type(x), x.dtype, samples(values), specs(variables))
    function = functools.partial(apply_model, plain, model, variables, asked)
    return differentiable(plain, key, function, values, lambda: plain(*args, **kwargs), variables)


signature_of = functools.cache(inspect.signature)


def unlogged(plain, args, kwargs):
    """Model, batch and other arguments of a forward pass that logs nothing; None of one that is asked for more. Its step is
    there for the log alone, so that one trace serves for all steps."""
    try:
        model, x, *others = signature_of(plain).bind(*args, **kwargs).arguments.items()
    except (TypeError, ValueError):
        return None
    asked = {name: Unseen() if name == "step" and value is not None else value for name, value in others}
    logs = any(value is not None and type(value) is not Unseen for value in asked.values())
    return None if logs else (model[1], x[1], asked)


class Unseen:
    """Stands for a value that nothing should depend on. What computes with it cannot be traced; what looks at it otherwise
    is found out when the trace is compared with the plain way."""

    def refuse(self, *args):
        raise Refused("a trace for one value")

    __bool__ = __eq__ = __str__ = __repr__ = __format__ = refuse
    __hash__ = None


def bare(model):
    """The model without what a notebook has hung on it, a history or a counter: the library's own code names none of that."""
    made, own = object.__new__(type(model)), named_in(type(model))
    vars(made).update((name, value) for name, value in vars(model).items() if name in own)
    return made


def leaves_of(attributes):
    """What a model of the library's own layers is made of: its structure with all settings, hashable, and its variables,
    each once; None when it holds anything else."""
    variables = {}
    try:
        return structure(attributes, variables), list(variables.values())
    except (TypeError, AttributeError, RecursionError):
        return None


@functools.cache
def named_in(kind):
    """The names that the code of a class speaks of, as it was when nobody could have patched it."""
    made = [value for base in kind.__mro__[:-1] for value in as_made.get(base, {}).values()]
    methods = [inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value)) for value in made]
    return frozenset().union(*(names_in(method.__code__) for method in methods if inspect.isfunction(method)))


def names_in(code):
    inner = (names_in(part) for part in code.co_consts if isinstance(part, types.CodeType))
    return frozenset(code.co_names).union(*inner)


def structure(thing, variables):
    if type(thing) is ResourceVariable:
        variables.setdefault(id(thing), thing)
        return list(variables).index(id(thing))
    if isinstance(thing, SETTINGS):
        return type(thing), thing
    if isinstance(thing, (tuple, list)):
        return type(thing), *(structure(part, variables) for part in thing)
    if isinstance(thing, dict):
        return tuple((name, structure(value, variables)) for name, value in thing.items() if name != "name")
    if from_library(thing):
        return thing
    if not pristine(type(thing)):
        raise TypeError
    return type(thing), structure(vars(thing), variables)


def apply_model(plain, model, variables, asked, x, *others):
    """The library's own call, on a model that differs in its variables alone."""
    return plain(with_variables(model, variables, others), x, **asked)


def with_variables(model, variables, others):
    """A model like this one with `others` in the places of its variables."""
    return copy.deepcopy(model, dict(zip(map(id, variables), others, strict=True)))


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


def differentiable(plain, key, function, values, plainly, variables=()):  # noqa: PLR0917
    """`function(*values, *variables)` as one operation; `plainly()` is what was asked for, as it was asked for. At the first
    use of a key both ways are gone and compared. What fails is done again in the plain way, to fail in its words."""
    if not usual_tape():
        return PLAIN
    quick = once(plain, key, lambda: tried(copy.deepcopy(function, kept(variables)), values, plainly, variables))
    try:
        return PLAIN if quick is None else quick([*values, *variables])
    except (Refused, tf.errors.OpError):
        return PLAIN


def kept(variables):
    """What a deep copy is to leave as it is: a trace may be made again after the model has changed."""
    return {id(variable): variable for variable in variables}


def tried(function, values, plainly, variables):
    """A quick form of `function` that has given what the plain way gives, to the last bit."""
    quick = Differentiable(function, (*of_any_length(values), *variables))
    with record.stop_recording():
        plain, fast = plainly(), quick.plain([*values, *variables])
    if plain.dtype != fast.dtype or plain.numpy().tobytes() != fast.numpy().tobytes():
        raise Refused("other results")
    if not usual_value(plain):
        raise Refused("a result that carries more than its values")
    return quick
