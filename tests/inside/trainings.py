"""What the trainings of `with_acceleration.py` and `used_again.py` are made of."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tracing
import utils
from tensorflow import keras

RESULTS: dict[str, np.ndarray] = {}
LOSS = keras.losses.sparse_categorical_crossentropy


def case(function: Callable[[], object]) -> Callable[[], object]:
    """Run at once, with the same random numbers in both ways; each part of the result is kept."""
    np.random.seed(3)
    tracing.made.clear()  # what one case has traced is not held against the next
    for number, value in enumerate(tf.nest.flatten(function())):
        RESULTS[f"{function.__name__}.{number}"] = np.asarray(np.nan if value is None else value)
    return function


def words(text: str) -> np.ndarray:
    """A text as a result."""
    return np.frombuffer(text.encode(), "u1")


def data(count: int = 12, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return np.random.rand(count, width), np.random.randint(0, 3, count).astype("uint8")


def model(kind: type = utils.Dense, middle: object = None, width: int = 5) -> utils.Sequential:
    layers = [kind(6, width, tf.nn.relu, "one"), kind(width, 3, tf.nn.softmax, "two")]
    return utils.Sequential(*([layers[0], middle, layers[1]] if middle else layers))


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
