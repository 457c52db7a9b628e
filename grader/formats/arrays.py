"""Numeric arrays of an .npz as `np.savez` writes it, read with suspicion: foreign code may have touched the file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MOST_ARRAYS = 10_000
_LOCAL = struct.Struct("<26xHH")  # the header before a member's data ends with the lengths of its name and its extras
_SUFFIX = ".npy"
_KINDS = "biuf"
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class StoredArrays(Mapping[str, "NDArray[np.generic]"]):
    """Numeric arrays of an .npz by name, each read when it is first asked for: most verdicts need few of them, or none. They
    cannot be written to. What is not numeric, or broken, is not there; of a file that is missing or none, or that unpacks to
    more than it weighs, nothing is. Raises OSError when a file that is there cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, NDArray[np.generic] | None] = {}

    @cached_property
    def _stored(self) -> tuple[bytes, Mapping[str, zipfile.ZipInfo]]:
        return _opened(self._path)

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        if name not in self._held:
            self._held[name] = self._read(name)
        found = self._held[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._stored[1] if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _read(self, name: str) -> NDArray[np.generic] | None:
        data, members = self._stored
        member = members.get(name)
        try:
            return None if member is None else _array(_content(data, member))
        except Exception:  # noqa: BLE001 - a hostile header ends NumPy and Python's parser in ways that nobody lists
            return None


def _opened(path: Path) -> tuple[bytes, Mapping[str, zipfile.ZipInfo]]:
    """The file and its members by the arrays' names. Nothing is packed, and they weigh no more than the file together."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b"", {}
    try:
        if data.count(b"PK\x01\x02") > _MOST_ARRAYS:  # before zipfile makes a record of each
            return b"", {}
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            members = bundle.infolist()
    except Exception:  # noqa: BLE001 - as above
        return b"", {}
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        return b"", {}
    if sum(member.file_size for member in members) > len(data):
        return b"", {}
    return data, {member.filename.removesuffix(_SUFFIX): member for member in members}


def _content(data: bytes, member: zipfile.ZipInfo) -> memoryview:
    """The bytes of a member that is stored as it is. Raises ValueError when they are not what was written."""
    name, extras = _LOCAL.unpack_from(data, member.header_offset)
    start = member.header_offset + _LOCAL.size + name + extras
    content = memoryview(data)[start : start + member.file_size]
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise ValueError(f"{member.filename} is broken")
    return content


def _array(content: memoryview) -> NDArray[np.generic]:
    """The array of an .npy file. Raises whatever a header makes NumPy raise; nothing is unpickled, and nothing is larger than
    what holds it."""
    magic = np.lib.format.MAGIC_LEN
    major, _ = np.lib.format.read_magic(io.BytesIO(content[:magic]))
    width = 2 if major == 1 else 4
    end = magic + width + int.from_bytes(content[magic : magic + width], "little")
    shape, fortran, dtype = _header(bytes(content[:end]))
    if dtype.kind not in _KINDS or min(shape, default=0) < 0:
        raise ValueError(f"{dtype} of shape {shape} is no array of numbers")
    flat = np.frombuffer(content[end:], dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


@lru_cache(maxsize=1024)
def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, order and type. Most arrays of a class have the same few headers, and each is parsed as Python."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    return _READ_HEADER[version](file)
