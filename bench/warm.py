"""Gradings in this process with a warm worker: all that `grade` does for a submission, apart from its start."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import notebooks
from bench.process import Failed
from bench.session import Session, dataset, say
from bench.tree import Tree
from grader import batch, cli
from grader.commands.prepared import prepared
from grader.pipeline import Setup
from grader.records import Grade
from grader.stages import execution, probing
from grader.stages.intake import find_submissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One grading from the file to the written pages, in seconds. CPU time is that of all processes; the harness's is
    that of those without TensorFlow. `student_seconds` is the wall time of the cells, or of the probes beside them if
    that is longer. `again_seconds` is the wall time of the same grading when its evidence is there."""

    wall_seconds: float
    cpu_seconds: float
    harness_cpu_seconds: float
    student_seconds: float
    again_seconds: float
    peak_mib: int


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a submission was done, and the CPU time of all processes up to then: with TensorFlow, and without."""

    clock: float
    inside: float
    outside: float


_Step = tuple[_Moment, _Moment]  # the start and the end of one grading


@contextmanager
def warm_setup(session: Session, profile: str, evidence: Path) -> Iterator[Setup]:
    """What `grade` sets up for a batch, options as from its command line."""
    words = ["grade", str(session.options.notebook), "--profile", profile, "--data", str(dataset(session))]
    with prepared(cli.parser().parse_args(words), evidence) as setup:
        yield setup


@functools.cache
def gradings(session: Session, profile: str) -> tuple[Graded, ...]:
    """The seed notebook several times in one batch, one after the other, each copy with a comment of its own. The first
    one waits for what the batch starts, and does not count."""
    runs = session.options.runs if profile == "fast" else session.options.long_runs
    paths = notebooks.copies([session.options.notebook], runs + 1, session.new_folder("copies"))
    evidence, out = session.new_folder("evidence"), session.new_folder("out")
    say(f"{runs + 1} warm gradings, profile {profile}")
    with warm_setup(session, profile, evidence) as setup, Tree(os.getpid()) as tree:
        grades, moments = _batch(paths, setup, out, tree)
        _, again = _batch(paths, setup, out, tree)
    students = list(_student_seconds(evidence))[1:]
    steps = zip(itertools.pairwise(moments), itertools.pairwise(again), strict=True)
    return tuple(
        _graded(first, second, student, grade)
        for (first, second), student, grade in zip(steps, students, grades[1:], strict=True)
    )


def _graded(first: _Step, second: _Step, student: float, grade: Grade) -> Graded:
    (began, done), (began_again, done_again) = first, second
    outside = done.outside - began.outside
    return Graded(
        wall_seconds=done.clock - began.clock,
        cpu_seconds=done.inside - began.inside + outside,
        harness_cpu_seconds=outside,
        student_seconds=student,
        again_seconds=done_again.clock - began_again.clock,
        peak_mib=grade.resources.peak_memory_mib,
    )


def _batch(paths: list[Path], setup: Setup, out: Path, tree: Tree) -> tuple[list[Grade], list[_Moment]]:
    """Grade as one batch, one at a time; the moments are those when a submission was done."""
    moments: list[_Moment] = []

    def watch(name: str, stage: str) -> None:
        if stage == "done":
            moments.append(_Moment(time.monotonic(), *tree.cpu_seconds()))

    grades = batch.grade_all(find_submissions(paths, out), setup, out, 1, watch).grades
    if errors := [str(grade.error) for grade in grades if grade.error is not None]:
        raise Failed(errors[0])
    return list(grades), moments


def _student_seconds(evidence: Path) -> Iterator[float]:
    """For each submission, in the order of grading: its cells, or its probes, which run beside them, if those take
    longer."""
    for folder in sorted(evidence.glob("??/*"), key=lambda path: path.stat().st_mtime_ns):
        cells = sum(cell.seconds for cell in execution.read(folder / "execution").cells)
        yield max(cells, probing.resources(folder / "probes").wall_seconds)
