"""MNIST as Keras keeps it: in Keras's cache, or fetched from where Keras fetches it, with Keras's hash."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from grader.data import files
from grader.data.dataset import Dataset
from grader.errors import DataUnavailable
from grader.language import noted, say
from grader.places import keras_mnist

ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
_TIMEOUT = 10.0  # seconds without an answer
_LONGEST = 180.0  # seconds for the whole file
_CHUNK = 1 << 16
_MOST_BYTES = 64 << 20
_OPTIONS = noted(
    "Put Keras's mnist.npz into {folder}, or hand over your own copy with --data FILE.npz, "
    "or choose --data embedded for the digits that come with the grader."
)


def load() -> Dataset:
    """MNIST, from the cache or fetched. Raises DataUnavailable when neither works."""
    return dataclasses.replace(files.read(cached() or fetch()), name="mnist")


def cached(sha256: str = SHA256) -> Path | None:
    """The file in Keras's cache, when it is there, whole and genuine."""
    path = keras_mnist()
    try:
        with path.open("rb") as file:
            return path if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else None
    except OSError:
        return None


def fetch(address: str = ADDRESS, sha256: str = SHA256) -> Path:
    """Download the file into Keras's cache; it appears there whole or not at all. Raises DataUnavailable."""
    path = keras_mnist()
    try:
        content = _downloaded(address)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise OSError("what was received is not the file that Keras expects")
        _write_whole(path, content)
    except (OSError, ValueError) as error:
        raise DataUnavailable(
            say(
                "MNIST could not be fetched from {address}: {why}. {options}",
                address=address,
                why=str(error),
                options=say(_OPTIONS, folder=str(path.parent)),
            )
        ) from error
    return path


def _downloaded(address: str) -> bytes:
    """The bytes at an address, bounded in size and time."""
    end = time.monotonic() + _LONGEST
    content = bytearray()
    with urlopen(address, timeout=_TIMEOUT) as answer:  # noqa: S310  (a constant of this module)
        while chunk := answer.read(_CHUNK):
            content += chunk
            if len(content) > _MOST_BYTES or time.monotonic() > end:
                raise OSError("the download was too large or too slow")
    return bytes(content)


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".mnist-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
