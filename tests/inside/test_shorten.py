"""The fast profile shortens the course library's sequences, whoever defines them, and nothing else."""

from __future__ import annotations

import functools
import importlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import grader

FIRST = (24, 12, 100)  # training images, test images, all test images


class Base:
    """What the course library's sequence and its like have in common."""

    def __init__(self, images: Any, labels: Any, batch_size: int, preprocess: Any = None) -> None:
        self.X, self.y, self.batch_size, self.preprocess = images, labels, batch_size, preprocess

    def __len__(self) -> int:
        return math.ceil(len(self.X) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return len(self.X[part]), len(self.y[part])


def sequence_class(**more: Any) -> Any:
    own = {name: vars(Base)[name] for name in ("__init__", "__len__", "__getitem__")}
    return type("MNISTSequence", (), own | more)


class Library:
    """A course library and a notebook that uses it, in the fast profile."""

    def __init__(self, patch: pytest.MonkeyPatch, sequence: Any = None) -> None:
        patch.syspath_prepend(str(Path(grader.__file__).parent / "inside"))
        for name in ("shorten", "watch_training"):
            patch.delitem(sys.modules, name, raising=False)
        self.shorten: Any = importlib.import_module("shorten")
        self.callbacks: dict[str, Any] = {}
        self.shell = SimpleNamespace(user_ns={}, events=SimpleNamespace(register=self.callbacks.__setitem__))

        class Sequential:
            def fit_generator(self, value: Callable[[], Any]) -> Any:
                return value()

            def predict_generator(self, seq: Any) -> Any:
                return list(seq), seq.preprocess

        self.names = SimpleNamespace(MNISTSequence=sequence or sequence_class(), Sequential=Sequential)
        importlib.import_module("watch_training").install(self.shell)(self.names)
        self.shorten.install(self.shell, FIRST)(self.names)

    def sequence(self, images: int, batch_size: int = 8, preprocess: Any = None) -> Any:
        return self.names.MNISTSequence(np.zeros((images, 28, 28)), np.zeros(images), batch_size, preprocess)

    def train(self, value: Callable[[], Any]) -> Any:
        """What `value` gives in the middle of a training."""
        return self.names.Sequential().fit_generator(value)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    return Library(monkeypatch)


@pytest.mark.parametrize(("images", "kept"), [(600, 24), (500, 24), (24, 24), (10, 10), (0, 0)])
def test_a_sequence_holds_the_first_images(library: Library, images: int, kept: int) -> None:
    x, labels, kind = np.zeros((images, 28, 28)), np.zeros(images), library.names.MNISTSequence
    for made in (kind(x, labels, 8), kind(labels=labels, images=x, batch_size=8)):
        assert (len(made.X), len(made.y), len(made)) == (kept, kept, math.ceil(kept / 8))
        assert library.train(lambda made=made: len(made)) == math.ceil(kept / 8)
    assert len(x) == images


SHORT, LONG = [(8, 8), (4, 4)], [(8, 8)] * 12 + [(4, 4)]


def test_a_sequence_of_test_images_is_short_in_a_training_and_whole_elsewhere(library: Library) -> None:
    sequence = library.sequence(100)
    for _ in range(2):
        assert (len(sequence.X), len(sequence), list(sequence)) == (100, 13, LONG)
        assert library.train(lambda: (len(sequence.X), len(sequence), list(sequence))) == (12, 2, SHORT)


def test_no_name_of_a_function_is_taken_for_a_training(library: Library) -> None:
    sequence = library.sequence(100)

    def train_and_fit() -> list[Any]:
        return list(sequence)

    assert train_and_fit() == LONG


def test_what_a_notebook_puts_into_a_sequence_is_cut_like_what_was_there(library: Library) -> None:
    sequence = library.sequence(100)
    sequence.X = sequence.X / 255
    assert library.train(lambda: list(sequence)) == SHORT
    assert library.train(lambda: sequence.preprocess) is None
    sequence.preprocess = max
    assert library.train(lambda: sequence.preprocess) is max


def test_a_loop_over_batches_that_were_counted_outside_finds_them_all(library: Library) -> None:
    sequence = library.sequence(100)
    count = len(sequence)
    found = library.train(lambda: [sequence[index] for index in range(count)])
    assert found == [*SHORT, *LONG[2:]]
    with pytest.raises(IndexError):
        library.train(lambda: sequence[count])


def test_a_loop_that_knows_how_many_batches_of_training_images_there_are_finds_them_all(library: Library) -> None:
    sequence = library.sequence(600)
    assert library.train(lambda: [sequence[index] for index in range(75)]) == [(8, 8)] * 75
    with pytest.raises(IndexError):
        library.train(lambda: sequence[75])


def test_a_sequence_that_counted_its_batches_when_it_was_made_is_short_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(self: Any, images: Any, labels: Any, batch_size: int, preprocess: Any = None) -> None:
        Base.__init__(self, images, labels, batch_size, preprocess)
        self.batches = math.ceil(len(images) / batch_size)

    library = Library(monkeypatch, sequence_class(__init__=make, __len__=lambda self: self.batches))
    test, train = library.sequence(100), library.sequence(600)
    assert (len(test), len(train)) == (13, 3)
    assert library.train(lambda: (list(test), list(train))) == (SHORT, [(8, 8)] * 3)


def own_training(value: Callable[[], Any]) -> Any:
    return value()


PATCHES = {
    "a function": own_training,
    "a partial function": functools.partial(own_training),
    "a partial method": functools.partialmethod(own_training),
    "a static method": staticmethod(own_training),
    "a method of another class": type("Trainer", (), {"fit": own_training})().fit,
    "a compiled function": SimpleNamespace(python_function=own_training),
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_a_training_is_what_the_notebook_puts_in_its_place_from_then_on(library: Library, patch: object) -> None:
    sequence = library.sequence(100)
    assert own_training(lambda: list(sequence)) == LONG
    library.names.Sequential.fit_generator = patch
    assert own_training(lambda: list(sequence)) == SHORT


def test_a_derived_class_is_shortened_once_and_whole_elsewhere(library: Library) -> None:
    class Own(library.names.MNISTSequence):  # type: ignore[name-defined,misc]
        def __init__(self, images: Any, labels: Any) -> None:
            super().__init__(images, labels, 8)
            self.order = list(range(len(self.X)))

    assert len(Own(np.zeros(600), np.zeros(600)).order) == 24
    sequence = Own(np.zeros(100), np.zeros(100))
    assert list(sequence) == LONG
    assert library.train(lambda: (list(sequence), len(sequence.order))) == (SHORT, 12)


def test_what_cannot_be_shortened_fails_as_it_would(library: Library) -> None:
    kind = library.names.MNISTSequence
    with pytest.raises(TypeError, match="missing"):
        kind(np.zeros(600))
    assert len(kind("x" * 600, "y" * 600, 8)) == 3
    odd = kind(5, 5, 1)
    with pytest.raises(TypeError):
        len(odd)


def test_a_pasted_library_is_shortened_after_its_cell(library: Library) -> None:
    pasted, other = sequence_class(), sequence_class()
    pasted.__module__, other.__module__ = "__main__", "elsewhere"
    for found, kept in ((pasted, 24), (other, 600)):
        library.shell.user_ns["MNISTSequence"] = found
        library.callbacks["post_run_cell"](None)
        assert len(found(np.zeros(600), np.zeros(600), 8).X) == kept


@pytest.mark.parametrize(("images", "batches"), [(600, 75), (100, 13)])
def test_predictions_are_for_all_images_except_in_a_training(library: Library, images: int, batches: int) -> None:
    sequence = library.sequence(images)
    sequence.preprocess = max  # what the notebook has changed stays so
    model = library.names.Sequential()
    found, preprocess = model.predict_generator(sequence)
    assert (len(found), preprocess) == (batches, max)
    found, _ = library.train(lambda: model.predict_generator(sequence))
    assert len(found) == math.ceil(FIRST[0 if images == 600 else 1] / 8)


@pytest.mark.parametrize("images", [600, 100])
def test_a_sequence_without_a_hash_is_shortened_too(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    library = Library(monkeypatch, sequence_class(__hash__=None))
    sequence = library.sequence(images)
    assert library.train(lambda: len(sequence)) == (3 if images == 600 else 2)
    assert library.names.Sequential().predict_generator(sequence)


def test_a_class_that_knows_how_to_be_gone_through_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(self: Any) -> Iterator[Any]:
        return (self[index] for index in reversed(range(len(self))))

    library = Library(monkeypatch, sequence_class(__iter__=backwards))
    sequence = library.sequence(100)
    assert list(sequence) == LONG[::-1]
    assert library.train(lambda: list(sequence)) == SHORT[::-1]
