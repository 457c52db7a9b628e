"""The only module that knows where things lie: evidence by content, results by submission. All writing is atomic.

Evidence is forced to the disk before it gets its name: it took minutes to make. Results are not: they are derived, and the
journal knows their contents, so that a torn one is made again.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from weakref import WeakValueDictionary

import numpy as np

from grader.assignment import Assignment
from grader.errors import GO_ON, BrokenReference, CannotWrite, InUse, is_of_disk
from grader.files import below, replacing
from grader.language import listed
from grader.records import Band, Floats, Ints, Reference, say

BANDS_FORMAT = "grader.bands/1"
OVERVIEW = "overview.json"  # in a submission's folder: what the class's pages show of it
PICTURES, DERIVED = "pictures", "derived"  # in the folder of evidence: what is made from it, and kept
_MAX_BANDS = 64 << 20  # bytes; those of whole MNIST have two million
_SEAL = "seal.json"  # in a folder of evidence: how its files looked when it was made
RESERVE_MIB = 64  # left on every disk that is written to; the results of a submission are a few


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """For work that writes below `place`. Raises CannotWrite when the disk does not let it."""
    try:
        yield
    except OSError as error:
        if is_of_disk(error):
            raise CannotWrite.because_of(error, place) from error
        raise


def check_room(*places: Path) -> None:
    """Raises CannotWrite when there is little room left on the disk of one of these folders."""
    for place in places:
        with writing(place):
            free = shutil.disk_usage(place).free >> 20
        if free < RESERVE_MIB:
            raise CannotWrite(
                listed(
                    (
                        say(
                            "The disk of {place} is all but full: {free} MiB are left. Make room.",
                            place=str(place),
                            free=free,
                        ),
                        GO_ON,
                    ),
                    " ",
                )
            )


@contextmanager
def held(root: Path) -> Iterator[None]:
    """The folder of evidence, and the results beside it, for this process alone; what an earlier one left half written is
    removed. The system takes the lock away with its owner, however that ends. Raises InUse when another has it, and
    CannotWrite when it cannot be had."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / "lock").open("a")
    except OSError as error:  # whatever is wrong with a folder that was named is said in one sentence
        raise CannotWrite.because_of(error, root) from error
    with file:
        _lock(file.fileno(), root)
        _wait_for_writers(root)
        with writing(root):
            _sweep(root)
        yield


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(
            say(
                "Another command is at work on {folder}. Wait until it is done, or choose another folder with --out.",
                folder=str(root.parent),
            )
        ) from error
    except OSError as error:
        raise CannotWrite.because_of(error, root) from error


_GONE_SECONDS = 120.0  # for processes to end whose parent was killed, on a very busy machine


