"""Classroom 50's `result.json`, as its collector takes it.

Contract: https://github.com/foundation50/classroom50/wiki/Advanced-Autograding: eleven keys and no others, four keys a
test, whole points. What the result is about comes from the variables that its runner sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from grader.errors import GraderError, UsageError
from grader.exports import wording
from grader.exports.results import Result
from grader.records import Status
from grader.reporting.text import one_line

_VARIABLES = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
}


def render(result: Result, variables: Mapping[str, str], now: datetime) -> str:
    """The whole file. Raises UsageError where a variable is missing, and GraderError where there is no grade: this format
    cannot say so, and a 0 would count."""
    if result.error is not None:
        raise GraderError(
            f"{one_line(result.id)} could not be graded, and Classroom 50 has no way to say so: nothing was written. "
            f"{one_line(result.error)}"
        )
    document: dict[str, object] = {
        "schema": "classroom50/result/v1",
        **{key: _variable(name, variables) for key, name in _VARIABLES.items()},
        "review": variables.get("REVIEW_URL") or _variable("COMMIT_URL", variables),
        "datetime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": _nearest(result.score),
        "max-score": int(result.max_score),
        "tests": _tests(result),
    }
    return wording.strict_json(document)


def _variable(name: str, variables: Mapping[str, str]) -> str:
    if not variables.get(name):
        raise UsageError(f"The variable {name} is not set. Run this inside the runner of Classroom 50, which sets it.")
    return variables[name]


def _tests(result: Result) -> list[dict[str, object]]:
    points = whole([judgement.points for judgement in result.criteria], _nearest(result.score))
    return [
        {
            "test-name": f"{one_line(j.criterion.title)}{' (awaiting review)' if j.status is Status.REVIEW else ''}",
            "passed": j.status is Status.PASSED,
            "score": earned,
            "max-score": j.criterion.points,
        }
        for j, earned in zip(result.criteria, points, strict=True)
    ]


def whole(points: Sequence[float], total: int) -> list[int]:
    """The points in whole numbers that add up to `total`: each rounded down, and then those with most left over rounded up
    (Hamilton's method)."""
    down = [math.floor(value) for value in points]
    missing = total - sum(down)
    order = sorted(range(len(points)), key=lambda k: down[k] - points[k])
    raised = set(order[:missing]) if missing > 0 else set()
    return [value + (k in raised) for k, value in enumerate(down)]


def _nearest(points: float) -> int:
    """The nearest whole number, a half going up."""
    return math.floor(points + 0.5)
