"""Arrays come back as they were stored, and a file that foreign code has touched does no harm."""

from __future__ import annotations

import resource
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader.formats.arrays import StoredArrays


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


def by_hand(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as bundle:
        for name, data in members:
            bundle.writestr(f"{name}.npy", data)
    return path


def npy(header: str, data: bytes = b"") -> bytes:
    """An array of NumPy's format 1.0 with a header of one's own."""
    return np.lib.format.magic(1, 0) + struct.pack("<H", len(header)) + header.encode() + data


GOOD = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", np.arange(2).tobytes())
HEADERS = {
    "a shape without end": "{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}",
    "more than is there": "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000,)}",
    "a negative shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
    "many dimensions": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 100 + ")}",
    "nothing, many times": "{'descr': '<V0', 'fortran_order': False, 'shape': (10000000000,)}",
    "another type": "{'descr': 'no type', 'fortran_order': False, 'shape': (2,)}",
    "fields": "{'descr': [('a', '<f8', (1000000,))], 'fortran_order': False, 'shape': (100,)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    "minus signs": "-" * 9000 + "1",
    "parentheses": "(" * 9000,
    "a sum": "+".join("1" * 4000),
    "a call": "__import__('os').abort()",
    "nothing": "",
    "bytes": "\0" * 100,
    "too long": "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}" + " " * 60_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies_costs_its_own_array_only(tmp_path: Path, header: str) -> None:
    path = by_hand(tmp_path / "arrays.npz", ("bad", npy(header, bytes(64))), ("good", GOOD))
    assert bounded(lambda: list(StoredArrays(path)), mib=256) == ["good"]


def test_packed_arrays_may_be_bombs_and_are_not_there(tmp_path: Path) -> None:
    bomb = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (12500000,)}", bytes(100_000_000))
    path = by_hand(tmp_path / "arrays.npz", ("bomb", bomb), ("good", GOOD), method=zipfile.ZIP_DEFLATED)
    assert bounded(lambda: dict(StoredArrays(path)), mib=64) == {}


def test_members_that_share_their_bytes_are_not_there(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "arrays.npz", *((f"m{number}", GOOD) for number in range(3)))
    data = path.read_bytes()
    whole = data[: data.index(b"PK\x01\x02")]
    entry = bytearray(data[len(whole) : data.index(b"PK\x01\x02", len(whole) + 1)])
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 50, 50, 50 * len(entry), len(whole), 0)
    path.write_bytes(whole + bytes(entry) * 50 + end)
    assert dict(StoredArrays(path)) == {}


def test_a_crowd_of_members_is_not_listed(tmp_path: Path) -> None:
    path = stored(tmp_path, good=np.arange(2))
    data = path.read_bytes()
    directory = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    count = 600_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, count * len(directory), 0, 0)
    path.write_bytes(directory * count + end)
    assert bounded(memory_to_list, path, mib=2048) < 150


def memory_to_list(path: Path) -> int:
    """MiB of memory that it takes to see what arrays there are."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert dict(StoredArrays(path)) == {}
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10


NUMBERS = st.sampled_from(["<f8", ">f4", "<i8", ">i2", "|u1", "|b1"])


@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=4),
        hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0)),
        max_size=3,
    )
)
def test_numbers_come_back_with_their_shapes_and_types(arrays: dict[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = StoredArrays(stored(Path(folder), **arrays, turned=np.asfortranarray(np.arange(6).reshape(2, 3))))
        assert found["turned"].tolist() == [[0, 1, 2], [3, 4, 5]]
        for name, array in arrays.items():
            there = found[name]
            assert (there.dtype, there.shape, there.tobytes()) == (array.dtype, array.shape, array.tobytes())
