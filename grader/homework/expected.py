"""What correct training does, computed in NumPy outside the sandbox: the other side of every probe.

A second implementation of the course's layers, loss and optimizers, in float64, sharing nothing with TensorFlow. The
formulas are those of Keras 3 (`keras.losses.sparse_categorical_crossentropy` on probabilities, `keras.optimizers.Adam`
and `SGD`); a test trains both sides and compares weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from grader.records import Floats, Ints

_CLIP = 1e-7  # keras.backend.epsilon(): probabilities are clipped to [_CLIP, 1 - _CLIP] before the logarithm

Parameters = tuple[Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """A layer of a small model. `kind` is "dense" (parameters w [in, out], b [1, out]) or "batch_norm" (parameters
    beta and gamma, both scalars, in the order of `get_trainable`)."""

    kind: str
    name: str
    activation: str = "linear"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One training step: the parameters before it, the gradients and the per-sample losses found with them."""

    parameters: tuple[Floats, ...]
    gradients: tuple[Floats, ...]
    losses: Floats
    correct: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """A whole training: its steps in order, by epoch; the parameters when each epoch ends; loss and accuracy of all samples
    of an epoch as they were trained on, both [epochs]; the final parameters."""

    epochs: tuple[tuple[Step, ...], ...]
    validated: tuple[Parameters, ...]
    train_loss: Floats
    train_accuracy: Floats
    final: tuple[Floats, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for epoch in self.epochs for step in epoch)


def _softmax(z: Floats) -> Floats:
    shifted = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


_FORWARD: dict[str, Callable[[Floats], Floats]] = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "softmax": _softmax,
}
_BACKWARD: dict[str, Callable[[Floats, Floats], Floats]] = {  # (output, gradient of the output) -> gradient of z
    "linear": lambda a, g: g,
    "relu": lambda a, g: g * (a > 0),
    "tanh": lambda a, g: g * (1.0 - a * a),
    "sigmoid": lambda a, g: g * a * (1.0 - a),
    "softmax": lambda a, g: a * (g - (g * a).sum(axis=-1, keepdims=True)),
}


def forward(layers: Sequence[LayerPlan], parameters: Sequence[Floats], x: Floats) -> list[Floats]:
    """Inputs of all layers and the output of the last one: `len(layers) + 1` arrays [batch, width], or [batches, batch,
    width] for several batches at a time."""
    values = [x]
    for index, layer in enumerate(layers):
        first, second = parameters[2 * index], parameters[2 * index + 1]
        if layer.kind == "dense":
            values.append(_FORWARD[layer.activation](values[-1] @ first + second))
        else:
            values.append(_normalise(values[-1])[0] * _spread(second) + _spread(first))
    return values


def _spread(scalar: Floats) -> Floats:
    """A scalar, or one for each batch, as a factor of all values of the batch."""
    return scalar[..., np.newaxis, np.newaxis]


def _normalise(x: Floats) -> tuple[Floats, Floats]:
    """((x - mean) / standard deviation, standard deviation) over the batch, as the course's layer does, with no epsilon."""
    centred = x - _mean(x)
    deviation = np.sqrt(_mean(centred * centred))
    return centred / deviation, deviation


def _mean(x: Floats) -> Floats:
    """The mean over the batch. On arrays as small as a probe's, `ndarray.mean` takes three times as long."""
    return np.asarray(np.add.reduce(x, axis=-2, keepdims=True) / x.shape[-2])


def _clipped(probabilities: Floats) -> Floats:
    return np.minimum(np.maximum(probabilities, _CLIP), 1.0 - _CLIP)


def losses(probabilities: Floats, labels: Ints) -> Floats:
    """Per-sample cross entropy [..., batch], as Keras computes it from probabilities: clipped and normalised anew."""
    clipped = _clipped(probabilities)
    of_labels = np.take_along_axis(clipped, labels[..., np.newaxis], axis=-1)[..., 0]
    return np.asarray(np.log(clipped.sum(axis=-1)) - np.log(of_labels))


def correct(probabilities: Floats, labels: Ints) -> Floats:
    """1.0 where the most probable class is the label, else 0.0 [..., batch]."""
    return np.asarray(probabilities.argmax(axis=-1) == labels, dtype=np.float64)


def gradients(layers: Sequence[LayerPlan], parameters: Sequence[Floats], x: Floats, labels: Ints) -> Step:
    """Gradients of the *sum* of the per-sample losses: what a tape gives for the vector that Keras's loss returns. Of several
    steps at a time, where parameters, x and labels have one more axis in front."""
    values = forward(layers, parameters, x)
    flow = _loss_gradient(values[-1], labels)
    found: list[Floats] = [np.zeros(0)] * len(parameters)
    for index in reversed(range(len(layers))):
        pair = 2 * index
        flow, found[pair], found[pair + 1] = _layer_gradients(
            layers[index], (parameters[pair], parameters[pair + 1]), values[index : index + 2], flow
        )
    return Step(
        parameters=tuple(parameters),
        gradients=tuple(found),
        losses=losses(values[-1], labels),
        correct=correct(values[-1], labels),
    )


