"""The record that all sources of data give."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images uint8 (n, 28, 28) with 0 for paper and 255 for ink, labels uint8 (n,) from 0 to 9.

    `name` is where they come from: "mnist", "embedded" or "file".
    """

    name: str
    x_train: Bytes
    y_train: Bytes
    x_test: Bytes
    y_test: Bytes

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the shapes, dtypes and bytes of the four arrays; the name does not count."""
        total = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            total.update(f"{array.dtype.str}{array.shape};".encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()
