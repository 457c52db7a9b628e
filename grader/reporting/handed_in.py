"""The notebook as it was handed in, beside how it ran: cells, numbered lines, printed text, faults, and marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grader.language import noted, shown, tr, tr_n
from grader.records import Cell, CellKind, CellRun, CellStatus, Finding, Report
from grader.reporting.text import clip
from grader.reporting.view import Link, cell_anchor, criterion_anchor, line_anchor
from grader.reporting.words import cell_place, fault_words, seconds

_MOST_CELLS = 300
_CELL_SOURCE = 12_000  # characters of one cell
_CELL_OUTPUT = 2_000
_ALL_SOURCE = 120_000  # characters of all cells: what is over is left out, with a word
_RUN_WORDS = {
    CellStatus.OK: noted("ran in {seconds}"),
    CellStatus.RAISED: noted("raised an error after {seconds}"),
    CellStatus.TIMED_OUT: noted("was stopped after {seconds}"),
    CellStatus.DIED: noted("ended the kernel after {seconds}"),
    CellStatus.NOT_RUN: noted("was not run"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A line of a cell; one that a finding names has a place of its own on the page."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNote:
    """What a finding says about this cell: `place` is "cell 14, line 3", `link` leads to its criterion."""

    place: str
    message: str
    link: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    anchor: str
    label: str
    is_code: bool
    ran: str
    ran_well: bool
    lines: tuple[LineView, ...]
    left_out: str
    output: str
    fault: str
    traceback: str
    notes: tuple[CellNote, ...]


def cell_views(report: Report) -> tuple[CellView, ...]:
    """The cells in order, within limits on how much of them is shown."""
    if report.submission is None:
        return ()
    notes = _notes(report)
    views, budget = [], _ALL_SOURCE
    for cell in report.submission.cells[:_MOST_CELLS]:
        run = report.execution.cell(cell.index) if report.execution else None
        views.append(_cell(cell, run, notes[cell.index], max(0, min(budget, _CELL_SOURCE))))
        budget -= len(cell.source)
    return tuple(views)


def anchors(cells: Sequence[CellView]) -> frozenset[str]:
    """The places on the page that these cells have, and their marked lines: those of a text are not shown by line."""
    lines = (line.anchor for cell in cells if cell.is_code for line in cell.lines if line.anchor)
    return frozenset([*(cell.anchor for cell in cells), *lines])


def cells_left(report: Report) -> int:
    return max(0, len(report.submission.cells) - _MOST_CELLS) if report.submission else 0


def _notes(report: Report) -> Mapping[int, list[tuple[int | None, CellNote]]]:
    """(line, note) by cell, over all findings that name one."""
    notes: dict[int, list[tuple[int | None, CellNote]]] = defaultdict(list)
    for finding, link in _linked(report):
        if finding.cell is not None:
            note = CellNote(place=cell_place(finding) or "", message=shown(finding.message), link=link)
            notes[finding.cell].append((finding.line, note))
    return notes


def _linked(report: Report) -> Iterator[tuple[Finding, Link]]:
    for judgement in report.grade.criteria:
        link = Link(text=tr(judgement.criterion.title), anchor=criterion_anchor(judgement.criterion.id))
        yield from ((finding, link) for finding in judgement.findings)
    yield from ((finding, Link(text=tr("Remark"), anchor="remarks")) for finding in report.grade.remarks)


def _cell(cell: Cell, run: CellRun | None, notes: list[tuple[int | None, CellNote]], limit: int) -> CellView:
    shown = cell.source[:limit]
    marked = {line for line, _ in notes}
    texts = shown.replace("\r\n", "\n").removesuffix("\n").split("\n") if shown else []
    left_out = len(cell.source) - len(shown)
    return CellView(
        anchor=cell_anchor(cell.index),
        label=_label(cell),
        is_code=cell.kind is CellKind.CODE,
        ran=tr(_RUN_WORDS[run.status], seconds=seconds(run.seconds)) if run else "",
        ran_well=run is None or run.status is CellStatus.OK,
        lines=tuple(
            LineView(text=text, anchor=line_anchor(cell.index, n) if n in marked else "")
            for n, text in enumerate(texts, start=1)
        ),
        left_out=_left_out(left_out) if left_out else "",
        output=clip(run.text.strip("\n"), _CELL_OUTPUT) if run else "",
        fault=clip(fault_words(run.fault), _CELL_OUTPUT) if run and run.fault else "",
        traceback=clip(run.fault.traceback, 2 * _CELL_OUTPUT) if run and run.fault else "",
        notes=tuple(note for _, note in notes),
    )


def _left_out(n: int) -> str:
    return tr_n("{n} more character of this cell is not shown.", "{n} more characters of this cell are not shown.", n)


def _label(cell: Cell) -> str:
    place = tr("Cell {cell}", cell=cell.index)
    if cell.kind is not CellKind.CODE:
        return f"{place} · {tr('text') if cell.kind is CellKind.MARKDOWN else tr('raw')}"
    return f"{place} · {tr('code')}" + (f" · In [{cell.execution_count}]" if cell.execution_count is not None else "")