def count_as_writer(root: Path) -> None:
    """Until this process ends, nobody else holds `root` anew: it may outlive its parent for a moment, and still write."""
    fcntl.flock(os.open(root, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)


def _wait_for_writers(root: Path) -> None:
    """Until the processes are gone that a command has left behind that was killed. They are about to end."""
    deadline, descriptor = monotonic() + _GONE_SECONDS, os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while not _can_lock(descriptor):
            if monotonic() > deadline:
                raise InUse(f"Processes of an earlier command still write to {root.parent}. Wait until they are gone.")
            sleep(0.02)
    finally:
        os.close(descriptor)


def _can_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_HALF_WRITTEN = re.compile(
    r"\..+\.(html|json|csv|ipynb)\.\d+\.tmp|\.making-\w{8}", re.DOTALL
)  # `replacing`, `_replace_folder`


def _sweep(root: Path) -> None:
    """Remove what was being written, to evidence and to the results beside it, when its writer was killed. Results may lie
    among files of others: there only what is called as ours are goes."""
    patterns = ("*/making-*", "*.tmp", *(f"{folder}/*/.*.tmp" for folder in (PICTURES, DERIVED)))
    evidence = [path for pattern in patterns for path in root.glob(pattern)]
    beside = [path for pattern in (".*", "*/.*") for path in root.parent.glob(pattern)]
    for left in {*evidence, *(path for path in beside if _HALF_WRITTEN.fullmatch(path.name))}:
        try:
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
        except OSError as error:
            # A thread of this process that was broken off may still write, and tidies up by itself.
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise


def evidence_key(facts: Mapping[str, object]) -> str:
    """A name for evidence: everything that changes a result is in `facts`, and nothing else."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


_ASKING = threading.Lock()
_TURNS: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()  # of evidence that is being asked for


def evidence_folder(root: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder with evidence `key` below `root`, made by `make` when it is not there, or no longer as it was left: what a
    disk has damaged must cost nobody points. Interrupted work leaves nothing that could be taken for evidence, nor does a
    loss of power. Who asks for what is being made waits for it: of a notebook that many hand in, one copy is run. Raises
    CannotWrite when the disk does not let it."""
    target = root / key[:2] / key
    with _ASKING:
        turn = _TURNS.setdefault(target, threading.Lock())
    with turn:
        if not _is_whole(target):
            _make(target, root, make)
    return target


def _make(target: Path, root: Path, make: Callable[[Path], None]) -> None:
    with writing(root):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        make(temporary)
        with writing(root):
            (temporary / _SEAL).write_text(json.dumps(_sums(temporary)))
            _put(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, target: Path) -> None:
    """Give a folder its name for good. Its contents are on the disk before the name is, and the name before this ends."""
    for path, _, names in os.walk(temporary):
        for name in (*names, ""):
            _to_disk(Path(path, name))
    try:
        if not _is_whole(target):
            shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    except OSError:
        if not _is_whole(target):  # else somebody else was quicker with the same evidence
            raise
    for folder in (target.parent, target.parent.parent):
        _to_disk(folder)


def _to_disk(path: Path) -> None:
    """Wait until a file's contents, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal_of(folder: Path) -> str:
    """What was sealed in a folder of evidence: it tells evidence from other evidence with the same key."""
    return (folder / _SEAL).read_text()


def _is_whole(folder: Path) -> bool:
    """Whether evidence is there, with the files that were sealed in it and no others."""
    try:
        return bool(json.loads(seal_of(folder)) == _sums(folder))
    except (OSError, ValueError, RecursionError):
        return False


def _sums(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and CRC-32 of each file, by its place in the folder."""
    return {name: _sum(path) for name, path in below(folder) if name != _SEAL}


def _sum(path: str) -> list[int]:
    size = checksum = 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while chunk := file.read(1 << 20):
            size, checksum = size + len(chunk), zlib.crc32(chunk, checksum)
    return [size, checksum]


def digest_of(*paths: Path) -> str:
    """One digest over files, and over all files of folders, with their names."""
    found = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """Write a whole file, of one piece or of many, or none of it. Raises CannotWrite when the disk does not let it."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            _write_pieces(temporary, [text] if isinstance(text, str) else text)


def _write_pieces(path: Path, pieces: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(pieces)


def kept_text(folder: Path, name: str, make: Callable[[], str]) -> str:
    """A text that follows from its name alone: what was made before, or made now and kept. Raises CannotWrite."""
    path = folder / name[:2] / name
    with suppress(OSError, ValueError):
        return read_kept(path)
    text = make()
    keep(path, text)
    return text


def derived_path(root: Path, submission: str, evidence: str) -> Path:
    """The file for what was found out about a submission from this evidence."""
    name = evidence_key({"id": submission, "evidence": evidence})
    return root / DERIVED / name[:2] / name


def keep(path: Path, text: str) -> None:
    """Write a text that a later command can do without. Raises CannotWrite when the disk does not let it."""
    write_text(path, f"{zlib.crc32(text.encode())}\n{text}")


def read_kept(path: Path) -> str:
    """A text as it was kept. Raises OSError or ValueError when it is not there, or no longer as it was."""
    checksum, kept = path.read_bytes().split(b"\n", 1)
    if int(checksum) != zlib.crc32(kept):
        raise ValueError("the disk has damaged it")
    return kept.decode()


def write_results(out: Path, identity: str, files: Mapping[str, str], executed: Path | None, logs: Path | None) -> None:
    """The folder of one submission: the given texts, and the re-run's notebook and event files. Raises CannotWrite when
    the disk does not let it."""
    folder = out / identity
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if logs is not None and logs.is_dir():
            if not _is_copy(folder / "logs", logs):
                _replace_folder(logs, folder / "logs")
        else:
            shutil.rmtree(folder / "logs", ignore_errors=True)
        if executed is not None and executed.is_file():
            with replacing(folder / "executed.ipynb") as temporary:
                shutil.copyfile(executed, temporary)
        else:
            (folder / "executed.ipynb").unlink(missing_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)


def _is_copy(folder: Path, source: Path) -> bool:
    """Whether a folder holds the same files as another, byte for byte."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    files, others = dict(below(folder)), dict(below(source))
    try:
        return files.keys() == others.keys() and all(_holds(path, others[name]) for name, path in files.items())
    except OSError:
        return False


def _holds(path: str, source: str) -> bool:
    facts = os.lstat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size != os.lstat(source).st_size:
        return False
    with open(path, "rb", buffering=0) as file, open(source, "rb", buffering=0) as other:  # noqa: PTH123
        return file.read() == other.read()


def _replace_folder(source: Path, target: Path) -> None:
    """A copy of a whole folder, or none of it, in the place of what was there. Of two that do so at the same time, as when
    a submission is judged again after its judge ended, one is enough."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent, ignore_cleanup_errors=True) as place:
        new = Path(shutil.copytree(source, Path(place, "new")))
        with suppress(FileNotFoundError):
            target.rename(Path(place, "old"))
        try:
            new.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else somebody else was quicker with the same logs
                raise


# --- the reference's bands ------------------------------------------------------------------------------------------


def bands_path(folder: Path, profile: str, data: str) -> Path:
    return folder / "bands" / f"{profile}-{data}.json"


def read_reference(assignment: Assignment, profile: str, data: str) -> Reference:
    """The bands for a profile and data set; none when the reference was never run on them."""
    path = bands_path(assignment.folder, profile, data)
    if not path.is_file():
        return Reference(profile=profile, data=data, bands={})
    try:
        if path.stat().st_size > _MAX_BANDS:
            raise ValueError(f"it is larger than {_MAX_BANDS >> 20} MiB")
        raw = json.loads(path.read_text(encoding="utf-8"))
        bands = {tuple(name.split("/", 1)): _band(band) for name, band in raw["bands"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)[:300]
        raise BrokenReference(
            say("{path} cannot be read ({why}). Build it again: grader reference build.", path=str(path), why=reason)
        ) from error
    return Reference(profile=profile, data=data, bands=bands)


def _band(raw: Mapping[str, list[object]]) -> Band:
    values = np.array([[np.nan if v is None else v for v in row] for row in raw["values"]], dtype=np.float64)  # type: ignore[attr-defined]
    steps = np.array(raw["steps"], dtype=np.int64)
    if values.ndim != 2 or not len(values) or steps.shape != values.shape[1:]:
        raise ValueError(f"a band of {steps.shape} steps and {values.shape} values")
    return Band(steps=steps, values=values)


def bands_json(runs: Mapping[int, Mapping[tuple[str, str], tuple[Ints, Floats]]], about: Mapping[str, object]) -> str:
    """The bands file from the points of several seeds. Series that some seed lacks are left out."""
    names = sorted(set.intersection(*(set(points) for points in runs.values())))
    bands = {
        "/".join(name): {
            "steps": [int(step) for step in next(iter(runs.values()))[name][0]],
            "values": [[_short(v) for v in points[name][1]] for points in runs.values()],
        }
        for name in names
        if len({len(points[name][1]) for points in runs.values()}) == 1
    }
    whole = {"format": BANDS_FORMAT, **about, "seeds": list(runs), "bands": bands}
    return json.dumps(whole, allow_nan=False, indent=None, separators=(",", ":"), ensure_ascii=True) + "\n"


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None
