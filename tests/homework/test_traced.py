"""What a training did is told from the probe's notes: fetches, updates, and weights at each of these moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader.homework import expected
from grader.homework.expected import Step
from grader.homework.questions import draw, task_of
from grader.homework.traced import _alike, distance, seen_otherwise, traced
from grader.records import Definition, Evidence, Floats

SOURCE = "def fit_generator(self):\n    pass\n"


def question(seed: int = 3):  # type: ignore[no-untyped-def]
    definition = Definition(wanted="fit_generator", name="fit_generator", source=SOURCE, cell=1, line=1, normal=SOURCE)
    return draw({"fit_generator": definition}, np.random.default_rng(seed))[0]


class Notes:
    """Writes down a training as the probe would, batch by batch."""

    def __init__(self) -> None:
        self.question = question()
        self.task = task_of(self.evidence({}), "main")
        self.weights, self.when = self.task.parameters, 0
        self.optimizer = expected.OPTIMIZERS[self.task.optimizer](self.task.rate)
        self.train: list[tuple[int, int, Sequence[Floats]]] = []
        self.validation: list[tuple[int, int, Sequence[Floats]]] = []
        self.updates: list[tuple[int, Sequence[Floats], Sequence[Floats]]] = []
        self.batches = expected.batches(*self.task.train, self.task.batch_size)

    def evidence(self, arrays: dict[str, np.ndarray]) -> Evidence:
        return Evidence(question=self.question, arrays=arrays, logs=Path("/nowhere"), faults={})

    def tick(self) -> int:
        self.when += 1
        return self.when

    def step(self, number: int, scale: float = 1.0, times: int = 1) -> Step:
        self.train.append((number, self.tick(), self.weights))
        found = expected.gradients(self.task.layers, self.weights, *self.batches[number])
        applied = tuple(g * scale for g in found.gradients)
        for _ in range(times):
            self.updates.append((self.tick(), self.weights, applied))
            self.weights = self.optimizer.update(self.weights, applied)
        return found

    def validate(self) -> None:
        for number in range(len(expected.batches(*self.task.validation, self.task.batch_size))):
            self.validation.append((number, self.tick(), self.weights))

    def done(self) -> Evidence:
        arrays = {f"main_f{i}": value for i, value in enumerate(self.weights)}
        for part, notes in (("train", self.train), ("validation", self.validation)):
            arrays[f"main_{part}_at"] = np.array([n for n, _, _ in notes])
            arrays[f"main_{part}_when"] = np.array([w for _, w, _ in notes])
            arrays |= stacked(f"main_{part}_w", [values for _, _, values in notes])
        arrays["main_apply_when"] = np.array([w for w, _, _ in self.updates])
        arrays |= stacked("main_apply_w", [values for _, values, _ in self.updates])
        arrays |= stacked("main_apply_g", [values for _, _, values in self.updates])
        return self.evidence(arrays)


def stacked(name: str, rows: Sequence[Sequence[Floats]]) -> dict[str, np.ndarray]:
    return {f"{name}{i}": np.stack(values) for i, values in enumerate(zip(*rows, strict=True))}


def trained(*, scale: float = 1.0, times: int = 1, every: int = 1, twice: bool = False) -> tuple[Notes, list[Step]]:
    notes, steps = Notes(), []
    for _ in range(notes.task.epochs):
        for number in range(len(notes.batches)):
            steps.append(notes.step(number, scale, times if number % every == 0 else 0))
        notes.validate()
        if twice:
            notes.validate()
    return notes, steps


@pytest.mark.parametrize("twice", [False, True])
def test_the_courses_training_is_told_from_its_weights(twice: bool) -> None:
    notes, steps = trained(twice=twice)
    seen = traced(notes.done(), "main")
    assert len(seen.witnesses) == 1
    assert len(seen.training.steps) == len(steps)
    assert seen.validated.ends == tuple(range(notes.task.epochs))
    assert len(seen.validated.losses) == notes.task.epochs


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"scale": 3.0, "times": 2}, "updates instead of"),
        ({"every": 2}, "updates instead of"),
        ({"scale": -0.5}, "not those of the loss's sum"),
    ],
    ids=["doubled", "every second", "other gradients"],
)
def test_a_training_of_its_own_is_retraced_and_named(how: dict[str, float], told: str) -> None:
    notes, steps = trained(**how)  # type: ignore[arg-type]
    evidence = notes.done()
    way = distance(evidence, "main")
    assert way is not None and way > 0.001
    seen = traced(evidence, "main")
    assert [len(epoch) for epoch in seen.training.epochs] == [len(notes.batches)] * notes.task.epochs
    for mine, true in zip(seen.training.steps, steps, strict=True):
        np.testing.assert_allclose(mine.gradients[0], true.gradients[0])
    assert seen.validated.losses[-1] == pytest.approx(expected.evaluate(notes.task, notes.weights)[0])
    assert told in str(seen_otherwise(evidence, "main"))


WEIGHTS = hnp.arrays(
    np.float64, 3, elements=st.sampled_from([0.0, 1e-7, 1.0, 1.0005, 1.01, -1.0, np.inf, -np.inf, np.nan])
)


@given(WEIGHTS, WEIGHTS)
def test_weights_are_alike_as_numpy_says(some: Floats, others: Floats) -> None:
    assert _alike((some,), (others,)) is bool(np.allclose(some, others, rtol=1e-3, atol=1e-6))


def changed(evidence: Evidence, **arrays: np.ndarray | None) -> Evidence:
    kept = {**evidence.arrays, **arrays}
    return replace(evidence, arrays={name: value for name, value in kept.items() if value is not None})


def spoilt(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[3].flat[0] = value
    return array


@pytest.mark.parametrize("value", [np.inf, 1e30])
def test_a_bias_that_is_set_while_a_batch_is_fetched_hides_no_training_of_its_own(value: float) -> None:
    notes, _ = trained(scale=-0.5)
    evidence = notes.done()
    bent = changed(evidence, main_train_w1=spoilt(evidence.arrays["main_train_w1"], value))
    way = distance(evidence, "main")
    assert way is not None and way > 0.001
    assert distance(bent, "main") == pytest.approx(way)


def test_weights_that_never_moved_are_as_far_off_as_they_should_have_gone() -> None:
    evidence = trained()[0].done()
    still = {f"main_f{i}": value for i, value in enumerate(task_of(evidence, "main").parameters)}
    assert distance(changed(evidence, **still), "main") == pytest.approx(1.0)


def test_without_notes_of_the_weights_the_end_of_a_training_is_judged_all_the_same() -> None:
    evidence = trained()[0].done()
    for lacking in (None, np.zeros(3), evidence.arrays["main_train_w1"][:-1]):
        way = distance(changed(evidence, main_train_w1=lacking), "main")
        assert way is not None and way < 1e-6
    assert distance(changed(evidence, main_f0=np.zeros(2)), "main") is None


def test_gradients_that_were_applied_are_a_witness_too() -> None:
    notes, _ = trained(scale=-0.5)
    applied = traced(notes.done(), "main").witnesses[-1]
    np.testing.assert_allclose(applied.steps[5].gradients[0], notes.updates[5][2][0])


def test_updates_after_the_last_validation_are_no_epoch_of_training() -> None:
    notes, _ = trained()
    for _ in range(5):
        x, y = expected.batches(*notes.task.validation, notes.task.batch_size)[0]
        notes.validation.append((0, notes.tick(), notes.weights))
        found = expected.gradients(notes.task.layers, notes.weights, x, y)
        notes.updates.append((notes.tick(), notes.weights, found.gradients))
        notes.weights = notes.optimizer.update(notes.weights, found.gradients)
    seen = traced(notes.done(), "main")
    assert len(seen.training.epochs) == notes.task.epochs
    assert len(seen.validated.ends) == notes.task.epochs


@pytest.mark.parametrize("broken", ["main_train_at", "main_train_w0", "main_apply_g1", "main_validation_when"])
def test_notes_that_do_not_fit_are_not_believed(broken: str) -> None:
    evidence = trained(scale=-0.5)[0].done()
    arrays = {**evidence.arrays, broken: np.zeros((2, 2))}
    assert traced(Evidence(question=evidence.question, arrays=arrays, logs=evidence.logs, faults={}), "main").witnesses
