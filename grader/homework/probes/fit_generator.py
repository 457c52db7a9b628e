"""Trains small models with the student's `fit_generator` on the pristine course library.

Settings: `name` of the function; `scenarios`, each with `name`, `layers` (kind, name, activation, inputs, outputs),
`epochs`, `batch_size`, `optimizer`, `rate`. Arrays, each with the scenario's name before it: `_p0`, `_p1`, … the first
parameters, `_x_train` [n, h, w], `_y_train` [n], `_x_validation`, `_y_validation`.
Answers: `_f0`, `_f1`, … the parameters afterwards, and the event files of each scenario in a folder of its name; for
each batch in the order they were fetched, `_train_at` [fetches] its number and `_train_w0`, … [fetches, …] the
parameters at that moment; the same for `_validation_`.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

MOST_FETCHES = 2000


def run(namespace, settings, arrays, answer):
    namespace["Sequential"].fit_generator = namespace[settings["name"]]
    for scenario in settings["scenarios"]:
        own = {k.removeprefix(scenario["name"] + "_"): v for k, v in arrays.items() if k.startswith(scenario["name"])}
        answer.measure(scenario["name"], lambda s=scenario, a=own: train(namespace, s, a, answer, writer=True))
    scenario = settings["scenarios"][-1]
    own = {k.removeprefix(scenario["name"] + "_"): v for k, v in arrays.items() if k.startswith(scenario["name"])}
    answer.measure("no_writer", lambda: train(namespace, {**scenario, "epochs": 1}, own, answer, writer=False))


def train(namespace, scenario, arrays, answer, *, writer):
    model = namespace["Sequential"](*[make_layer(namespace, layer) for layer in scenario["layers"]])
    variables = model.trainable_variables
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"p{index}"])
    kind, notes = namespace["MNISTSequence"], {"train": [], "validation": []}
    sequences = [sequence(noting(kind, notes[part], variables), arrays, part, scenario["batch_size"]) for part in notes]
    log = tf.summary.create_file_writer(answer.logdir(scenario["name"])) if writer else None
    try:
        model.fit_generator(
            *sequences,
            scenario["epochs"],
            keras.losses.sparse_categorical_crossentropy,
            make_optimizer(scenario),
            log,
        )
    finally:
        if log is not None:
            log.close()
            for index, variable in enumerate(variables):
                answer.put(f"{scenario['name']}_f{index}", variable.numpy())
            for part, fetches in notes.items():
                put_notes(answer, f"{scenario['name']}_{part}", fetches)


def make_layer(namespace, layer):
    if layer["kind"] == "batch_norm":
        return namespace["BatchNormFlawed"](layer["name"])
    activation = tf.nn.softmax if layer["activation"] == "softmax" else getattr(tf.nn, layer["activation"])
    return namespace["Dense"](layer["inputs"], layer["outputs"], activation, layer["name"])


def make_optimizer(scenario):
    kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[scenario["optimizer"]]
    return kind(learning_rate=scenario["rate"])


def noting(kind, fetches, variables):
    """The course's sequence, which also notes the model's parameters whenever a batch is fetched."""

    class Noting(kind):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            if len(fetches) < MOST_FETCHES:
                fetches.append((index, [variable.numpy() for variable in variables]))
            return batch

    return Noting


def put_notes(answer, name, fetches):
    answer.put(f"{name}_at", np.array([index for index, _ in fetches], dtype=np.int64))
    for number, values in enumerate(zip(*(values for _, values in fetches))):
        answer.put(f"{name}_w{number}", np.stack(values))


def sequence(kind, arrays, part, batch_size):
    def flatten(X, y):
        return X.reshape(len(X), -1) / 255.0, y

    return kind(arrays[f"x_{part}"], arrays[f"y_{part}"], batch_size, preprocess=flatten)
