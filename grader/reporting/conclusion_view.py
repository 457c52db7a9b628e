"""A student's conclusions beside what the logs say: words on one side, the runs' last numbers on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.language import noted, shown, tr
from grader.records import Conclusion, Grade, Report
from grader.reporting.text import clip
from grader.reporting.view import Anchors, Link, cell_anchor, criterion_link
from grader.reporting.words import number, role_words

_AGREEMENT = {
    True: ("passed", noted("Agrees")),
    False: ("failed", noted("Differs")),
    None: ("undecided", noted("Open")),
}
_MOST_WORDS = 20_000  # characters of a conclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimView:
    """`status` is agrees, differs or open, in a word and as the name of its mark."""

    text: str
    logs: str
    status: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConclusionView:
    """The student's words beside the last numbers of the runs they speak of: `head` and `rows` are that table."""

    link: Link
    text: str
    cell: Link | None
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    claims: tuple[ClaimView, ...]


def conclusions(report: Report, anchors: Anchors) -> tuple[ConclusionView, ...]:
    """In the order in which the exhibit has them."""
    titles = {j.criterion.id: tr(j.criterion.title) for j in report.grade.criteria}
    return tuple(_conclusion(c, report, titles, anchors) for c in report.exhibit.conclusions)


def _conclusion(conclusion: Conclusion, report: Report, titles: dict[str, str], anchors: Anchors) -> ConclusionView:
    head, rows = final_numbers(conclusion.runs, report.grade)
    return ConclusionView(
        link=criterion_link(conclusion.criterion, titles) or Link(text=conclusion.criterion),
        text=clip(conclusion.text, _MOST_WORDS),
        cell=_cell_link(conclusion.cell, anchors),
        head=head,
        rows=rows,
        claims=tuple(claim_view(claim.text, shown(claim.logs), claim.agrees) for claim in conclusion.claims),
    )


def _cell_link(cell: int | None, anchors: Anchors) -> Link | None:
    if cell is None:
        return None
    anchor = cell_anchor(cell)
    return Link(text=tr("cell {cell}", cell=cell), anchor=anchor if anchor in anchors.notebook else "")


def claim_view(text: str, logs: str, agrees: bool | None) -> ClaimView:
    status, word = _AGREEMENT[agrees]
    return ClaimView(text=text, logs=logs, status=status, word=tr(word))


def final_numbers(runs: Sequence[str], grade: Grade) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and the rows of a table: runs downwards, roles across, the last values in it."""
    known = [run for run in runs if run in grade.runs]
    roles = list(dict.fromkeys(role for run in known for role in grade.runs[run].final))
    rows = tuple((run, *(_final(grade, run, role) for role in roles)) for run in known)
    return (tr("run"), *map(role_words, roles)), rows


def _final(grade: Grade, run: str, role: str) -> str:
    final = grade.runs[run].final
    return number(final[role]) if role in final else tr("not logged")
