"""Trains small models with the student's `fit_generator` on the pristine course library.

Settings: `name` of the function; `scenarios`, each with `name`, `layers` (kind, name, activation, inputs, outputs),
`epochs`, `batch_size`, `optimizer`, `rate`, `scale` of the inputs. Arrays, each with the scenario's name before it: `_p0`, `_p1`, … the first
parameters, `_x_train` [n, h, w], `_y_train` [n], `_x_validation`, `_y_validation`.
Answers: `_f0`, `_f1`, … the parameters afterwards, and the event files of each scenario in a folder of its name; for
each batch in the order they were fetched, `_train_at` [fetches] its number, `_train_when` [fetches] a moment that grows
and `_train_w0`, … [fetches, …] the parameters at that moment; the same for `_validation_`. For each update by the optimizer
that was passed in, `_apply_when` [updates], `_apply_w0`, … the parameters before it and `_apply_g0`, … the gradients that
were applied, NaN where a variable was left out. Updates inside of a compiled function are not seen.
"""

import inspect
import itertools

import numpy as np
import tensorflow as tf
from tensorflow import keras

MOST_NOTES = 5000


def run(namespace, settings, arrays, answer):
    if namespace.get(settings["name"]) is not None:  # else a decorator has put it into its place, and returned nothing
        namespace["Sequential"].fit_generator = namespace[settings["name"]]
    for scenario in settings["scenarios"]:
        own = {k.removeprefix(scenario["name"] + "_"): v for k, v in arrays.items() if k.startswith(scenario["name"])}
        answer.measure(scenario["name"], lambda s=scenario, a=own: train(namespace, s, a, answer, writer=True))
    scenario = settings["scenarios"][1]
    own = {k.removeprefix(scenario["name"] + "_"): v for k, v in arrays.items() if k.startswith(scenario["name"])}
    answer.measure("no_writer", lambda: train(namespace, {**scenario, "epochs": 1}, own, answer, writer=False))


PARAMETERS = ("train_seq", "eval_seq", "epoch", "loss", "optimizer", "writer")


def arranged(method, given):
    """The arguments by place; by name from the first one on that the method has at another place than the library's own, or
    takes by name alone."""
    try:
        found = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return given, {}
    own, by_name = list(found), inspect.Parameter.KEYWORD_ONLY
    moved = [n in own and (own.index(n) != place or found[n].kind is by_name) for place, n in enumerate(PARAMETERS)]
    first = moved.index(True) if True in moved else len(given)
    if not all(name in own for name in PARAMETERS[first:]):
        return given, {}
    return given[:first], dict(zip(PARAMETERS[first:], given[first:]))


def stand_in(namespace, model, arrays, scenario):
    """What stands for globals of the notebook: its model is the one that is being trained, whichever that is. A sequence of its
    own is another one than those that are handed over, as it is in some experiment."""
    for name, value in list(namespace.items()):
        if isinstance(value, namespace["Sequential"]):
            namespace[name] = model
        elif isinstance(value, namespace["MNISTSequence"]):
            namespace[name] = sequence(namespace["MNISTSequence"], arrays, "train", scenario)


def train(namespace, scenario, arrays, answer, *, writer):
    model = namespace["Sequential"](*[make_layer(namespace, layer) for layer in scenario["layers"]])
    stand_in(namespace, model, arrays, scenario)
    variables = model.trainable_variables
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"p{index}"])
    kind, fetches, clock = namespace["MNISTSequence"], {"train": [], "validation": []}, itertools.count()
    sequences = [
        sequence(noting(kind, notes, variables, clock), arrays, part, scenario) for part, notes in fetches.items()
    ]
    optimizer, updates = make_optimizer(scenario), []
    note_updates(optimizer, updates, variables, clock)
    log = tf.summary.create_file_writer(answer.logdir(scenario["name"])) if writer else None
    try:
        given = (*sequences, scenario["epochs"], keras.losses.sparse_categorical_crossentropy, optimizer, log)
        places, names = arranged(model.fit_generator, given)
        model.fit_generator(*places, **names)
    finally:
        if log is not None:
            log.close()
            for index, variable in enumerate(variables):
                answer.put(f"{scenario['name']}_f{index}", variable.numpy())
            for part, notes in fetches.items():
                put_fetches(answer, f"{scenario['name']}_{part}", notes)
            put_updates(answer, f"{scenario['name']}_apply", updates)


def make_layer(namespace, layer):
    if layer["kind"] == "batch_norm":
        return namespace["BatchNormFlawed"](layer["name"])
    activation = tf.nn.softmax if layer["activation"] == "softmax" else getattr(tf.nn, layer["activation"])
    return namespace["Dense"](layer["inputs"], layer["outputs"], activation, layer["name"])


def make_optimizer(scenario):
    kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[scenario["optimizer"]]
    return kind(learning_rate=scenario["rate"])


def noting(kind, notes, variables, clock):
    """The course's sequence, which also notes the model's parameters whenever a batch is fetched."""

    class Noting(kind):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            if len(notes) < MOST_NOTES:
                notes.append((index, next(clock), [variable.numpy() for variable in variables]))
            return batch

    return Noting


def note_updates(optimizer, notes, variables, clock):
    """Note the gradients of each update, and the parameters before it. Nothing is noted of what TensorFlow traces."""
    plain = optimizer.apply

    def apply(grads, trainable_variables=None):
        given = list(optimizer._trainable_variables if trainable_variables is None else trainable_variables)
        grads = list(grads)
        if tf.executing_eagerly() and len(notes) < MOST_NOTES:
            before = [variable.numpy() for variable in variables]
            found = {id(variable): gradient for variable, gradient in zip(given, grads)}
            notes.append((next(clock), before, [value_of(found.get(id(v)), v) for v in variables]))
        return plain(grads, trainable_variables)

    optimizer.apply = apply


def value_of(gradient, variable):
    return np.full(variable.shape, np.nan) if gradient is None else tf.convert_to_tensor(gradient).numpy()


def put_fetches(answer, name, notes):
    answer.put(f"{name}_at", np.array([index for index, _, _ in notes], dtype=np.int64))
    answer.put(f"{name}_when", np.array([when for _, when, _ in notes], dtype=np.int64))
    put_stacked(answer, f"{name}_w", [values for _, _, values in notes])


def put_updates(answer, name, notes):
    answer.put(f"{name}_when", np.array([when for when, _, _ in notes], dtype=np.int64))
    put_stacked(answer, f"{name}_w", [values for _, values, _ in notes])
    put_stacked(answer, f"{name}_g", [gradients for _, _, gradients in notes])


def put_stacked(answer, name, rows):
    for number, values in enumerate(zip(*rows)):
        answer.put(f"{name}{number}", np.stack(values))


def sequence(kind, arrays, part, scenario):
    def flatten(X, y):
        return X.reshape(len(X), -1) / 255.0 * scenario["scale"], y

    return kind(arrays[f"x_{part}"], arrays[f"y_{part}"], scenario["batch_size"], preprocess=flatten)
