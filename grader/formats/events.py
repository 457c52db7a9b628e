"""TensorBoard event files, read with suspicion: every length is bounded, every checksum is checked.

A file is a row of records: length (uint64, little-endian), masked CRC-32C of the length, data, masked CRC-32C of the
data. A record's data are an `Event` message. What stands before a damaged place is kept, and the place is told.
TensorBoard's own readers end silently there, believe any length, and import TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from grader.formats.event_writer import checksum
from grader.language import counted, listed
from grader.places import opener
from grader.records import FileState, Floats, Histograms, Ints, LogFile, Message, Run, Scalars, say

_MIB = 1 << 20
_MAX_RECORD = 16 * _MIB
_MAX_DECODED = _MIB  # a larger record (a graph, a picture) holds no series of ours, and small messages swell in memory
_MAX_FILE = 256 * _MIB
_MAX_FOLDER = 1024 * _MIB
_MAX_RECORDS = 2_000_000
_MAX_VALUES_PER_RECORD = 10_000
_MAX_TAGS = 10_000
_MAX_FILES = 200
_MAX_REFUSED = 1000
_MAX_ENTRIES = 100_000
_MAX_DEPTH = 8
_MAX_BUCKETS = 100_000

_DIGITS = re.compile(r"(\d{1,18})")
_LENGTH = struct.Struct("<Q")

_FLOAT, _DOUBLE = 1, 2  # DataType in tensorflow's types.proto
_DTYPES: dict[int, np.dtype[Any]] = {_FLOAT: np.dtype("<f4"), _DOUBLE: np.dtype("<f8")}


class _UnreadableError(Exception):
    """The file cannot be read (further): its state, and what stopped the reader."""

    def __init__(self, state: FileState, detail: Message) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail


class _BrokenValueError(Exception):
    """One value contradicts itself; the rest of the file can still be read."""

    def __init__(self, what: Message) -> None:
        super().__init__(what)
        self.what = what


@dataclass(slots=True)
class _Series:
    """A series that is being read: flat arrays of numbers, as there may be millions."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    buckets: list[Floats] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """What was read so far of one run: series by tag, in the order in which the tags came up."""

    scalars: dict[str, _Series] = field(default_factory=dict)
    histograms: dict[str, _Series] = field(default_factory=dict)


@dataclass(slots=True)
class _Notes:
    """What must be remembered within one file: the plugin of each tag, which only a tag's first value names, and the
    values that could not be read."""

    plugins: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    first: Message | str = ""

    def complain(self, offset: int, what: Message) -> None:
        self.broken += 1
        self.first = self.first or say("at byte {offset}: {what}", offset=offset, what=what)


@dataclass(slots=True)
class _FolderBudget:
    """What a folder may still cost: `records` counts values too, `numbers` those in histograms, which a few bytes may stand
    for many of: they may take as much memory as the files may take on disk."""

    files: int = _MAX_FILES
    size: int = _MAX_FOLDER
    records: int = _MAX_RECORDS
    numbers: int = _MAX_FOLDER // 8


# --- runs ------------------------------------------------------------------------------------------------------------


def read_runs(folder: Path, *, last_attempts: bool = False) -> dict[str, Run]:
    """All runs below `folder`, by name, sorted. A run is a folder that holds event files; its name is its place below
    `folder` with `/` between parts, `.` for `folder` itself. Several files of a run are read one after the other in
    the order of their names (numbers in them by size), and their series are joined in that order. With `last_attempts`, a
    file whose series a later one begins anew is left out: it is of a training that was stopped and repeated. Never raises
    for what the files hold; no link is followed; files beyond the bounds are REFUSED, folders deeper than eight are left
    out."""
    budget = _FolderBudget()
    by_run: dict[str, list[Path]] = {}
    for path in _event_files(folder):
        by_run.setdefault(_printable(path.parent.relative_to(folder).as_posix()), []).append(path)
    return {name: _read_run(name, by_run[name], budget, last_attempts) for name in sorted(by_run)}


def digest_of(folder: Path) -> str:
    """A digest of all that `read_runs` would look at, of what may be read by contents. Raises OSError where a file cannot be
    opened."""
    found, left = hashlib.sha256(), _MAX_FOLDER
    for path in _event_files(folder):
        facts = path.lstat()
        content = b""
        if stat.S_ISREG(facts.st_mode) and facts.st_size <= min(_MAX_FILE, left):
            left -= facts.st_size
            with io.FileIO(path, opener=opener) as file:
                content = hashlib.file_digest(file, "sha256").digest()
        about = f"{path.relative_to(folder)}\0{facts.st_mode}\0{facts.st_size}\0"
        found.update(about.encode(errors="surrogateescape") + content)
    return found.hexdigest()


def read_file(path: Path) -> tuple[LogFile, tuple[Scalars, ...], tuple[Histograms, ...]]:
    """One event file: how far it could be read, and its series. Never raises for what the file holds."""
    reading = _Reading()
    log = _read_into(reading, path, _FolderBudget())
    return log, _scalars(reading), _histograms(reading)


def _read_run(name: str, paths: Sequence[Path], budget: _FolderBudget, last: bool) -> Run:
    readings = [_Reading() for _ in paths]
    files = [_read_into(reading, path, budget) for reading, path in zip(readings, paths, strict=True)]
    begun_anew = [last and any(_begins_anew(later, r) for later in readings[n + 1 :]) for n, r in enumerate(readings)]
    kept = [reading for reading, old in zip(readings, begun_anew, strict=True) if not old]
    whole = kept[0] if len(kept) == 1 else _joined(kept)  # one file is the rule: its series need no copy
    files = [_set_aside(file) if old else file for file, old in zip(files, begun_anew, strict=True)]
    return Run(name=name, scalars=_scalars(whole), histograms=_histograms(whole), files=tuple(files))


def _begins_anew(later: _Reading, earlier: _Reading) -> bool:
    """Whether a later file has series of an earlier one, all of them from their first step on again."""
    pairs = [
        (ours[tag], theirs[tag])
        for ours, theirs in ((later.scalars, earlier.scalars), (later.histograms, earlier.histograms))
        for tag in ours.keys() & theirs.keys()
    ]
    return bool(pairs) and all(new.steps[0] <= old.steps[0] for new, old in pairs)


def _set_aside(file: LogFile) -> LogFile:
    return replace(file, detail=_and(file.detail, say("begun anew by a later file of the run")))


def _joined(readings: Iterable[_Reading]) -> _Reading:
    whole = _Reading()
    for reading in readings:
        for ours, theirs in ((whole.scalars, reading.scalars), (whole.histograms, reading.histograms)):
            for tag, series in theirs.items():
                _extend(ours.setdefault(tag, _Series()), series)
    return whole


def _extend(series: _Series, more: _Series) -> None:
    series.steps.extend(more.steps)
    series.times.extend(more.times)
    series.values.extend(more.values)
    series.buckets.extend(more.buckets)


def _event_files(folder: Path) -> Iterator[Path]:
    """Everything below `folder` that is called like an event file, sorted within its folder; bounded."""
    if folder.is_symlink():
        return
    seen = found = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(folders) if len(Path(place).relative_to(folder).parts) < _MAX_DEPTH else []
        seen += len(folders) + len(names)
        for name in sorted((name for name in names if "tfevents" in name), key=_by_numbers):
            yield Path(place, name)
            found += 1
            if found >= _MAX_FILES + _MAX_REFUSED:
                return
        if seen > _MAX_ENTRIES:
            return


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in a name by size: `….9.v2` before `….10.v2`."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(name)]


def _printable(name: str) -> str:
    """A file name that can be written as UTF-8; names that differ stay different."""
    return name.encode("utf-8", "backslashreplace").decode()


def _steps(series: _Series) -> Ints:
    return np.array(series.steps, dtype=np.int64)


def _floats(numbers: array[float]) -> Floats:
    return np.array(numbers, dtype=np.float64)


def _scalars(reading: _Reading) -> tuple[Scalars, ...]:
    return tuple(
        Scalars(tag=tag, steps=_steps(series), values=_floats(series.values), times=_floats(series.times))
        for tag, series in reading.scalars.items()
    )


def _histograms(reading: _Reading) -> tuple[Histograms, ...]:
    return tuple(
        Histograms(tag=tag, steps=_steps(series), buckets=tuple(series.buckets), times=_floats(series.times))
        for tag, series in reading.histograms.items()
    )


# --- one file --------------------------------------------------------------------------------------------------------


def _and(one: Message | str, other: Message) -> Message:
    return listed((one, other), "; ") if one else other


def _read_into(reading: _Reading, path: Path, budget: _FolderBudget) -> LogFile:
    """Read a file into the series of its run, as far as it goes."""
    events, notes = 0, _Notes()
    state: FileState = FileState.OK
    detail: Message | str = ""
    try:
        for offset, data in _records(path, budget):
            _keep_values(reading, _event(data, offset), notes, offset, budget)
            events += 1
    except _UnreadableError as stop:
        state, detail = stop.state, stop.detail
    if notes.broken:
        state = FileState.DAMAGED if state is FileState.OK else state
        left_out = counted(
            "{n} value left out, first {first}", "{n} values left out, first {first}", notes.broken, first=notes.first
        )
        detail = _and(detail, left_out)
    return LogFile(name=_printable(path.name), state=state, events=events, detail=detail)


def _records(path: Path, budget: _FolderBudget) -> Iterator[tuple[int, bytes]]:
    """The records of a file with the offsets they begin at."""
    with _open(path) as file:
        size = _admitted(os.fstat(file.fileno()), budget)
        offset = 0
        while offset < size:
            if budget.records <= 0:
                raise _UnreadableError(FileState.REFUSED, say("too many records, at byte {offset}", offset=offset))
            budget.records -= 1
            data = _record(file, offset, size)
            yield offset, data
            offset += len(data) + 16


def _open(path: Path) -> IO[bytes]:
    try:
        return io.BufferedReader(io.FileIO(path, opener=opener), _MIB)
    except OSError as error:
        raise _UnreadableError(FileState.REFUSED, say("not opened: {why}", why=str(error.strerror))) from None


def _admitted(facts: os.stat_result, budget: _FolderBudget) -> int:
    """The size of an opened file that may be read; what it costs is taken from the budget."""
    size = facts.st_size
    if not stat.S_ISREG(facts.st_mode):
        raise _UnreadableError(FileState.REFUSED, say("not a regular file"))
    if size == 0:
        raise _UnreadableError(FileState.EMPTY, say("no bytes"))
    if size > _MAX_FILE:
        raise _UnreadableError(FileState.REFUSED, say("larger than {most} MiB", most=_MAX_FILE // _MIB))
    if budget.files <= 0 or size > budget.size:
        raise _UnreadableError(
            FileState.REFUSED,
            say("more than {files} files or {most} MiB of logs", files=_MAX_FILES, most=_MAX_FOLDER // _MIB),
        )
    budget.files -= 1
    budget.size -= size
    return size


def _record(file: IO[bytes], offset: int, size: int) -> bytes:
    """The data of the record at `offset`."""
    header = _exactly(file, 12, offset)
    _check_crc(header[:8], header[8:], offset, _LENGTH_SUM)
    (length,) = _LENGTH.unpack(header[:8])
    if length > _MAX_RECORD:
        raise _UnreadableError(
            FileState.REFUSED, say("a record of {length} bytes at byte {offset}", length=length, offset=offset)
        )
    if offset + length + 16 > size:
        raise _UnreadableError(FileState.TRUNCATED, say("the record at byte {offset} is cut off", offset=offset))
    data = _exactly(file, length + 4, offset)
    _check_crc(data[:-4], data[-4:], offset, _DATA_SUM)
    return data[:-4]


def _exactly(file: IO[bytes], count: int, offset: int) -> bytes:
    try:
        data = file.read(count)
    except OSError as error:
        raise _UnreadableError(
            FileState.DAMAGED, say("reading fails at byte {offset}: {why}", offset=offset, why=str(error.strerror))
        ) from None
    if len(data) < count:
        raise _UnreadableError(FileState.TRUNCATED, say("the record at byte {offset} is cut off", offset=offset))
    return data


_LENGTH_SUM, _DATA_SUM = say("length"), say("data")


def _check_crc(data: bytes, stored: bytes, offset: int, what: Message) -> None:
    if stored != checksum(data):
        raise _UnreadableError(
            FileState.DAMAGED,
            say("the checksum of the {what} is wrong in the record at byte {offset}", what=what, offset=offset),
        )


def _event(data: bytes, offset: int) -> Any:
    """The record's message; one too large to be a scalar or a histogram comes back blank."""
    if len(data) > _MAX_DECODED:
        return event_pb2.Event()
    try:
        return event_pb2.Event.FromString(data)
    except DecodeError:
        raise _UnreadableError(
            FileState.DAMAGED, say("the record at byte {offset} is not an event", offset=offset)
        ) from None


