"""What `grader grade` wrote, read again from `result.json`: the one thing that every export is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.records import Criterion, Finding, Judgement, Severity, Status, say, undecided_points

REVIEWED = "review.decided"  # the code of a finding that says what a person decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a submission is, as a course system's download told: the system, its own key for that person, a name."""

    system: str
    key: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished result. `score` and all points are those of `result.json`; `error` is set where the submission could not
    be graded, and `harness_failed` tells whether that is the harness's fault. `folder` holds the page, where there is
    one. A criterion has no claim here: `result.json` does not hold it; what a person decided on it is its first finding."""

    id: str
    source: str
    owner: Owner | None
    score: float
    max_score: float
    awaiting_review: float
    criteria: tuple[Judgement, ...]
    remarks: tuple[Finding, ...]
    seconds: float
    environment: Mapping[str, str]
    error: str | None = None
    harness_failed: bool = False
    folder: Path | None = None

    @property
    def undecided(self) -> float:
        """Points that the grader could not decide on, and that are not in the score."""
        return undecided_points(self.criteria)


def read_results(out: Path) -> tuple[Result, ...]:
    """The results below an output folder, in their order there: of a class, or of the folder of one submission.

    Raises UsageError when there are none, or when they cannot be read.
    """
    if (out / "result.json").is_file():
        return (_read(out),)
    listing = out / "results.json"
    if not listing.is_file():
        raise UsageError(f"There are no results in {out}. Name the folder that `grader grade --out` wrote.")
    folders = [out / name for name in _ids(listing)]
    return tuple(_read(folder) for folder in folders)


def parse(text: str, *, folder: Path | None = None) -> Result:
    """A result from the text of a `result.json`. Raises ValueError where it is none."""
    try:
        return _result(json.loads(text, parse_constant=_refuse), folder)
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error


def _read(folder: Path) -> Result:
    path = folder / "result.json"
    try:
        return parse(path.read_text("utf-8"), folder=folder)
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def _ids(listing: Path) -> list[str]:
    """The ids of a class, each the name of a folder beside the list."""
    try:
        ids = [str(result["submission"]["id"]) for result in json.loads(listing.read_text("utf-8"))["results"]]
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise _unreadable(listing) from error
    if any(name in ("", "..") or "/" in name or "\0" in name for name in ids):
        raise _unreadable(listing)
    return ids


def _unreadable(path: Path) -> UsageError:
    return UsageError(f"{path} holds no result that this version can read. Grade again, then export.")


def _result(raw: Mapping[str, Any], folder: Path | None) -> Result:
    if raw["format"] != "grader.result/1":
        raise ValueError("another format")
    graded = raw["status"] == "graded"
    return Result(
        id=str(raw["submission"]["id"]),
        source=str(raw["submission"]["source"]),
        owner=_owner(raw["submission"].get("student")),
        score=_number(raw["score"]) if graded else 0,
        max_score=_number(raw["max_score"]) if graded else 0,
        awaiting_review=_number(raw["awaiting_review"]) if graded else 0,
        criteria=tuple(_judgement(criterion) for criterion in raw["criteria"]) if graded else (),
        remarks=tuple(_finding(remark) for remark in raw["remarks"]),
        seconds=_number(raw["resources"]["wall_seconds"]),
        environment={str(name): str(value) for name, value in raw["environment"].items()},
        error=None if graded else str(raw["error"]),
        harness_failed=raw.get("fault") == "harness",
        folder=folder,
    )


def _owner(raw: Mapping[str, Any] | None) -> Owner | None:
    return Owner(system=str(raw["system"]), key=str(raw["key"]), name=_text(raw.get("name"))) if raw else None


def _judgement(raw: Mapping[str, Any]) -> Judgement:
    points = _number(raw["max_points"])
    return Judgement(
        criterion=Criterion(id=str(raw["id"]), part=str(raw["part"]), title=str(raw["title"]), points=int(points)),
        claim="",
        status=Status(raw["status"]),
        points=_number(raw["points"]),
        blocked_by=_text(raw["blocked_by"]),
        findings=(*_review(raw.get("review")), *(_finding(finding) for finding in raw["findings"])),
    )


def _review(raw: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What a person decided, and their words for the student."""
    if raw:
        words = f"Decided by {raw['by']} on {raw['on']}. {raw['comment']}".strip()
        yield Finding(code=REVIEWED, severity=Severity.INFO, message=say(words))


def _finding(raw: Mapping[str, Any]) -> Finding:
    hint = _text(raw.get("hint"))
    return Finding(
        code=str(raw["code"]),
        severity=Severity(raw["severity"]),
        message=say(str(raw["message"])),
        expected=_text(raw.get("expected")),
        actual=_text(raw.get("actual")),
        hint=say(hint) if hint is not None else None,
        cell=_whole(raw.get("cell")),
        line=_whole(raw.get("line")),
        run=_text(raw.get("run")),
        tag=_text(raw.get("tag")),
        step=_whole(raw.get("step")),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(_number(value))


def _number(value: Any) -> float:
    """An integer stays one. Raises ValueError for what is no number or has no place in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"no number: {value!r}")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
