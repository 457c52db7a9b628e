"""The NumPy side of the probes, against numerical derivatives: it shares nothing with what it judges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grader.homework import expected
from grader.homework.expected import LayerPlan, Task
from grader.homework.series import counts, is_histogram_of
from grader.records import Floats


def task(optimizer: str = "adam") -> Task:
    rng = np.random.default_rng(5)
    layers = (
        LayerPlan(kind="dense", name="a", activation="tanh"),
        LayerPlan(kind="batch_norm", name="b"),
        LayerPlan(kind="dense", name="c", activation="softmax"),
    )
    parameters = (
        rng.normal(size=(6, 4)),
        rng.normal(size=(1, 4)),
        np.asarray(0.2),
        np.asarray(1.1),
        rng.normal(size=(4, 3)),
        rng.normal(size=(1, 3)),
    )
    data = rng.normal(size=(20, 6)), rng.integers(0, 3, 20)
    return Task(
        layers=layers,
        parameters=parameters,
        train=data,
        validation=data,
        batch_size=8,
        epochs=2,
        optimizer=optimizer,
        rate=0.01,
    )


@pytest.mark.parametrize("index", range(6))
def test_gradients_are_the_derivatives_of_the_summed_loss(index: int) -> None:
    plan = task()
    x, labels = plan.train

    def total(value: Floats) -> float:
        parameters = [*plan.parameters[:index], value, *plan.parameters[index + 1 :]]
        return float(expected.losses(expected.forward(plan.layers, parameters, x)[-1], labels).sum())

    found = expected.gradients(plan.layers, plan.parameters, x, labels).gradients[index]
    point, step = plan.parameters[index], 1e-6
    for place in list(np.ndindex(point.shape))[:5]:
        shift = np.zeros_like(point)
        shift[place] = step
        assert found[place] == pytest.approx(
            (total(point + shift) - total(point - shift)) / (2 * step), rel=1e-4, abs=1e-6
        )


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_lowers_the_loss_and_reports_every_epoch(optimizer: str) -> None:
    result = expected.train(replace(task(optimizer), epochs=30))
    assert len(result.steps) == 90
    assert len(result.validated) == 30
    first, last = (expected.evaluate(task(optimizer), result.validated[i])[0] for i in (0, -1))
    assert last < first


def seen(training: expected.Training) -> expected.Parameters:
    """The parameters at each step of a training and in the end, stacked."""
    moments = [*(step.parameters for step in training.steps), training.final]
    return tuple(np.stack(values) for values in zip(*moments, strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("size", [3, 8, 10, 30])
def test_a_training_that_is_followed_is_the_one_that_is_computed(
    monkeypatch: pytest.MonkeyPatch, optimizer: str, size: int
) -> None:
    monkeypatch.setattr(expected, "_AT_ONCE", 100)
    plan = replace(task(optimizer), epochs=3, batch_size=size)
    computed = expected.train(plan)
    along = expected.followed(plan, seen(computed))
    assert along is not None
    for a, b in zip(along.steps, computed.steps, strict=True):
        every = zip(
            (*a.parameters, *a.gradients, a.losses, a.correct),
            (*b.parameters, *b.gradients, b.losses, b.correct),
            strict=True,
        )
        for one, other in every:
            assert one.shape == other.shape
            assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    for one, other in zip((*along.validated, along.final), (*computed.validated, computed.final), strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))
    assert along.train_loss == pytest.approx(computed.train_loss)
    assert along.train_accuracy == pytest.approx(computed.train_accuracy)


OTHERWISE = {
    "one weight at one step": lambda s: s[0].__setitem__((2, 1, 1), s[0][2, 1, 1] + 1e-5),
    "the last weights": lambda s: s[4].__setitem__(-1, s[4][-2]),
    "the first weights": lambda s: [p.__setitem__(0, p[0] + 1e-5) for p in s],
    "weights that are not finite": lambda s: s[1].__setitem__(3, np.nan),
    "another gamma": lambda s: s[3].__setitem__(1, 1.2),
    "a bias without end at one step": lambda s: s[1].__setitem__((2, 0, 0), np.inf),
    "all biases without end in the end": lambda s: s[5].__setitem__(-1, np.inf),
    "a weight so large that all else is small": lambda s: s[0].__setitem__((4, 1, 1), 1e300),
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_a_training_that_goes_another_way_is_not_followed(change: Callable[[expected.Parameters], object]) -> None:
    plan = task()
    stack = seen(expected.train(plan))
    assert expected.followed(plan, stack) is not None
    change(stack)
    assert expected.followed(plan, stack) is None


def test_what_was_seen_has_no_say_in_how_close_it_must_be() -> None:
    """A bias that is large while a batch is fetched, and is set back, leaves tanh where it is."""
    plan = task()
    astray = expected.train(replace(plan, rate=0.03))
    for value in (np.inf, 1e30):
        stack = seen(astray)
        stack[1][3, 0, 0] = value
        assert expected.followed(plan, stack) is None


def test_a_training_of_another_length_or_other_batches_is_not_followed() -> None:
    plan = task()
    stack = seen(expected.train(plan))
    assert expected.followed(plan, tuple(p[:-1] for p in stack)) is None
    backwards = replace(plan, train=(plan.train[0][::-1], plan.train[1][::-1]))
    assert expected.followed(backwards, stack) is None
    assert expected.followed(replace(plan, rate=0.0101), stack) is None


def test_a_histogram_is_told_from_that_of_scaled_and_of_other_values() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=500)
    edges = np.linspace(values.min(), values.max(), 31)
    buckets = np.stack([edges[:-1], edges[1:], counts(values)], axis=1)
    assert is_histogram_of(buckets, values, 1e-4)
    assert not is_histogram_of(buckets, values / 128, 1e-4)
    assert not is_histogram_of(buckets, values[:-1], 1e-4)
    assert not is_histogram_of(buckets, np.sort(values)[::-1] * np.linspace(0.5, 1, 500), 1e-4)


def test_a_sum_that_nearly_cancels_is_compared_by_the_size_of_its_terms() -> None:
    buckets = np.zeros((30, 3))
    buckets[:, :2] = 0.0698118
    buckets[-1, 2] = 1
    value = np.asarray(0.0698209)
    assert is_histogram_of(buckets, value, 1e-4, usual=2.05)
    assert not is_histogram_of(buckets, value, 1e-4)


def test_the_validation_set_is_evaluated_batch_by_batch() -> None:
    """All full batches together give what each gives alone: batch norm sees one batch at a time."""
    own, parameters = task(), task().parameters
    outs = [
        (expected.forward(own.layers, parameters, x)[-1], y)
        for x, y in expected.batches(*own.validation, own.batch_size)
    ]
    losses = [expected.losses(out, y) for out, y in outs]
    right = [expected.correct(out, y) for out, y in outs]
    found = expected.evaluate(own, parameters)
    assert found[0] == pytest.approx(np.concatenate(losses).mean())
    assert found[1] == pytest.approx(np.concatenate(right).mean())
    assert found[2] == pytest.approx(np.mean([loss.mean() for loss in losses]))
    assert found[3] == pytest.approx(np.mean([r.mean() for r in right]))


KERAS_UPDATES = """
import sys, numpy as np, keras, tensorflow as tf
given = np.load(sys.argv[1])
weight = tf.Variable(given["start"])
optimizer = keras.optimizers.get({"class_name": sys.argv[2], "config": {"learning_rate": 0.013}})
for gradient in given["gradients"]:
    optimizer.apply_gradients([(tf.constant(gradient), weight)])
np.save(sys.argv[3], np.asarray(weight))
"""


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_the_optimizers_move_weights_as_those_of_keras(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=(6, 4)), rng.normal(size=(133, 6, 4))
    np.savez(tmp_path / "given.npz", start=start, gradients=gradients)
    paths = str(tmp_path / "given.npz"), name, str(tmp_path / "moved.npy")
    subprocess.run([sys.executable, "-c", KERAS_UPDATES, *paths], check=True, capture_output=True)
    optimizer = expected.OPTIMIZERS[name](0.013)
    moved: tuple[Floats, ...] = (start,)
    for gradient in gradients:
        moved = optimizer.update(moved, (gradient,))
    np.testing.assert_allclose(np.load(tmp_path / "moved.npy"), moved[0], rtol=1e-13)
