"""Coverage-guided fuzzing of the readers: an input that reaches a new line of them is kept, and changed further.

    PYTHONPATH=. python tests/fuzzing.py events --executions 300000

A reader may refuse an input in the way that it promises, and nothing else: any other exception, five seconds for one
input, or 512 MiB of memory is a failure, and the input is printed. The tests run a short round of it.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from stages.making import (
    cell,
    event,
    event_file,
    notebook,
    plugin,
    record,
    scalar_file,
    special,
    tarred,
    tensor,
    zipped,
    zipped_by_windows,
)

from grader.errors import UnreadableSubmission
from grader.formats import archives, events, notebooks
from grader.stages import probing
from grader.stages.probing import StoredArrays

_MEMORY = 512 << 20
_SECONDS = 5
_LONGEST = 20_000  # bytes of an input
_TOKENS = (
    b"\0", b"\xff", b"\xff" * 8, b"\x80\x80\x80\x80\x01", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"../", b"\\", b"0" * 11,
    b"\x7f" + b"\xff" * 7, b"-1", b"1e999", b"[[[[", b"{", b"null", b"\\ud800", b"\xef\xbb\xbf", b"x", b"g", b"S", b"L", b"GNU.sparse",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is fuzzed: `run` reads the input in a file; `repair` makes checksums right again; `watched` are the files whose
    lines count."""

    run: Callable[[Path], None]
    seeds: Sequence[bytes]
    repair: Callable[[bytes], bytes]
    watched: frozenset[str]


@dataclass(slots=True)
class Outcome:
    """How a round went. `failures` maps the place of each to its traceback and the first input that led there."""

    executions: int = 0
    corpus: list[bytes] = field(default_factory=list)
    seen: set[tuple[str, int, int]] = field(default_factory=set)
    failures: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    slowest: float = 0.0


class TooSlow(BaseException):
    """An input took longer than it may. Not an Exception, so that no reader takes it for the file's."""


# --- the readers ----------------------------------------------------------------------------------------------------


def read_events(path: Path) -> None:
    log, scalars, histograms = events.read_file(path)
    assert log.detail or log.state is events.FileState.OK
    assert all(len(s.steps) == len(s.values) == len(s.times) for s in scalars)
    assert all(len(h.steps) == len(h.buckets) and all(b.shape[1] == 3 for b in h.buckets) for h in histograms)


def read_archive(path: Path) -> None:
    target = path.parent / "out"
    try:
        names = archives.names(path)
        archives.unpack(path, target)
        assert len(names) == sum(found.is_file() for found in target.rglob("*"))
    except UnreadableSubmission as refused:
        assert str(refused).endswith(".") and str(refused).isprintable()
    finally:
        assert {found.name for found in path.parent.iterdir()} <= {path.name, "out"}
        assert not any(found.is_symlink() for found in target.rglob("*"))
        shutil.rmtree(target, ignore_errors=True)


def read_notebook(path: Path) -> None:
    try:
        notebooks.read_notebook(path)
    except UnreadableSubmission as refused:
        assert str(refused).endswith(".") and str(refused).isprintable() and len(str(refused)) < 300


def read_arrays(path: Path) -> None:
    found = dict(StoredArrays(path))
    assert all(array.dtype.kind in "biuf" for array in found.values())
    assert sum(array.nbytes for array in found.values()) <= path.stat().st_size


def _as_it_is(data: bytes) -> bytes:
    return data


def _with_record_checksums(data: bytes) -> bytes:
    """The records that the lengths tell, each with right checksums; what is left over stays as it is."""
    made = b""
    while len(data) >= 16 and (length := struct.unpack_from("<Q", data)[0]) <= len(data) - 16:
        made += record(data[12 : 12 + length])
        data = data[16 + length :]
    return made + data