# --- values ----------------------------------------------------------------------------------------------------------


def _keep_values(reading: _Reading, event: Any, notes: _Notes, offset: int, budget: _FolderBudget) -> None:
    """Add an event's scalars and histograms to their series; values of other kinds are passed over."""
    values = event.summary.value
    if len(values) > _MAX_VALUES_PER_RECORD:
        notes.complain(offset, say("too many values in one record"))
        return
    budget.records -= max(0, len(values) - 1)
    for value in values:
        try:
            number = _counted(_value(value, _plugin(value, notes)))
            if isinstance(number, np.ndarray):
                budget.numbers -= number.size
                if budget.numbers < 0:
                    raise _UnreadableError(
                        FileState.REFUSED, say("histograms of too many numbers, at byte {offset}", offset=offset)
                    )
            if number is not None:
                _append(reading, value.tag, event, number)
        except _BrokenValueError as broken:
            notes.complain(offset, broken.what)


def _plugin(value: Any, notes: _Notes) -> str:
    """The plugin that a value is meant for, as it or an earlier value of its tag says; empty when none did."""
    named: str = value.metadata.plugin_data.plugin_name
    if named and len(notes.plugins) < _MAX_TAGS:
        notes.plugins[value.tag] = named
    return named or notes.plugins.get(value.tag, "")


