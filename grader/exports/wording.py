"""The sentences that all formats share. Whatever comes from outside is made inert here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from grader.exports.results import REVIEWED
from grader.records import Finding, Judgement, Status
from grader.reporting.text import clip, inert, one_line
from grader.reporting.view import count_points, lost_points
from grader.reporting.words import place, points_of

Labelled = tuple[str, str | None]
_VALUE = 400  # characters of an expected or actual value


def strict_json(document: Mapping[str, object]) -> str:
    """JSON that any reader takes: never NaN. Its texts must be inert."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def findings(judgement: Judgement) -> Sequence[Finding]:
    """What a student is told of a criterion: as in the terminal, the findings where points are open or lost; and always
    what a person said."""
    told = lost_points(judgement) > 0 or judgement.status is Status.UNDECIDED
    return [finding for finding in judgement.findings if told or finding.code == REVIEWED]


def explained(judgement: Judgement, titles: Mapping[str, str]) -> str:
    """Why a criterion has its points, and what to try, without the values that were expected and measured."""
    return _paragraphs(standing(judgement, titles), *map(_advice, findings(judgement)))


def measured(judgement: Judgement) -> str:
    """What was expected and what was there, finding by finding; empty where no values were given."""
    return _paragraphs(*map(_values, findings(judgement)))


def in_full(judgement: Judgement, titles: Mapping[str, str]) -> str:
    """All that is known of a criterion."""
    return _paragraphs(standing(judgement, titles), *map(_everything, findings(judgement)))


def standing(judgement: Judgement, titles: Mapping[str, str]) -> str:
    """What a status that is no verdict on the work means for its points; empty for the others."""
    open_points = count_points(judgement.criterion.points - judgement.points)
    match judgement.status:
        case Status.REVIEW:
            return f"Awaiting review: a person reads this and gives up to {open_points}; none are counted yet."
        case Status.UNDECIDED:
            return (
                f"Undecided: the grader could not tell; its fault, not the student's. An instructor decides on up to "
                f"{open_points}; they are not counted yet."
            )
        case Status.BLOCKED:
            other = judgement.blocked_by or ""
            return f"Blocked: it could not be looked at before something else is mended: {one_line(titles.get(other, other))}."
        case _:
            return ""


def titles(criteria: Sequence[Judgement]) -> dict[str, str]:
    """The titles of criteria by their ids."""
    return {judgement.criterion.id: judgement.criterion.title for judgement in criteria}


def earned(judgement: Judgement) -> str:
    return points_of(judgement.points, judgement.criterion.points)


def advice_line(finding: Finding) -> str:
    """A finding with its place in one line."""
    where = place(finding)
    return one_line(f"{finding.message} ({where})" if where else str(finding.message))


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))


def _advice(finding: Finding) -> str:
    return _lines(("", str(finding.message)), *_where_and_how(finding))


def _values(finding: Finding) -> str:
    values = _expected_and_actual(finding)
    return _lines(("", str(finding.message)), *values) if any(text for _, text in values) else ""


def _everything(finding: Finding) -> str:
    return _lines(("", str(finding.message)), *_expected_and_actual(finding), *_where_and_how(finding))


def _expected_and_actual(finding: Finding) -> tuple[Labelled, ...]:
    expected, actual = (clip(inert(str(text)), _VALUE) if text else None for text in (finding.expected, finding.actual))
    return ("Expected: ", expected), ("Actual: ", actual)


def _where_and_how(finding: Finding) -> tuple[Labelled, ...]:
    hint = str(finding.hint) if finding.hint is not None else None
    return ("Where: ", place(finding)), ("What to try: ", hint)


def _lines(*labelled: Labelled) -> str:
    return "\n".join(label + one_line(text) for label, text in labelled if text)
