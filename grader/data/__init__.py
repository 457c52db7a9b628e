"""The images that notebooks train on: MNIST, an embedded set of drawn digits, or a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from grader.data import mnist
from grader.data.dataset import Dataset
from grader.data.digits import digits
from grader.data.files import read, save
from grader.errors import DataUnavailable, UsageError

_TRAIN, _TEST = 60_000, 10_000

__all__ = ["Dataset", "as_large_as_mnist", "digits", "load", "mnist", "save", "slice_for"]


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


def as_large_as_mnist(dataset: Dataset) -> Dataset:
    """The embedded digits again and again, up to MNIST's 60,000 and 10,000, so that code that counts on them goes on; any other
    data as they are."""
    if dataset.name != "embedded":
        return dataset
    return dataclasses.replace(
        dataset,
        x_train=np.resize(dataset.x_train, (_TRAIN, *dataset.x_train.shape[1:])),
        y_train=np.resize(dataset.y_train, _TRAIN),
        x_test=np.resize(dataset.x_test, (_TEST, *dataset.x_test.shape[1:])),
        y_test=np.resize(dataset.y_test, _TEST),
    )


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