def _append(reading: _Reading, tag: str, event: Any, number: float | Floats) -> None:
    by_tag = reading.scalars if isinstance(number, float) else reading.histograms
    series = by_tag.get(tag)
    if series is None:
        if len(by_tag) >= _MAX_TAGS:
            raise _BrokenValueError(say("more than {most} tags", most=_MAX_TAGS))
        series = by_tag[tag] = _Series()
    series.steps.append(event.step)
    series.times.append(event.wall_time)
    if isinstance(number, float):
        series.values.append(number)
    else:
        series.buckets.append(number)


def _value(value: Any, plugin: str) -> float | Floats | None:
    """A scalar, the buckets of a histogram, or None for what is neither."""
    match value.WhichOneof("value"):
        case "simple_value":
            return float(value.simple_value)
        case "histo":
            return _legacy_buckets(value.histo)
        case "tensor":
            return _tensor(value.tensor, plugin)
    return None


def _counted(number: float | Floats | None) -> float | Floats | None:
    """The value, unless it is a histogram whose counts are no counts."""
    if isinstance(number, np.ndarray) and len(number) and (number[:, 2] + 0.0).view(np.uint64).max() >= _INFINITE_BITS:
        raise _BrokenValueError(say("a histogram with counts that are negative, infinite or NaN"))
    return number


