"""What the class page shows: a summary, a row a submission, and what could not be graded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median
from urllib.parse import quote

from grader.language import shown, tr
from grader.records import Criterion, Grade, Judgement
from grader.reporting.view import criterion_anchor, part_title
from grader.reporting.words import STATUS_WORDS, points, points_of

CURVES = "review/curves.html"
BINS = 10
BAR, GAP, HEIGHT = 34, 6, 90  # of the histogram, in units of its drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCell:
    """One criterion of one submission: `text` is its alternative in words."""

    status: str
    text: str
    points: str
    sort: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: str
    href: str
    score: str
    sort: float
    open: str
    open_sort: float
    cells: tuple[StatusCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How many submissions earned this share of the points; x, y and height are in the drawing's units."""

    label: str
    n: int
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """`parts` are (title, how many criteria); `columns` the criteria themselves, in the rubric's order."""

    numbers: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    histogram: str
    parts: tuple[tuple[str, int], ...]
    columns: tuple[Criterion, ...]
    rows: tuple[Row, ...]
    ungraded: tuple[tuple[str, str, str], ...]


def class_view(grades: Sequence[Grade]) -> ClassView:
    graded = [grade for grade in grades if grade.error is None]
    columns = _columns(graded)
    bars = _bars(graded)
    by_part = [list(group) for _, group in groupby(columns, key=lambda criterion: criterion.part)]
    return ClassView(
        numbers=_numbers(grades, graded),
        bars=bars,
        histogram="; ".join(f"{bar.label} %: {bar.n}" for bar in bars),
        parts=tuple((part_title(group[0]), len(group)) for group in by_part),
        columns=columns,
        rows=tuple(_row(grade, columns) for grade in graded),
        ungraded=tuple((grade.id, report_href(grade.id), shown(grade.error)) for grade in grades if grade.error),
    )


def report_href(submission: str, criterion: str = "") -> str:
    """The address of a submission's page, or of a criterion on it, relative to the class page."""
    place = f"#{quote(criterion_anchor(criterion), safe='', errors='replace')}" if criterion else ""
    return f"{quote(submission, safe='', errors='replace')}/report.html{place}"


def worksheet_path(criterion: str) -> str:
    """Where the answers to one criterion stand one after another, relative to the class page."""
    return f"review/{quote(criterion, safe='', errors='replace').replace('%', '_')}.html"


def _columns(graded: Sequence[Grade]) -> tuple[Criterion, ...]:
    known: dict[str, Criterion] = {}
    for grade in graded:
        for judgement in grade.criteria:
            known.setdefault(judgement.criterion.id, judgement.criterion)
    return tuple(replace(criterion, title=tr(criterion.title)) for criterion in known.values())


def _numbers(grades: Sequence[Grade], graded: Sequence[Grade]) -> tuple[tuple[str, str], ...]:
    scores = [grade.score for grade in graded]
    middle = points(median(scores)) if scores else tr("none")
    span = tr("{low} to {high}", low=points(min(scores)), high=points(max(scores))) if scores else tr("none")
    return (
        (tr("Submissions"), str(len(grades))),
        (tr("Graded"), str(len(graded))),
        (tr("Could not be graded"), str(len(grades) - len(graded))),
        (tr("Median points"), middle),
        (tr("Range"), span),
        (tr("Wait for a person"), str(sum(grade.awaiting_review + grade.undecided > 0 for grade in graded))),
    )


def _bars(graded: Sequence[Grade]) -> tuple[Bar, ...]:
    """Ten bars over the share of the points; full marks belong to the last."""
    shares = [grade.score / max(grade.max_score, 1) for grade in graded]
    counts = [0] * BINS
    for share in shares:
        counts[min(BINS - 1, max(0, int(share * BINS + 1e-9)))] += 1
    most = max([*counts, 1])
    return tuple(_bar(i, n, most) for i, n in enumerate(counts))


def _bar(i: int, n: int, most: int) -> Bar:
    height = round(HEIGHT * n / most, 1)
    return Bar(
        label=f"{i * BINS}–{(i + 1) * BINS}", n=n, x=i * (BAR + GAP) + GAP // 2, y=HEIGHT - height + 16, height=height
    )


def _row(grade: Grade, columns: Sequence[Criterion]) -> Row:
    judged = {judgement.criterion.id: judgement for judgement in grade.criteria}
    still_open = grade.awaiting_review + grade.undecided
    return Row(
        id=grade.id,
        href=report_href(grade.id),
        score=points(grade.score),
        sort=grade.score,
        open=points(still_open),
        open_sort=still_open,
        cells=tuple(_cell(judged.get(column.id)) for column in columns),
    )


def _cell(judgement: Judgement | None) -> StatusCell:
    if judgement is None:
        return StatusCell(status="none", text=tr("not in this rubric"), points="", sort=-1.0)
    earned = points_of(judgement.points, judgement.criterion.points)
    return StatusCell(
        status=judgement.status.value,
        text=f"{tr(STATUS_WORDS[judgement.status])}, {earned}",
        points=points(judgement.points),
        sort=judgement.points,
    )
