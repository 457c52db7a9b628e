"""The fast profile shortens the course library's sequences, whoever defines them, and nothing else."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import grader

FIRST = (24, 12, 100)


def module() -> Any:
    path = Path(grader.__file__).parent / "inside" / "shorten.py"
    spec = importlib.util.spec_from_file_location("shorten", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def sequence_class() -> Any:
    class MNISTSequence:
        def __init__(self, images: Any, labels: Any, batch_size: int, preprocess: Any = None) -> None:
            self.kept = len(images), len(labels), batch_size, preprocess
            self.X = images

        def __len__(self) -> int:
            return math.ceil(len(self.X) / 8)

        def __getitem__(self, index: int) -> int:
            if index >= len(self):
                raise IndexError
            return len(self.X[8 * index : 8 * index + 8])

    return MNISTSequence


def fit(value: Callable[[], Any]) -> Any:
    """Named as what it stands for: a training."""
    return value()


class Sequential:
    def fit_generator(self, seq: Any) -> list[int]:
        return list(seq)

    def predict_generator(self, seq: Any) -> list[int]:
        return list(seq)


@pytest.fixture
def kind() -> Any:
    made = sequence_class()
    module().shorten(made, FIRST)
    return made


@pytest.mark.parametrize(("images", "kept"), [(600, 24), (500, 24), (24, 24), (10, 10), (0, 0)])
def test_a_sequence_holds_the_first_images(kind: Any, images: int, kept: int) -> None:
    x, labels = np.zeros((images, 28, 28)), np.zeros(images)
    assert kind(x, labels, 8).kept == (kept, kept, 8, None)
    assert kind(labels=labels, images=x, preprocess=len, batch_size=8).kept == (kept, kept, 8, len)
    assert len(x) == images


def test_a_sequence_of_test_images_is_whole_where_nothing_learns(kind: Any) -> None:
    sequence = kind(np.zeros(100), np.zeros(100), 8, preprocess=len)
    for _ in range(2):
        assert (sequence.kept, len(sequence), list(sequence)) == ((100, 100, 8, len), 13, [8] * 12 + [4])
        assert fit(lambda: (sequence.kept, len(sequence), list(sequence))) == ((12, 12, 8, len), 2, [8, 4])
    sequence.X = np.zeros(50)
    assert fit(lambda: len(sequence)) == 7, "what the notebook put there"


def test_what_learns_is_known_by_the_name_that_the_notebook_gave_it(kind: Any) -> None:
    callbacks: dict[str, Any] = {}
    shell = SimpleNamespace(user_ns={}, events=SimpleNamespace(register=callbacks.__setitem__))
    model = type("Sequential", (), {"fit_generator": lambda self, seq: own_loop(seq)})
    shortens = module()
    library = SimpleNamespace(MNISTSequence=sequence_class(), Sequential=model)
    shortens.install(shell, library, FIRST)

    def own_loop(seq: Any) -> list[int]:
        return list(seq)

    sequence = library.MNISTSequence(np.zeros(100), np.zeros(100), 8)
    assert len(own_loop(sequence)) == 13
    model.fit_generator = own_loop  # type: ignore[attr-defined]
    callbacks["post_run_cell"](None)
    assert own_loop(sequence) == [8, 4]


def test_a_derived_class_is_shortened_once(kind: Any) -> None:
    class Own(kind):  # type: ignore[misc]
        def __init__(self, images: Any, labels: Any) -> None:
            super().__init__(images, labels, 4)

    module().shorten(Own, FIRST)
    assert Own(np.zeros(600), np.zeros(600)).kept == (24, 24, 4, None)


def test_what_cannot_be_shortened_fails_as_it_would(kind: Any) -> None:
    with pytest.raises(TypeError, match="missing"):
        kind(np.zeros(600))
    assert kind("x" * 600, "y" * 600, 1).kept == (24, 24, 1, None)
    with pytest.raises(TypeError):
        kind(5, 5, 1)


def test_a_pasted_library_is_shortened_after_its_cell() -> None:
    callbacks: dict[str, Any] = {}
    shell = SimpleNamespace(user_ns={}, events=SimpleNamespace(register=callbacks.__setitem__))
    library = SimpleNamespace(MNISTSequence=sequence_class())
    module().install(shell, library, FIRST)
    pasted, other = sequence_class(), sequence_class()
    pasted.__module__, other.__module__ = "__main__", "elsewhere"
    for found, kept in ((pasted, 24), (other, 600)):
        shell.user_ns["MNISTSequence"] = found
        callbacks["post_run_cell"](None)
        assert found(np.zeros(600), np.zeros(600), 1).kept[0] == kept
    assert library.MNISTSequence(np.zeros(600), np.zeros(600), 1).kept[0] == 24


def test_predictions_are_for_all_images_and_the_sequence_stays_short(kind: Any) -> None:
    shortens = module()
    for images, short in ((600, 3), (100, 2)):
        made = sequence_class()
        shortens.shorten(made, FIRST)
        model = type("Model", (Sequential,), {})
        shortens.predict_whole(model)
        sequence = made(np.zeros(images), np.zeros(images), 8)
        assert sum(model().predict_generator(sequence)) == images
        assert len(model().fit_generator(sequence)) == short
        assert len(fit(lambda m=model, s=sequence: m().predict_generator(s))) == short


def test_a_sequence_without_a_hash_is_shortened_too() -> None:
    kind = sequence_class()
    kind.__hash__ = None
    module().shorten(kind, FIRST)
    assert kind(np.zeros(600), np.zeros(600), 8).kept == (24, 24, 8, None)