# The bits of a float as a whole number grow with it, and those of negative ones and NaN are above infinity's: one look
# at each histogram instead of three, and there are hundreds of thousands of them in a class.
_INFINITE_BITS = np.float64(np.inf).view(np.uint64)


def _legacy_buckets(histo: Any) -> Floats:
    """The buckets [k, 3] of a HistogramProto, without the empty ones at both ends. Its outermost edges are infinite:
    the least and the largest value stand for them (as in `_migrate_histogram_value` of TensorBoard)."""
    limits, counts = np.array(histo.bucket_limit, np.float64), np.array(histo.bucket, np.float64)
    if limits.shape != counts.shape:
        raise _BrokenValueError(
            say("a histogram with {edges} edges and {counts} counts", edges=limits.size, counts=counts.size)
        )
    filled = np.flatnonzero(counts > 0)
    if not filled.size:
        return np.zeros((0, 3))
    first, last = filled[0], filled[-1]
    inner = limits[first:last]
    lefts, rights = np.append(histo.min, inner), np.append(inner, histo.max)
    return np.stack([lefts, rights, counts[first : last + 1]], axis=1)


def _tensor(tensor: Any, plugin: str) -> float | Floats | None:
    """What `tf.summary.scalar` and `tf.summary.histogram` write; without the plugin's name the shape decides."""
    dtype, tensor_shape = tensor.dtype, tensor.tensor_shape
    if dtype not in _DTYPES or plugin not in ("", "scalars", "histograms"):
        return None
    shape = [dim.size for dim in tensor_shape.dim[:3]]
    if tensor_shape.unknown_rank:
        raise _BrokenValueError(say("a value without a shape"))
    if not shape and plugin != "histograms":
        return float(_numbers(tensor, 1)[0])
    if len(shape) == 2 and shape[1] == 3 and dtype == _DOUBLE and plugin != "scalars":
        return _numbers(tensor, 3 * shape[0]).reshape(-1, 3)
    if plugin:
        raise _BrokenValueError(say("a value for {plugin} of shape {shape}", plugin=plugin, shape=str(shape)))
    return None


def _numbers(tensor: Any, count: int) -> Floats:
    """The tensor's `count` numbers, from its bytes or from its list, whose last entry stands for all that follow."""
    if not 0 <= count <= 3 * _MAX_BUCKETS:
        raise _BrokenValueError(say("a value of {count} numbers", count=count))
    dtype = _DTYPES[tensor.dtype]
    content = tensor.tensor_content
    if content:
        if len(content) != count * dtype.itemsize:
            raise _BrokenValueError(say("{size} bytes for {count} numbers", size=len(content), count=count))
        numbers = np.frombuffer(content, dtype)
        if dtype == np.float64:
            return numbers
        with np.errstate(invalid="ignore"):  # signalling NaNs
            return numbers.astype(np.float64)
    listed = np.array(tensor.float_val if tensor.dtype == _FLOAT else tensor.double_val, np.float64)
    if listed.size > count or (count and not listed.size):
        raise _BrokenValueError(say("a list of {size} for {count} numbers", size=listed.size, count=count))
    return np.pad(listed, (0, count - listed.size), mode="edge") if listed.size else listed
