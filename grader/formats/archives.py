"""Archives, unpacked with suspicion: zip and tar, the latter also compressed.

No name from an archive is used as it stands: members are written one by one below a folder of ours, under a path that
we make. What has no business there (links, devices, paths that lead out) is left out and named; what cannot be honest
(bombs, members that overlap, sizes that lie) refuses the whole archive. Sizes are counted while writing, never believed.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import math
import os
import re
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

from grader.errors import GraderError, UnreadableSubmission
from grader.files import printable
from grader.language import Message, noted, say
from grader.places import opener

MAX_BYTES = 512 << 20
"""What an archive may hold, and may weigh itself."""

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".rar", ".7z")
"""Names that people give to archives; those of rar and 7z are refused with a sentence."""

_MIB = 1 << 20
_CHUNK = 1 << 16
_MAX_MEMBERS = 5000
_MAX_RATIO = 200  # real event files of NaN runs reach sixty
_MAX_ENTRIES = 2 * _MAX_MEMBERS  # directory entries before zipfile is let at them, those of stored archives included
_MAX_DIRECTORY = 4 * _MIB  # of a zip, read at once
_MAX_HEADER = _MIB // 4  # of a member of a tar: each member gets a copy of what the headers for all say
_MAX_TO_NAME = 64 * _MIB  # of a tar that is unpacked only to see what it holds
_MAX_DEPTH = 32
_MAX_NOTES = 10
_XZ_MEMORY = 128 * _MIB
_ENCRYPTED, _UTF8 = 0x1, 0x800  # flags of a zip member
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile bounds what it unpacks at once for these only
_NO_FILE = noted("a link or a device")
_DROPPED = frozenset({"__MACOSX", ".DS_Store", ".ipynb_checkpoints"})
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)  # here, not in the archive
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, OverflowError,
    NotImplementedError, UnicodeError, IndexError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in an archive. `trouble` says why it cannot be taken, "" if it can; `chunks` gives its bytes."""

    name: str
    trouble: str
    chunks: Callable[[], Iterator[bytes]]
    size: int


@dataclass(slots=True)
class _Taken:
    """The paths that have been given out, in a form in which no file system tells fewer apart."""

    files: set[tuple[str, ...]] = field(default_factory=set)
    folders: set[tuple[str, ...]] = field(default_factory=set)

    def claim(self, parts: tuple[str, ...]) -> bool:
        """Whether a file may be made there: nothing has that path, and no file stands where a folder must."""
        key = tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in parts)
        parents = {key[:depth] for depth in range(1, len(key))}
        if key in self.files or key in self.folders or parents & self.files:
            return False
        self.files.add(key)
        self.folders |= parents
        return True


