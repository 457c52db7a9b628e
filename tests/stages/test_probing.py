"""Answers of probes are read with suspicion: they were written beside code that may have touched them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grader.stages.probing import StoredArrays


def stored(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "arrays.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_numeric_arrays_are_there_and_nothing_else(tmp_path: Path) -> None:
    path = stored(tmp_path, a=np.arange(3), text=np.array(["x"]), b=np.ones((2, 2), bool))
    arrays = StoredArrays(path)
    assert sorted(arrays) == ["a", "b"]
    assert len(arrays) == 2
    assert arrays["a"].tolist() == [0, 1, 2]
    assert "text" not in arrays
    assert arrays.get("nothing") is None


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut off", np.lib.format.magic(1, 0)], ids=repr)
def test_a_file_that_cannot_be_read_holds_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(data)
    assert dict(StoredArrays(path)) == {}
    assert dict(StoredArrays(tmp_path / "missing.npz")) == {}


def test_an_array_that_is_broken_takes_none_of_the_others_with_it(tmp_path: Path) -> None:
    path = stored(tmp_path, good=np.arange(5), bad=np.arange(7) + 1000)
    data = bytearray(path.read_bytes())
    place = data.index((1003).to_bytes(8, "little"))
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    assert list(StoredArrays(path)) == ["good"]


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, thing=np.array([{"a": 1}], dtype=object), good=np.arange(2))
    assert list(StoredArrays(path)) == ["good"]
