"""What the cases of `ways_of_training.py` and `guards.py` are made of."""

import inspect
from collections.abc import Callable
from types import ModuleType

import numpy as np
import tensorflow as tf
import tracing
import utils
from tensorflow import keras

LOSS = keras.losses.sparse_categorical_crossentropy


def cases_of(module: ModuleType) -> list[Callable[[], object]]:
    """The functions that a module defines and that take no arguments."""
    own = (value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__)
    return [value for value in own if inspect.isfunction(value) and not inspect.signature(value).parameters]


def results_of(case: Callable[[], object]) -> dict[str, np.ndarray]:
    """Each part of what a case gives, by name. Random numbers are the same in all ways, and nothing is traced yet."""
    np.random.seed(3)
    tracing.made.clear()
    tracing.known.clear()
    values = tf.nest.flatten(case())
    return {f"{case.__name__}.{i}": np.asarray(np.nan if value is None else value) for i, value in enumerate(values)}


def data(count: int = 12, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return np.random.rand(count, width), np.random.randint(0, 3, count).astype("uint8")


def model(kind: type = utils.Dense, middle: object = None) -> utils.Sequential:
    layers = [kind(6, 5, tf.nn.relu, "one"), kind(5, 3, tf.nn.softmax, "two")]
    return utils.Sequential(*([layers[0], middle, layers[1]] if middle else layers))


def layer_that(looks: Callable[[utils.Dense, object, object], bool]) -> type:
    """A class that passes for the library's own, and whose result depends on what it sees of itself, its input and the step."""

    def call(self: utils.Dense, x: tf.Tensor, writer: object = None, step: object = None) -> tf.Tensor:
        return utils.Dense.__call__(self, x) * (3.0 if looks(self, x, step) else 1.0)

    kind = type("Looking", (utils.Dense,), {"__call__": call})
    tracing.remember_classes([kind])
    return kind


def train(net: utils.Sequential, optimizer: keras.optimizers.Optimizer, steps: int = 6) -> list[tf.Variable]:
    for step in range(steps):
        update(net, optimizer, net.trainable_variables, 12 if step % 2 else 7)
    return net.trainable_variables


def update(
    net: utils.Sequential, optimizer: keras.optimizers.Optimizer, variables: list[tf.Variable], count: int = 12
) -> None:
    """One step along the gradients of some variables."""
    x, y = data(count)
    with tf.GradientTape() as tape:
        value = LOSS(y, net._forward(x))
    optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))


def said(attempt: Callable[[], object], letters: int | None = None) -> np.ndarray:
    """What an attempt fails with (all of it, or its first letters), as a result; the shape of what it gives otherwise."""
    try:
        text = str(np.shape(attempt()))
    except Exception as error:  # noqa: BLE001 - whatever is said
        text = type(error).__name__ + str(error)[:letters]
    return np.frombuffer(text.encode(), "u1")
