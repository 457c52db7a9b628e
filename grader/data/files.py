"""Data in .npz files with Keras's keys: reading with checks, writing."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.data.dataset import Bytes, Dataset
from grader.errors import DataUnavailable, UsageError
from grader.language import listed, say

KEYS = ("x_train", "y_train", "x_test", "y_test")
_MOST_BYTES = 512 * 1024 * 1024  # of all arrays; MNIST has 55 million
_NEXT_STEP = say("Hand over an .npz in the layout of keras.datasets.mnist, or choose --data mnist or --data embedded.")

# `Dataset.digest` of the whole of MNIST in its original order.
MNIST_DIGEST = "8834b5ae52362b449b11d21f64c7d5d3e674a6214a4a0169cff6f69e16c43ffb"


def read(path: Path) -> Dataset:
    """The data of an .npz file; the name is "mnist" when the arrays are MNIST's, else "file".

    Raises UsageError when there is no such file, DataUnavailable when it is damaged, too large or holds something else.
    """
    if not path.is_file():
        raise UsageError(listed((say("There is no file {path}.", path=str(path)), _NEXT_STEP), " "))
    try:
        dataset = _dataset(_arrays(path))
    except (OSError, EOFError, MemoryError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataUnavailable(
            listed(
                (
                    say("{path} cannot be used as data: {why}.", path=str(path), why=str(error).rstrip(".")),
                    _NEXT_STEP,
                ),
                " ",
            )
        ) from error
    return dataclasses.replace(dataset, name="mnist") if dataset.digest == MNIST_DIGEST else dataset


def save(dataset: Dataset, path: Path) -> None:
    """Write the four arrays under Keras's keys, as `keras.datasets.mnist.load_data` reads them."""
    with path.open("wb") as file:
        np.savez(
            file,
            x_train=dataset.x_train,
            y_train=dataset.y_train,
            x_test=dataset.x_test,
            y_test=dataset.y_test,
        )


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The four arrays, unchecked but small. Sizes are looked at before anything is unpacked."""
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    lacking = [key for key in KEYS if f"{key}.npy" not in sizes]
    if lacking:
        raise ValueError(f"it has no array {' and no array '.join(lacking)}")
    if sum(sizes[f"{key}.npy"] for key in KEYS) > _MOST_BYTES:
        raise ValueError(f"its arrays are larger than {_MOST_BYTES >> 20} MiB together")
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in KEYS}


def _dataset(arrays: dict[str, NDArray[np.generic]]) -> Dataset:
    x_train, x_test = (_images(key, arrays[key]) for key in ("x_train", "x_test"))
    y_train, y_test = (_labels(key, arrays[key]) for key in ("y_train", "y_test"))
    for x, y, part in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        if len(x) != len(y):
            raise ValueError(f"x_{part} has {len(x)} images but y_{part} has {len(y)} labels")
    return Dataset(name="file", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def _images(key: str, array: NDArray[np.generic]) -> Bytes:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[1:] != (28, 28) or not len(array):
        raise ValueError(f"{key} is {array.dtype} {array.shape} instead of uint8 (n, 28, 28)")
    return np.ascontiguousarray(array, dtype=np.uint8)


def _labels(key: str, array: NDArray[np.generic]) -> Bytes:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError(f"{key} is {array.dtype} {array.shape} instead of whole numbers (n,)")
    labels = array.astype(np.int64)
    if ((labels < 0) | (labels > 9)).any():
        raise ValueError(f"{key} holds labels outside 0 to 9")
    return labels.astype(np.uint8)