def _with_header_checksums(data: bytes) -> bytes:
    """A tar with right checksums in all blocks that look like a header."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def _with_member_checksums(data: bytes) -> bytes:
    """A zip of stored members with right checksums, as far as its directory can be read."""
    changed = bytearray(data)
    at = data.find(b"PK\x01\x02")
    while 0 <= at <= len(data) - 46:
        size, offset = struct.unpack_from("<I", data, at + 24)[0], struct.unpack_from("<I", data, at + 42)[0]
        if offset <= len(data) - 30:
            begin = offset + 30 + sum(struct.unpack_from("<2H", data, offset + 26))
            struct.pack_into("<I", changed, at + 16, zlib.crc32(data[begin : begin + size]))
        at = data.find(b"PK\x01\x02", at + 1)
    return bytes(changed)


_BUCKETS = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
_FILES = {"hw.ipynb": b"{}", "logs/relu/a.tfevents": b"x" * 700, "Отчёт/вывод.txt": b"y"}
_EVENTS = (
    scalar_file(),
    event_file(event(0, "h", tensor=tensor(_BUCKETS), metadata=plugin("histograms")), event(1, "h", tensor=tensor(_BUCKETS))),
    event_file(event(0, "s", tensor=tensor(np.array(1.5, np.float32)), metadata=plugin("scalars"))),
    event_file(event(0, "h", tensor=tensor(_BUCKETS, listed=True)), event(0, "i", histo={"bucket_limit": [1, 2], "bucket": [3, 4]})),
)  # fmt: skip
_ARCHIVES = (
    zipped(_FILES), zipped({"a": b"b"}, zipfile.ZIP_STORED), zipped_by_windows({"Иванов.txt": b"1"}, "cp866"),
    *(tarred(_FILES, mode) for mode in ("w:", "w:gz", "w:bz2", "w:xz")),
    tarred({"link": special("link", b"2", "/etc"), "x" * 150: b"long"}, "w:"),
)  # fmt: skip
_NOTEBOOKS = (
    notebook("x = 1", cell("# Text", "markdown", id="a"), cell(["a\n", "b"], outputs=[{"text": ["1", "2"]}], execution_count=3)),
    b'{"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "T"},'
    b'{"cell_type": "code", "input": ["x"], "language": "python", "prompt_number": 1, "outputs": []}]}]}',
)  # fmt: skip


def _stored(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


_ARRAYS = (
    _stored(a=np.arange(3), b=np.ones((2, 2))),
    _stored(),
    _stored(s=np.array("x"), f=np.asfortranarray(_BUCKETS)),
)


def _watched(*modules: Any) -> frozenset[str]:
    return frozenset(module.__file__ for module in modules)


TARGETS = {
    "events": Target(run=read_events, seeds=_EVENTS, repair=_with_record_checksums, watched=_watched(events)),
    "archives": Target(
        run=read_archive,
        seeds=_ARCHIVES,
        repair=_with_header_checksums,
        watched=_watched(archives, archives.tarfile, archives.zipfile),
    ),
    "arrays": Target(
        run=read_arrays,
        seeds=_ARRAYS,
        repair=_with_member_checksums,
        watched=_watched(probing, np.lib.format, archives.zipfile) | {np.lib.format.read_array.__code__.co_filename},
    ),
    "notebooks": Target(run=read_notebook, seeds=_NOTEBOOKS, repair=_as_it_is, watched=_watched(notebooks)),
}


# --- the fuzzer -----------------------------------------------------------------------------------------------------


def fuzz(target: Target, executions: int, seed: int) -> Outcome:
    """So many inputs, one after the other, from a generator that `seed` starts."""
    chance, outcome = random.Random(seed), Outcome()
    with tempfile.TemporaryDirectory(dir=_in_memory()) as folder:
        for number in range(executions):
            if number < len(target.seeds):
                data = target.seeds[number]
            else:
                data = mutated(chance, outcome.corpus)
                data = target.repair(data) if chance.random() < 0.7 else data
            _execute(target, data, Path(folder, "input"), outcome)
    return outcome


def _execute(target: Target, data: bytes, path: Path, outcome: Outcome) -> None:
    path.write_bytes(data)
    seen: set[tuple[str, int, int]] = set()
    began = time.monotonic()
    signal.alarm(_SECONDS)
    sys.settrace(_tracer(target.watched, seen))
    try:
        target.run(path)
    except (Exception, TooSlow) as error:  # noqa: BLE001 - what it is does not matter: it is a failure
        sys.settrace(None)
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {last.name}"
        outcome.failures.setdefault(place, ("".join(traceback.format_exception(error)), data))
    finally:
        sys.settrace(None)
        signal.alarm(0)
    outcome.executions += 1
    outcome.slowest = max(outcome.slowest, time.monotonic() - began)
    if not seen <= outcome.seen or not outcome.corpus:
        outcome.seen |= seen
        outcome.corpus.append(data)


def _tracer(watched: frozenset[str], seen: set[tuple[str, int, int]]) -> Callable[[FrameType, str, Any], Any]:
    """Notes each step from line to line in the watched files, and nothing elsewhere."""

    def enter(frame: FrameType, what: str, value: Any) -> Any:
        name, before = frame.f_code.co_filename, 0
        if name not in watched:
            return None

        def step(frame: FrameType, what: str, value: Any) -> Any:
            nonlocal before
            if what == "line":
                seen.add((name, before, frame.f_lineno))
                before = frame.f_lineno
            return step

        return step

    return enter


def mutated(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus, changed in one to six places; the latest finds are taken most often."""
    data = bytearray(corpus[max(chance.randrange(len(corpus)), chance.randrange(len(corpus)))])
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        other = chance.choice(corpus)
        match chance.randrange(8):
            case 0 | 1:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ 1 << chance.randrange(8)])
            case 3:
                token = chance.choice(_TOKENS)
                data[at : at + chance.choice((0, len(token)))] = token
            case 4:
                del data[at : at + chance.choice((1, 4, 16, 512))]
            case 5:
                begin, size = chance.randrange(len(other) + 1), chance.choice((4, 16, 512, 4096))
                data[at:at] = other[begin : begin + size]
            case 6:
                data[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 255, 65536, 2**31, 2**32 - 1, len(data))))
            case _:
                data = data[:at] + bytearray(other[chance.randrange(len(other) + 1) :])
    return bytes(data[:_LONGEST])


def _in_memory() -> str | None:
    """Where a file costs no access to a disk, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def confine() -> None:
    """Bound time and memory of this process, for good."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_DATA, (_held() + _MEMORY,) * 2)


def _held() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData"))


def main() -> int:
    options = argparse.ArgumentParser(description="fuzz a reader")
    options.add_argument("target", choices=TARGETS)
    options.add_argument("--executions", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    confine()
    began = time.monotonic()
    outcome = fuzz(TARGETS[asked.target], asked.executions, asked.seed)
    print(
        f"{asked.target}: {outcome.executions} executions in {time.monotonic() - began:.0f} s, {len(outcome.corpus)} inputs kept, "
        f"{len(outcome.seen)} steps from line to line, slowest input {outcome.slowest:.2f} s, {len(outcome.failures)} failures"
    )
    for text, data in outcome.failures.values():
        print(f"{text}{data!r}\n")
    return bool(outcome.failures)


if __name__ == "__main__":
    sys.exit(main())