def is_archive(name: str) -> bool:
    """Whether a file is called like an archive."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """An archive's name without its suffix."""
    suffix = max((s for s in SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]


def names(archive: Path) -> tuple[str, ...]:
    """The paths of the files that `unpack` would write, `/` between parts. Raises UnreadableSubmission, also for a
    compressed tar that holds more than 64 MiB."""
    with _guarded(archive), _members(archive, _MAX_TO_NAME) as members:
        return tuple("/".join(parts) for _, parts in _wanted(members, []))


def unpack(archive: Path, target: Path, *, most: int = MAX_BYTES) -> tuple[Message, ...]:
    """Write the archive's files below `target`, a new or empty folder: at most 5000 files and `most` bytes. Returns a
    note on each member that was left out. Raises UnreadableSubmission when the archive cannot be trusted or read,
    GraderError when there is no room for it here."""
    notes: list[Message] = []
    target.mkdir(parents=True, exist_ok=True)
    with _guarded(archive), _members(archive, MAX_BYTES) as members:
        allowance = _Allowance(archive, most)
        for member, parts in _wanted(members, notes):
            _write(member, target.joinpath(*parts), allowance)
    if len(notes) > _MAX_NOTES:
        notes[_MAX_NOTES:] = [say("and {n} more", n=len(notes) - _MAX_NOTES)]
    return tuple(notes)


# --- refusing --------------------------------------------------------------------------------------------------------


def _refuse(archive: Path, template: str, **values: str | int | float) -> NoReturn:
    raise UnreadableSubmission(say(template, name=_shown(archive.name), **values)) from None


@contextmanager
def _guarded(archive: Path) -> Iterator[None]:
    """Turn what the libraries raise on a broken archive into the one exception that our callers know."""
    try:
        yield
    except UnreadableSubmission:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise GraderError(
                say(
                    "Cannot unpack {name}: {why}. Make room and try again.",
                    name=_shown(archive.name),
                    why=str(error.strerror),
                )
            ) from error
        _refuse(archive, "The archive {name} is damaged or cut off: pack it again and hand it in again.")


def _shown(name: str) -> str:
    return printable(name[-200:])


class _Allowance:
    """What may still be written: counts real bytes, whatever the archive says about them."""

    def __init__(self, archive: Path, most: int) -> None:
        self.archive = archive
        self.most = most
        self.by_ratio = max(_MIB, _MAX_RATIO * archive.stat().st_size)
        self.written = 0

    def take(self, count: int) -> None:
        self.written += count
        if self.written > self.by_ratio:
            _refuse(self.archive, "The archive {name} swells suspiciously when unpacked: pack only your work again.")
        if self.written > self.most:
            _refuse(
                self.archive,
                "The archive {name} holds more than {most} MiB: pack only the notebook and its logs.",
                most=self.most // _MIB,
            )


# --- members ---------------------------------------------------------------------------------------------------------


def _wanted(members: Iterator[_Member], notes: list[Message]) -> Iterator[tuple[_Member, tuple[str, ...]]]:
    """The members to write with the paths that we give them; notes on those that are left out."""
    taken = _Taken()
    for member in members:
        parts = safe_parts(member.name)
        if parts is not None and (_DROPPED & set(parts) or parts[-1].startswith("._")):
            continue
        if parts is None:
            notes.append(say("{name}: not a path to unpack to", name=_shown(member.name)))
        elif member.trouble:
            notes.append(say("{name}: {why}", name=_shown(member.name), why=say(member.trouble)))
        elif not taken.claim(parts):
            notes.append(say("{name}: a second file of that name", name=_shown(member.name)))
        else:
            yield member, parts


def safe_parts(name: str) -> tuple[str, ...] | None:
    """The parts of a member's path, or None if it is absolute, leads out, or could not be a file's name everywhere."""
    name = name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if not parts or len(parts) > _MAX_DEPTH or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return None
    if ".." in parts or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return None
    lengths = [len(part.encode()) for part in parts]
    return parts if max(lengths) <= 240 and sum(lengths) <= 1000 else None


def _write(member: _Member, path: Path, allowance: _Allowance) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = allowance.written
    with path.open("xb") as target:
        for chunk in member.chunks():
            allowance.take(len(chunk))
            target.write(chunk)
    if allowance.written - before != member.size:
        _refuse(allowance.archive, "The archive {name} lies about the sizes of its files: pack it again.")


@contextmanager
def _members(archive: Path, most: int) -> Iterator[Iterator[_Member]]:
    """The files in an archive of any kind; its first bytes say which. A compressed tar may hold `most` bytes of them."""
    with _open(archive) as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield _zip_members(archive, file)
        elif (unpacked := _decompressor(start)) is not None:
            with _spooled(archive, unpacked(file), most) as plain:
                yield _tar_members(archive, plain)
        elif start[257:262] == b"ustar" or _is_old_tar(start):
            yield _tar_members(archive, file)
        else:
            _refuse_kind(archive, start)


def _open(archive: Path) -> IO[bytes]:
    try:
        file = io.BufferedReader(io.FileIO(archive, opener=opener))
    except OSError:
        _refuse(archive, "{name} is a folder or a link, or cannot be opened: hand in the archive itself.")
    facts = os.fstat(file.fileno())
    if stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_BYTES:
        return file
    file.close()
    if not stat.S_ISREG(facts.st_mode):
        _refuse(archive, "{name} is a pipe or a device, not a file: hand in the archive itself.")
    _refuse(archive, "The archive {name} is larger than {most} MiB: pack only your work.", most=MAX_BYTES // _MIB)


class _Sips(io.RawIOBase):
    """A file that gives only so many bytes at once, and no more than are `left`: zipfile and tarfile read directories and
    headers of any size that these claim."""

    def __init__(self, file: IO[bytes], at_once: int) -> None:
        self._file, self._at_once, self.left = file, at_once, math.inf

    def read(self, size: int = -1) -> bytes:
        size = self._at_once if size < 0 else size  # zipfile reads to the end, where an end is near
        self.left -= size
        if size > self._at_once or self.left < 0:
            raise ValueError(size)
        return self._file.read(size)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _refuse_kind(archive: Path, start: bytes) -> NoReturn:
    if not start:
        _refuse(archive, "The archive {name} is empty: pack it again and hand it in again.")
    if start.startswith((b"Rar!", b"7z\xbc\xaf\x27\x1c")) or archive.suffix.lower() in (".rar", ".7z"):
        _refuse(archive, "{name} is a rar or 7z archive, which cannot be read here: pack it as .zip or .tar.gz.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        _refuse(archive, "{name} is a web page, perhaps that of a login, not an archive: download the file itself.")
    _refuse(archive, "{name} is not a zip or tar archive: pack it as .zip or .tar.gz.")


# --- zip -------------------------------------------------------------------------------------------------------------


def _zip_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    _refuse_crowds(archive, _count(file, b"PK\x01\x02"), _MAX_ENTRIES)
    bundle = zipfile.ZipFile(_Sips(file, _MAX_DIRECTORY))
    entries = bundle.infolist()
    _refuse_crowds(archive, len(entries), _MAX_MEMBERS)
    _refuse_overlaps(archive, entries, bundle.start_dir)
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        _refuse(archive, "The archive {name} is protected with a password: pack it again without one.")
    decode = _name_decoder(entries)
    for entry in entries:
        if not _is_folder(entry):
            yield _zip_member(bundle, entry, decode(entry))


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """Windows writes `name\\`, and says in its own attributes that it is a folder."""
    return entry.is_dir() or entry.filename.endswith("\\") or (not entry.file_size and bool(entry.external_attr & 0x10))


def _zip_member(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> _Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    trouble = "" if kind in (0, stat.S_IFREG) else _NO_FILE
    if entry.compress_type not in _METHODS:
        trouble = noted("packed in an unusual way")
    return _Member(name, trouble, lambda: _chunks(bundle.open(entry)), entry.file_size)


def _count(file: IO[bytes], mark: bytes) -> int:
    """How often `mark` stands in the file: a bound on the entries of its directory, whatever else the file says."""
    found, rest = 0, b""
    while chunk := file.read(_MIB):
        found += (rest + chunk).count(mark)
        rest = chunk[1 - len(mark) :]
    file.seek(0)
    return found


def _refuse_crowds(archive: Path, count: int, most: int) -> None:
    if count > most:
        _refuse(archive, "The archive {name} holds more than {most} files: pack only your work.", most=_MAX_MEMBERS)


def _refuse_overlaps(archive: Path, entries: list[zipfile.ZipInfo], end: int) -> None:
    """Members that share bytes of the archive are the mark of a bomb."""
    places = sorted((e.header_offset, e.header_offset + 30 + e.compress_size) for e in entries)
    limits = [start for start, _ in places[1:]] + [end]
    if any(stop > limit for (_, stop), limit in zip(places, limits, strict=False)):
        _refuse(archive, "The files in the archive {name} overlap: pack it again.")


def _name_decoder(entries: list[zipfile.ZipInfo]) -> Callable[[zipfile.ZipInfo], str]:
    """How to read names: Windows writes Russian ones in cp866 or cp1251 and says nothing, which zipfile reads as
    cp437. The code page under which more of the letters are common Russian ones is taken for the whole archive."""
    raw = b"".join(_raw_name(entry) or b"" for entry in entries)
    page = max(("cp866", "cp1251"), key=lambda page: len(re.findall("[А-Яа-я]", raw.decode(page, "replace"))))

    def decode(entry: zipfile.ZipInfo) -> str:
        name = _raw_name(entry)
        if name is None:
            return entry.orig_filename
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            return name.decode(page, "replace")

    return decode


def _raw_name(entry: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name whose encoding the archive does not tell."""
    if entry.flag_bits & _UTF8:
        return None
    try:
        return entry.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return None


# --- tar -------------------------------------------------------------------------------------------------------------


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    sips = _Sips(file, _MAX_HEADER)
    for count, entry in enumerate(_tar_entries(sips), start=1):
        _refuse_crowds(archive, count, _MAX_MEMBERS)
        if not entry.isdir():
            yield _tar_member(sips, entry)


def _tar_entries(file: _Sips) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar. tarfile would keep them all, and take one that is broken for the end of the archive."""
    file.left = _MAX_HEADER
    with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as bundle:
        while (entry := bundle.next()) is not None:
            bundle.members.clear()  # type: ignore[attr-defined]
            yield entry
            file.left = _MAX_HEADER
        file.seek(bundle.offset)
        if any(file.read(tarfile.BLOCKSIZE)):
            raise tarfile.ReadError


def _tar_member(file: _Sips, entry: tarfile.TarInfo) -> _Member:
    name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    trouble = "" if entry.isreg() and not entry.issparse() else _NO_FILE
    return _Member(name, trouble, lambda: _part(file, entry.offset_data, entry.size), entry.size)


def _part(file: _Sips, offset: int, size: int) -> Iterator[bytes]:
    """The bytes of one member of a tar."""
    file.left = size
    file.seek(offset)
    while size > 0:
        chunk = file.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError
        size -= len(chunk)
        yield chunk


def _is_old_tar(start: bytes) -> bool:
    """Whether a block could be a header of the oldest tar, which has no mark: its checksum is right."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _decompressor(start: bytes) -> Callable[[IO[bytes]], Iterator[bytes]] | None:
    if start.startswith(b"\x1f\x8b"):
        return lambda file: _chunks(gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return lambda file: _chunks(bz2.BZ2File(file))
    if start.startswith(b"\xfd7zXZ\x00"):
        return _xz_chunks
    return None


def _chunks(file: IO[bytes] | gzip.GzipFile | bz2.BZ2File) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _xz_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Like `_chunks(lzma.LZMAFile(file))`, which would use as much memory as the archive asks for."""
    engine = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    while not engine.eof:
        data = file.read(_CHUNK) if engine.needs_input else b""
        if engine.needs_input and not data:
            raise EOFError
        yield engine.decompress(data, _CHUNK)


@contextmanager
def _spooled(archive: Path, chunks: Iterator[bytes], most: int) -> Iterator[IO[bytes]]:
    """What a compressed tar holds, in a file of its own: tarfile may then seek in it, and its size is known."""
    allowance = _Allowance(archive, most + _MAX_MEMBERS * 1536)
    with tempfile.TemporaryFile() as plain:
        for chunk in chunks:
            allowance.take(len(chunk))
            plain.write(chunk)
        plain.seek(0)
        yield plain