def _loss_gradient(probabilities: Floats, labels: Ints) -> Floats:
    clipped, at = _clipped(probabilities), labels[..., np.newaxis]
    result = 1.0 / clipped.sum(axis=-1, keepdims=True) * np.ones_like(clipped)
    of_labels = np.take_along_axis(result, at, axis=-1) - 1.0 / np.take_along_axis(clipped, at, axis=-1)
    np.put_along_axis(result, at, of_labels, axis=-1)
    return np.where((probabilities < _CLIP) | (probabilities > 1.0 - _CLIP), 0.0, result)


def _layer_gradients(
    layer: LayerPlan, parameters: tuple[Floats, Floats], values: Sequence[Floats], flow: Floats
) -> tuple[Floats, Floats, Floats]:
    """(gradient of the input, of the first parameter, of the second)."""
    x, out = values
    if layer.kind == "dense":
        dz = _BACKWARD[layer.activation](out, flow)
        return dz @ parameters[0].mT, x.mT @ dz, np.add.reduce(dz, axis=-2, keepdims=True)
    (normed, deviation), dn = _normalise(x), flow * _spread(parameters[1])
    dx = (dn - _mean(dn) - normed * _mean(dn * normed)) / deviation
    return dx, np.asarray(flow.sum(axis=(-2, -1))), np.asarray((flow * normed).sum(axis=(-2, -1)))


class Sgd:
    """Plain gradient descent: w - rate * g. The rate is a float32 variable in Keras."""

    def __init__(self, rate: float) -> None:
        self.rate = float(np.float32(rate))

    def update(self, parameters: Parameters, found: Parameters) -> Parameters:
        return tuple(np.asarray(p - self.rate * g) for p, g in zip(parameters, found, strict=True))


class Adam:
    """Adam as in Keras 3 (Kingma and Ba 2015, with the bias correction folded into the rate). Keras takes the powers of
    the betas rounded to float32, and the rate too; elsewhere it has them exactly."""

    def __init__(self, rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-7) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = float(np.float32(rate)), beta1, beta2, epsilon
        self.count = 0
        self.m: Floats | float = 0.0
        self.v: Floats | float = 0.0

    def update(self, parameters: Parameters, found: Parameters) -> Parameters:
        """All variables at once, end to end: they are small, and each step of the formula has its price."""
        self.count += 1
        power1, power2 = (float(np.float32(beta)) ** self.count for beta in (self.beta1, self.beta2))
        alpha = self.rate * np.sqrt(1 - power2) / (1 - power1)
        gradient = np.concatenate([g.ravel() for g in found])
        self.m = self.m + (gradient - self.m) * (1 - self.beta1)
        self.v = self.v + (gradient * gradient - self.v) * (1 - self.beta2)
        change = alpha * self.m / (np.sqrt(self.v) + self.epsilon)
        ends = accumulate(p.size for p in parameters)
        return tuple(p - change[end - p.size : end].reshape(p.shape) for p, end in zip(parameters, ends, strict=True))


OPTIMIZERS: dict[str, Callable[[float], Sgd | Adam]] = {"sgd": Sgd, "adam": Adam}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What to train: layers and their first parameters, data already preprocessed, and how."""

    layers: tuple[LayerPlan, ...]
    parameters: tuple[Floats, ...]
    train: tuple[Floats, Ints]
    validation: tuple[Floats, Ints]
    batch_size: int
    epochs: int
    optimizer: str
    rate: float


@lru_cache(maxsize=4)
def train(task: Task) -> Training:
    """The course's own method: `epochs` passes over the batches in order, one update a batch, nothing else."""
    optimizer = OPTIMIZERS[task.optimizer](task.rate)
    parameters = task.parameters
    epochs: list[list[Step]] = []
    validated: list[Parameters] = []
    for _ in range(task.epochs):
        epochs.append([])
        for x, labels in batches(*task.train, task.batch_size):
            epochs[-1].append(gradients(task.layers, parameters, x, labels))
            parameters = optimizer.update(parameters, epochs[-1][-1].gradients)
        validated.append(parameters)
    return whole_training(epochs, validated)


_FOLLOWED = 1e-7  # of the way that a variable has gone: hundreds of such steps stay below what is called the same
_AT_ONCE = 1 << 19  # numbers of input that are gone through at a time


