"""The sentences that all formats share. Whatever comes from outside is made inert here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from grader.records import Finding, Judgement, Status
from grader.reporting.text import clip, inert, one_line
from grader.reporting.view import count_points
from grader.reporting.words import place, points_of

_VALUE = 400  # characters of an expected or actual value
_FINDINGS = 20  # of a criterion; more say nothing new


def strict_json(document: Mapping[str, object]) -> str:
    """JSON that any reader takes: never NaN. Its texts must be inert."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def explained(judgement: Judgement, titles: Mapping[str, str]) -> str:
    """Why a criterion has its points, and what to try: state first, then each finding without its values."""
    state = standing(judgement, titles)
    return "\n\n".join([*([state] if state else []), *map(_advice, _shown(judgement.findings))])


def measured(findings: Sequence[Finding]) -> str:
    """What was expected and what was there, finding by finding; empty where no values were given."""
    return "\n\n".join(filter(None, map(_values, _shown(findings))))


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


def _shown(findings: Sequence[Finding]) -> Sequence[Finding]:
    return findings[:_FINDINGS]


def _advice(finding: Finding) -> str:
    hint = str(finding.hint) if finding.hint is not None else None
    return _lines(("", str(finding.message)), ("Where: ", place(finding)), ("What to try: ", hint))


def _values(finding: Finding) -> str:
    if finding.expected is None and finding.actual is None:
        return ""
    return _lines(("", str(finding.message)), ("Expected: ", finding.expected), ("Actual: ", finding.actual))


def _lines(*labelled: tuple[str, str | None]) -> str:
    return "\n".join(label + one_line(clip(inert(text), _VALUE)) for label, text in labelled if text)
