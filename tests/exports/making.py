"""Results as `grader grade` leaves them on disk, made from the hand-made grades of the reports' tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reporting.factories import grade, judgement, ungraded

from grader.exports.results import Result, parse
from grader.records import Grade, Status, say
from grader.reporting.machine import class_json, result_json


def result(made: Grade | None = None) -> Result:
    return parse(result_json(made or grade()))


def owned(made: Grade, system: str, key: str, name: str | None = None) -> Result:
    """A result whose owner a course system's download told."""
    document = json.loads(result_json(made))
    document["submission"]["student"] = {"system": system, "key": key, "name": name, "late": False, "attempt": 1}
    return parse(json.dumps(document))


def scored(name: str, points: float, source: str | None = None, **changes: Any) -> Grade:
    """A grade with one criterion of 100 points, from a source that a learning platform named."""
    return grade(name, source=source or f"class/{name}", criteria=(judgement(points=points, most=100),), **changes)


def failed_by_harness(name: str = "sidorov") -> Grade:
    reason = say(
        "The harness failed on this submission; that is not its author's fault. {reason}", reason="SECRET-REASON"
    )
    return dataclasses.replace(ungraded(name), error=reason, harness_failed=True)


def waiting(name: str, source: str | None = None) -> Grade:
    """60 of 100 points; 30 wait for a person, 10 are undecided."""
    criteria = (
        judgement("a", points=60, most=60),
        judgement("b", Status.REVIEW, points=0, most=30),
        judgement("c", Status.UNDECIDED, points=0, most=10),
    )
    return grade(name, source=source or f"class/{name}", criteria=criteria)


def write_class(out: Path, grades: Sequence[Grade]) -> Path:
    """The folder of a class: the list, and a folder with result and page for each."""
    for one in grades:
        (out / one.id).mkdir(parents=True)
        (out / one.id / "result.json").write_text(result_json(one), "utf-8")
        (out / one.id / "report.html").write_text(f"<p>{one.id}</p>", "utf-8")
    (out / "results.json").write_text("".join(class_json(grades)), "utf-8")
    return out