def followed(task: Task, seen: Parameters) -> Training | None:
    """What `train` gives, up to rounding, where these are the parameters [steps + 1, ...] that it has at each step and in the
    end: a tenth of its time, since all gradients are found at once. None where the course's method goes another way."""
    parts = batches(*task.train, task.batch_size)
    count, steps = len(parts), len(parts) * task.epochs
    if len(seen[0]) != steps + 1 or not all(np.isfinite(p).all() for p in seen):
        return None
    found: dict[int, Step] = {}
    for at in _stretches(parts, steps):
        x, labels = np.stack([parts[i % count][0] for i in at]), np.stack([parts[i % count][1] for i in at])
        with np.errstate(all="ignore"):  # weights of somebody else's may be anything
            stack = gradients(task.layers, tuple(p[at] for p in seen), x, labels)
        found |= {i: _at(stack, place) for place, i in enumerate(at)}
    whole = [found[i] for i in range(steps)]
    if not _goes_on(task, whole, seen):
        return None
    epochs = [whole[i : i + count] for i in range(0, steps, count)]
    return whole_training(epochs, [tuple(p[i] for p in seen) for i in range(count, steps + 1, count)])


def _stretches(parts: Sequence[tuple[Floats, Ints]], steps: int) -> list[list[int]]:
    """The numbers of steps, those together that have as many samples, and no more of them than fit."""
    found: list[list[int]] = []
    for size in {len(x) for x, _ in parts}:
        alike = [i for i in range(steps) if len(parts[i % len(parts)][0]) == size]
        most = max(1, _AT_ONCE // max(1, size * parts[0][0].shape[-1]))
        found += [alike[i : i + most] for i in range(0, len(alike), most)]
    return found


def _at(stack: Step, place: int) -> Step:
    return Step(
        parameters=tuple(p[place] for p in stack.parameters),
        gradients=tuple(g[place] for g in stack.gradients),
        losses=stack.losses[place],
        correct=stack.correct[place],
    )


def _goes_on(task: Task, steps: Sequence[Step], seen: Parameters) -> bool:
    """Whether the optimizer takes the first parameters of the task, and those of each step, to the next ones. What is close is
    measured by the way that the computed ones have gone: what was seen has no say in it."""
    optimizer = OPTIMIZERS[task.optimizer](task.rate)
    flat = np.concatenate([p.reshape(len(p), -1) for p in seen], axis=1)
    first = np.concatenate([p.ravel() for p in task.parameters])
    expected = [first]
    for before, step in zip(flat, steps, strict=False):
        gradient = np.concatenate([g.ravel() for g in step.gradients])
        expected += optimizer.update((before,), (gradient,))
    computed = np.stack(expected)
    begins = np.cumsum([0, *(p.size for p in task.parameters[:-1])])
    ways = np.maximum.reduceat(np.abs(computed - first), begins, axis=1)
    gaps = np.maximum.reduceat(np.abs(computed - flat), begins, axis=1)
    return bool((gaps <= _FOLLOWED * np.maximum.accumulate(ways, axis=0)).all())


def whole_training(epochs: Sequence[Sequence[Step]], validated: Sequence[Parameters]) -> Training:
    """A training of these steps; `validated` are the parameters when each epoch ended."""
    return Training(
        epochs=tuple(tuple(steps) for steps in epochs),
        validated=tuple(validated),
        train_loss=np.array([np.concatenate([step.losses for step in steps]).mean() for steps in epochs]),
        train_accuracy=np.array([np.concatenate([step.correct for step in steps]).mean() for steps in epochs]),
        final=validated[-1],
    )


def batches(x: Floats, labels: Ints, size: int) -> list[tuple[Floats, Ints]]:
    """The batches in order, the last one maybe short."""
    return [(x[i : i + size], labels[i : i + size]) for i in range(0, len(x), size)]


def evaluate(task: Task, parameters: Parameters) -> tuple[float, float, float, float]:
    """Loss and accuracy on the validation set, then the means of the batches' means. Batch norm works batch by batch, so
    the set is fed in batches: all full ones together, then the rest."""
    found: list[tuple[Floats, Floats]] = []
    for x, labels in _stacks(*task.validation, task.batch_size):
        out = forward(task.layers, parameters, x)[-1]
        found.append((losses(out, labels), correct(out, labels)))
    whole = [np.concatenate([part[i].ravel() for part in found]).mean() for i in (0, 1)]
    batches = [np.concatenate([part[i].mean(axis=-1) for part in found]).mean() for i in (0, 1)]
    return float(whole[0]), float(whole[1]), float(batches[0]), float(batches[1])


def _stacks(x: Floats, labels: Ints, size: int) -> list[tuple[Floats, Ints]]:
    """The batches as arrays [batches, batch, width] and [batches, batch]: the full ones, and the short last one."""
    full = len(x) // size * size
    parts = ((x[:full], labels[:full], size), (x[full:], labels[full:], len(x) - full))
    return [(a.reshape(-1, n, a.shape[1]), b.reshape(-1, n)) for a, b, n in parts if len(a)]
