"""The command `grader grade`, as a person starts it, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.options import ROOT
from bench.session import Session, dataset
from bench.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """Wall time from start to end in seconds, the highest memory of the command's own process, and how many processes
    imported TensorFlow."""

    wall_seconds: float
    peak_mib: float
    imports: int


def grade(session: Session, paths: list[Path], out: Path, *options: str, watched: bool = True) -> Commanded:
    """Run `grader grade PATHS --out OUT` with the session's data. Raises Failed unless all could be graded. Watching counts
    imports, and takes the time of the cores that a short command would use itself: without it there are 0."""
    report, log = out.with_suffix(".json"), out.with_suffix(".log")
    words = ["grade", *map(str, paths), "--out", str(out), "--data", str(dataset(session)), *options]
    began = time.monotonic()
    running = process.start([sys.executable, "-m", "bench.inner", str(report), *words], log, ROOT)
    with Tree(running.pid) if watched else nullcontext() as tree:
        used = process.finish(running, began, log)
    peak = float(json.loads(report.read_text())["peak_mib"])
    return Commanded(wall_seconds=used.wall_seconds, peak_mib=peak, imports=tree.imports if tree else 0)


def evidence_of(out: Path) -> dict[str, int]:
    """The evidence below a command's results, with the time of each in nanoseconds: what is executed changes it."""
    return {str(path): path.stat().st_mtime_ns for path in (out / ".evidence").glob("??/*")}
