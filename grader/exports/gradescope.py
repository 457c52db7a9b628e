"""Gradescope's `results.json`: a test a criterion, and what is shown to whom and when.

Rules: https://gradescope-autograders.readthedocs.io/en/latest/specs/. Three levels: at once, a student sees points,
findings and hints; after the due date also the values that were expected and measured; only instructors see under what
conditions the notebook ran, and why the harness failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from grader.exports import wording
from grader.exports.results import Result
from grader.records import Judgement, Status
from grader.reporting.text import inert, one_line
from grader.reporting.view import count_points
from grader.reporting.words import count

_AT_ONCE = "visible"
_AFTERWARDS = "after_due_date"
_NEVER = "hidden"
Test = dict[str, object]


def render(result: Result) -> str:
    """The whole file. The points on top are those of the result: no sum of rounded parts."""
    tests = _not_graded(result) if result.error is not None else _graded(result)
    document: dict[str, object] = {
        "score": result.score,
        "execution_time": round(result.seconds),
        "output": _summary(result),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": _NEVER,
        "visibility": _AT_ONCE,
        "tests": list(tests),
    }
    return wording.strict_json(document)


def _summary(result: Result) -> str:
    if result.error is not None:
        return "This submission could not be graded. The 0 stands for no grade."
    waits = (
        (result.awaiting_review, "await a person's review and are not counted yet."),
        (result.undecided, "could not be decided by the grader; an instructor will look at them."),
    )
    return "\n".join(
        [
            f"{result.score} of {result.max_score} points.",
            *(f"Up to {count_points(points)} {text}" for points, text in waits if points),
        ]
    )


def _graded(result: Result) -> Iterator[Test]:
    titles = wording.titles(result.criteria)
    groups = groupby(result.criteria, key=lambda judgement: judgement.criterion.part)
    for part, (_, judgements) in enumerate(groups, start=1):
        for number, judgement in enumerate(judgements, start=1):
            yield from _criterion(judgement, f"{part}.{number}", titles)
    if result.remarks:
        text = "\n".join(map(wording.advice_line, result.remarks))
        yield _note(f"{count(len(result.remarks), 'remark')} (they cost nothing)", text, _AT_ONCE)
    yield _note("How this was graded", _conditions(result), _NEVER)


def _criterion(judgement: Judgement, number: str, titles: dict[str, str]) -> Iterator[Test]:
    """The test of a criterion; beside it, without points, the values that are shown after the due date."""
    title = one_line(judgement.criterion.title)
    test: Test = {
        "number": number,
        "name": f"{title} (awaiting review)" if judgement.status is Status.REVIEW else title,
        "score": judgement.points,
        "max_score": judgement.criterion.points,
        "output": wording.explained(judgement, titles),
        "visibility": _AT_ONCE,
        "tags": [inert(judgement.criterion.id), judgement.status.value],
    }
    yield test | _verdict(judgement.status)
    values = wording.measured(judgement)
    if values:
        yield _note(f"{title}: expected and measured", values, _AFTERWARDS, number=f"{number}.1")


def _verdict(status: Status) -> Test:
    """Passed or failed. What nobody has decided on is neither: Gradescope then goes by the points."""
    if status in (Status.REVIEW, Status.UNDECIDED):
        return {}
    return {"status": "passed" if status is Status.PASSED else "failed"}


def _not_graded(result: Result) -> Iterator[Test]:
    """What the student may know, and for the instructor the reason as it is."""
    why = inert(result.error or "")
    shown = (
        "The grader failed on this submission. That is not your fault, and the 0 is no grade: your instructor can see why."
        if result.harness_failed
        else f"{why}\n\nNothing was run and nothing was judged. The 0 stands for no grade."
    )
    yield {
        "name": "Could not be graded",
        "status": "failed",
        "score": 0,
        "max_score": 0,
        "output": shown,
        "visibility": _AT_ONCE,
    }
    yield _note("Why it could not be graded", f"{why}\n\n{_conditions(result)}", _NEVER)


def _note(name: str, text: str, visibility: str, **more: object) -> Test:
    """A test without points: a text that is shown at its level."""
    return {**more, "name": name, "status": "passed", "output": text, "visibility": visibility}


def _conditions(result: Result) -> str:
    facts = {"source": result.source, **result.environment}
    return "\n".join(f"{one_line(name)}: {one_line(value)}" for name, value in facts.items())
