"""The images that notebooks train on: MNIST, an embedded set of drawn digits, or a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from grader.data import mnist
from grader.data.dataset import Dataset
from grader.data.digits import digits
from grader.data.files import read, save
from grader.errors import DataUnavailable, UsageError

__all__ = ["Dataset", "digits", "load", "mnist", "save", "slice_for"]


def load(choice: str) -> Dataset:
    """The data for "auto", "mnist", "embedded" or the path of an .npz. "auto" is MNIST, else the embedded digits.

    Raises DataUnavailable when they cannot be had, UsageError when there is no such file.
    """
    if choice == "embedded":
        return digits()
    if choice == "mnist":
        return mnist.load()
    if choice == "auto":
        return _mnist_or_digits()
    return read(Path(choice))


def _mnist_or_digits() -> Dataset:
    try:
        return mnist.load()
    except DataUnavailable:
        return digits()


def slice_for(dataset: Dataset, train: int, test: int) -> Dataset:
    """The first `train` and `test` images with their labels; 0 means all, and so does more than there are."""
    if train < 0 or test < 0:
        raise UsageError("A number of images cannot be negative. Use 0 for all of them.")
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train[: train or None],
        y_train=dataset.y_train[: train or None],
        x_test=dataset.x_test[: test or None],
        y_test=dataset.y_test[: test or None],
    )
