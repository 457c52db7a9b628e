"""The only module that knows where things lie: evidence by content, results by submission. All writing is atomic."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from grader.assignment import Assignment
from grader.errors import BrokenReference
from grader.records import Band, Floats, Ints, Reference

BANDS_FORMAT = "grader.bands/1"
OVERVIEW = "overview.json"  # in a submission's folder: what the class's pages show of it


def evidence_key(facts: Mapping[str, object]) -> str:
    """A name for evidence: everything that changes a result is in `facts`, and nothing else."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def evidence_folder(root: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder with evidence `key` below `root`, made by `make` when it is not there. Interrupted work leaves
    nothing that could be taken for evidence."""
    target = root / key[:2] / key
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        make(temporary)
        temporary.rename(target)
    except OSError:
        if not target.is_dir():  # else somebody else was quicker with the same evidence
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def digest_of(*paths: Path) -> str:
    """One digest over files, and over all files of folders, with their names."""
    found = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # two judges may write the same page
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    temporary.replace(path)


def write_results(out: Path, identity: str, files: Mapping[str, str], executed: Path | None, logs: Path | None) -> None:
    """The folder of one submission: the given texts, and the re-run's notebook and event files."""
    folder = out / identity
    folder.mkdir(parents=True, exist_ok=True)
    if logs is not None and logs.is_dir():
        _replace_folder(logs, folder / "logs")
    else:
        shutil.rmtree(folder / "logs", ignore_errors=True)
    if executed is not None and executed.is_file():
        shutil.copyfile(executed, folder / "executed.ipynb")
    for name, text in files.items():
        write_text(folder / name, text)


def _replace_folder(source: Path, target: Path) -> None:
    """A copy of a whole folder, or none of it, in the place of what was there. Of two that do so at the same time, as when
    a submission is judged again after its judge ended, one is enough."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent, ignore_cleanup_errors=True) as place:
        new = Path(shutil.copytree(source, Path(place, "new")))
        with suppress(FileNotFoundError):
            target.rename(Path(place, "old"))
        try:
            new.rename(target)
        except OSError:
            if not target.is_dir():  # else somebody else was quicker with the same logs
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
        raw = json.loads(path.read_text(encoding="utf-8"))
        bands = {tuple(name.split("/", 1)): _band(band) for name, band in raw["bands"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenReference(f"{path} cannot be read ({error}). Build it again: grader reference build.") from error
    return Reference(profile=profile, data=data, bands=bands)


def _band(raw: Mapping[str, list[object]]) -> Band:
    values = np.array([[np.nan if v is None else v for v in row] for row in raw["values"]], dtype=np.float64)  # type: ignore[attr-defined]
    return Band(steps=np.array(raw["steps"], dtype=np.int64), values=values)


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
