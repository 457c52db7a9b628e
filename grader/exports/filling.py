"""Grades into the rows of a downloaded table, for Moodle and Canvas alike, and what has to be said of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import UsageError
from grader.exports import sheets
from grader.exports.results import Result
from grader.exports.sheets import Cell, Sheet
from grader.reporting.text import one_line
from grader.reporting.view import count_points
from grader.reporting.words import count

_NAMED = 10  # persons in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The table with its grades, and a sentence for each thing that an instructor must know."""

    data: bytes
    notes: tuple[str, ...]


def read(data: bytes, is_head: Callable[[Sequence[str]], bool], missing: str) -> Sheet:
    """The table, with the delimiter that gives its first line the wanted columns. Raises UsageError, saying what is
    `missing`, where none does."""
    for delimiter in sheets.DELIMITERS:
        sheet = sheets.read(data, delimiter)
        if is_head(sheet.head):
            return sheet
    raise UsageError(missing)


def check_maximum(cells: Iterable[Cell], results: Sequence[Result]) -> None:
    """Raises UsageError where a maximum in the table is not the rubric's: grades are never scaled."""
    most = {result.max_score for result in results if result.error is None}
    for cell in cells:
        there = _number(cell.text)
        if there is not None and most and most != {there}:
            wanted = " or ".join(sorted(f"{value:g}" for value in most))
            raise UsageError(
                f"The table's maximum is {there:g} points, but these results are out of {wanted}. Set the maximum there to "
                "that of the rubric, and download the table again."
            )


def fill(
    sheet: Sheet, rows: Mapping[Cell, str], placed: Sequence[tuple[Result, Cell | None]], maxima: Sequence[Cell]
) -> Filled:
    """Write each grade into its cell, with the decimal mark of the grades and maxima that are there. `rows` are the grade
    cells of all persons, with whose they are; `placed` says which one is for which submission.

    Nothing is written for a submission that could not be graded, or where two are for the same row."""
    mark = sheets.decimal_mark([*rows, *maxima])
    owners = _owners(placed)
    alone = {cell: found[0] for cell, found in owners.items() if len(found) == 1 and found[0].error is None}
    changes = {cell: str(result.score).replace(".", mark) for cell, result in alone.items()}
    notes = (
        _written(len(changes), len(rows)),
        *_unwritten(placed, owners),
        *_open_points(alone.values()),
        *_without(rows, owners),
    )
    return Filled(data=sheets.written(sheet, changes), notes=notes)


def _written(grades: int, rows: int) -> str:
    written = f"{count(grades, 'grade')} written" if grades else "no grade was written"
    return f"{written}; the table has {count(rows, 'row')}."


def _unwritten(placed: Sequence[tuple[Result, Cell | None]], owners: Mapping[Cell, Sequence[Result]]) -> Iterator[str]:
    """A sentence for each submission whose grade was not written."""
    for result, cell in placed:
        if cell is None:
            yield f"{_name(result)}: no row is its own; no grade was written."
        elif result.error is not None:
            yield f"{_name(result)}: not graded; its row stays as it was."
    for found in owners.values():
        if len(found) > 1:
            yield f"{', '.join(map(_name, found))}: for the same row; no grade was written."


def _open_points(written: Iterable[Result]) -> Iterator[str]:
    """The grade that was written is what is decided so far; the rest is not made up."""
    for result in written:
        waits = (
            (result.awaiting_review, "await a person's review and are"),
            (result.undecided, "are undecided and"),
        )
        for points, state in waits:
            if points:
                yield f"{_name(result)}: up to {count_points(points)} {state} not in the grade."


def _without(rows: Mapping[Cell, str], owners: Container[Cell]) -> Iterator[str]:
    """A sentence on the rows that no submission belongs to."""
    persons = [one_line(whose) for cell, whose in rows.items() if cell not in owners]
    more = f" and {len(persons) - _NAMED} more" if len(persons) > _NAMED else ""
    if persons:
        named = ", ".join(persons[:_NAMED])
        yield f"{count(len(persons), 'row')} without a submission, left as downloaded: {named}{more}."


def _owners(placed: Sequence[tuple[Result, Cell | None]]) -> Mapping[Cell, list[Result]]:
    owners: dict[Cell, list[Result]] = {}
    for result, cell in placed:
        if cell is not None:
            owners.setdefault(cell, []).append(result)
    return owners


def _name(result: Result) -> str:
    return one_line(result.id)


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if re.fullmatch(r"\s*\d+(?:[.,]\d+)?\s*", text, re.ASCII) else None
