"""The result as plain text for a terminal or a log: readable without colour, and nothing in it is active."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from grader.language import shown, tr
from grader.records import Finding, Grade, Judgement, Message, Report, Severity, Status
from grader.reporting.text import clip, inert
from grader.reporting.text import one_line as flat
from grader.reporting.view import lost_points, part_title, undecided_sentence, waiting_sentence
from grader.reporting.words import SEVERITY_WORDS, STATUS_WORDS, of_points, place, points, points_of

_INDENT = " " * 14
_LABEL = 12  # columns of "expected    "
_VALUE = 400  # characters of an expected or actual value
_NARROWEST = 50


def render(report: Report, *, width: int = 100) -> str:
    """The whole result, wrapped to `width` columns (never less than 50), without a newline at its end."""
    return "\n".join(_lines(report, max(width, _NARROWEST)))


def one_line(grade: Grade) -> str:
    """A submission of a class in one line: `ivanova: 84 of 100 points, 16 to be read`."""
    if grade.error is not None:
        return flat(f"{grade.id}: {tr('not graded: {why}', why=grade.error)}")
    waiting = ", " + tr("{n} to be read", n=grade.awaiting_review) if grade.awaiting_review else ""
    undecided = ", " + tr("{n} undecided", n=points(grade.undecided)) if grade.undecided else ""
    return flat(f"{grade.id}: {of_points(grade.score, grade.max_score)}{waiting}{undecided}{_why_undecided(grade)}")


def _why_undecided(grade: Grade) -> str:
    """Why the grader could not tell, in the words of the first finding that says so."""
    found = (f.message for j in grade.criteria if j.status is Status.UNDECIDED for f in j.findings)
    return next((f" ({clip(shown(message), _VALUE)})" for message in found), "")


def sentence(message: Message, *, width: int = 100) -> str:
    """A message in lines of its own, without a newline at the end."""
    return "\n".join(_wrap(flat(shown(message)), width, ""))


def findings(found: Iterable[Finding], *, width: int = 100) -> str:
    """Findings by themselves, without a newline at the end; empty when there are none."""
    return "\n".join(line for finding in found for line in _finding(finding, width))


def _lines(report: Report, width: int) -> Iterator[str]:
    grade = report.grade
    yield from _wrap(flat(grade.id), width, "")
    if grade.error is not None:
        yield from _wrap(flat(tr("Not graded: {why}", why=grade.error)), width, "")
        return
    yield from _head(report, width)
    part = None
    for judgement in grade.criteria:
        if judgement.criterion.part != part:
            part = judgement.criterion.part
            yield from ("", flat(part_title(judgement.criterion)))
        yield from _judgement(judgement, grade, width)
    if grade.remarks:
        yield from ("", tr("Remarks (they cost nothing)"))
        for remark in grade.remarks:
            yield from _finding(remark, width)


def _head(report: Report, width: int) -> Iterator[str]:
    yield of_points(report.grade.score, report.grade.max_score)
    for text in (waiting_sentence(report.grade), undecided_sentence(report.grade), report.exhibit.notice):
        if text is not None:
            yield from _wrap(flat(shown(text)), width, "")


def _judgement(judgement: Judgement, grade: Grade, width: int) -> Iterator[str]:
    yield from _title_line(judgement, width)
    if judgement.blocked_by is not None:
        yield from _wrap(tr("waits for: {what}", what=_title(judgement.blocked_by, grade)), width, _INDENT)
    if judgement.status is Status.UNDECIDED:
        undecided = tr("The grader could not tell: its fault, not yours. Your instructor will look at it.")
        yield from _wrap(undecided, width, _INDENT)
    if lost_points(judgement) > 0 or judgement.status is Status.UNDECIDED:
        for finding in judgement.findings:
            yield from _finding(finding, width)


def _title_line(judgement: Judgement, width: int) -> Iterator[str]:
    """`  PASSED      Gradient histograms ........ 12 of 12`; a long title takes several lines."""
    earned = points_of(judgement.points, judgement.criterion.points)
    head = f"  {tr(STATUS_WORDS[judgement.status]).upper():<12}"
    room = width - len(_INDENT) - len(earned) - 4
    *above, last = textwrap.wrap(flat(tr(judgement.criterion.title)), room) or [""]
    for line in above:
        yield head + line
        head = _INDENT
    yield f"{head}{last} {'.' * (room + 2 - len(last))} {earned}"


def _title(criterion: str, grade: Grade) -> str:
    return next((flat(tr(j.criterion.title)) for j in grade.criteria if j.criterion.id == criterion), criterion)


def _finding(finding: Finding, width: int) -> Iterator[str]:
    mark = "-" if finding.severity is Severity.ERROR else f"- {tr(SEVERITY_WORDS[finding.severity])}:"
    yield from _wrap(f"{mark} {flat(shown(finding.message))}", width, _INDENT, hang=2)
    details = (
        (tr("expected"), finding.expected),
        (tr("actual"), finding.actual),
        (tr("where"), place(finding)),
        (tr("what to try"), finding.hint),
    )
    for label, text in details:
        if text is not None:
            yield from _wrap(f"{label:<{_LABEL}}{flat(clip(shown(text), _VALUE))}", width, _INDENT + "  ", hang=_LABEL)


def _wrap(text: str, width: int, indent: str, hang: int = 0) -> list[str]:
    return textwrap.wrap(
        inert(text), width, initial_indent=indent, subsequent_indent=indent + " " * hang, break_on_hyphens=False
    )
