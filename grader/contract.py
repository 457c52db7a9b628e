"""What a homework is to the engine: names to extract, questions to draw, checks to run, things to show.

The engine (`pipeline`) knows this contract and no homework; `grader.homework` fills it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.assignment import Assignment
from grader.language import Value
from grader.records import (
    Case,
    Definition,
    Exhibit,
    Finding,
    Floats,
    Ints,
    Question,
    RunSummary,
    Severity,
    Status,
    Verdict,
    say,
)
from grader.stages.extraction import Names

Check = Callable[[Case, Assignment], Verdict]
RemarkCheck = Callable[[Case, Assignment], Iterable[Finding]]
First = tuple[int, int, int] | None  # training images, test images, all test images; None is all (see `Plan.first`)


def as_the_profile_says(definitions: Mapping[str, Definition], first: First) -> First:
    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class Homework:
    """One homework. `thresholds` are the numbers that its checks need of assignment.toml; `probes` is the folder of the
    probe modules; `effort` estimates from a notebook's text how long it will run, in any unit; `share_of_data` says how
    much of the data a notebook with these definitions is run with, where the profile says `first`; `gate` says what is
    said instead of every check, or None to let the checks speak; `checks` maps the rubric's ids to functions whose
    docstring is the sentence that the student reads. A verdict must follow from the case and the assignment alone,
    which comes without its criteria: it depends on no points, and is kept until something else of that, or a threshold
    that its check looked at, has changed (`grader.memory`). The same holds for `gate`, `remarks`, `summarise` and
    `exhibit`. All functions are at the top level of their modules, so that the record can travel to another process."""

    names: Names
    thresholds: frozenset[str]
    probes: Path
    draw: Callable[[Mapping[str, Definition], np.random.Generator], tuple[Question, ...]]
    effort: Callable[[str], float]
    gate: Callable[[Case], Verdict | None]
    checks: Mapping[str, Check]
    remarks: tuple[RemarkCheck, ...]
    summarise: Callable[[Case, Assignment], Mapping[str, RunSummary]]
    exhibit: Callable[[Case, Assignment], Exhibit]
    band_points: Callable[[Case, Assignment], Mapping[tuple[str, str], tuple[Ints, Floats]]]
    share_of_data: Callable[[Mapping[str, Definition], First], First] = as_the_profile_says


def passed(*findings: Finding) -> Verdict:
    return Verdict(status=Status.PASSED, share=1.0, findings=findings)


def failed(*findings: Finding) -> Verdict:
    return Verdict(status=Status.FAILED, findings=findings)


def partial(share: float, *findings: Finding) -> Verdict:
    """Something between: `share` of the points, all of them or none where the share is 1 or 0."""
    if share >= 1.0:
        return passed(*findings)
    return Verdict(status=Status.PARTIAL, share=share, findings=findings) if share > 0 else failed(*findings)


def blocked(by: str, *findings: Finding) -> Verdict:
    return Verdict(status=Status.BLOCKED, findings=findings, blocked_by=by)


def review(*findings: Finding) -> Verdict:
    return Verdict(status=Status.REVIEW, findings=findings)


def undecided(code: str, template: str, **values: Value) -> Verdict:
    """The harness could not tell: our fault, never the student's loss."""
    finding = Finding(code=code, severity=Severity.WARNING, message=say(template, **values))
    return Verdict(status=Status.UNDECIDED, findings=(finding,))
