"""The gradebook of Canvas, filled in.

Rules (lib/gradebook_importer.rb of Canvas): a person is found by `ID`, else by `SIS User ID`, else by `SIS Login ID`; an
assignment's column is named `Title (id)`; the row "Points Possible" holds the maxima. No row and no column is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from grader.errors import UsageError
from grader.exports import filling
from grader.exports.filling import Filled
from grader.exports.results import Result
from grader.exports.sheets import Cell, Sheet

_MISSING = (
    'This is no gradebook of Canvas: its first line needs the columns "Student" and "ID". In Canvas choose "Export entire '
    'gradebook", and name the file that it gives.'
)
_KEYS = ("ID", "SIS User ID", "SIS Login ID")
_ASSIGNMENT = re.compile(r"(.*)\s\((\d+)\)", re.ASCII | re.DOTALL)


def fill(data: bytes, results: Sequence[Result], column: str | None) -> Filled:
    """The gradebook with the grades in one column. `column` names it, by its title or whole, where there are several.

    Raises UsageError where it is no gradebook, or the column is not clear, or has another maximum than the rubric."""
    sheet = filling.read(data, _is_head, _MISSING)
    place = _assignment(sheet.head, column)
    rows = [row for row in sheet.rows[1:] if place < len(row)]
    maxima = [row[place] for row in rows if _is_maximum(row)]
    filling.check_maximum(maxima, results)
    persons = [row for row in rows if row[sheet.head.index("ID")].text.strip()]
    by_id, *by_school = (_by_key(sheet, name, persons, place) for name in _KEYS)
    placed = [(result, _cell(result, by_id, by_school)) for result in results]
    return filling.fill(sheet, {row[place]: row[0].text for row in persons}, placed, maxima)


def _is_head(head: Sequence[str]) -> bool:
    return "ID" in head[1:] and ("Student" in head[0] or tuple(head[:2]) == ("LastName", "FirstName"))


def _is_maximum(row: Sequence[Cell]) -> bool:
    return row[0].text.strip() == "Points Possible"


def _assignment(head: Sequence[str], wanted: str | None) -> int:
    """The place of the one column that is meant."""
    found = {k: match for k, text in enumerate(head) if (match := _ASSIGNMENT.fullmatch(text))}
    meant = [k for k, match in found.items() if wanted in (None, match[0], match[1], match[2])]
    if len(meant) == 1:
        return meant[0]
    titles = "; ".join(match[0] for match in found.values()) or "none"
    raise UsageError(f"Name the assignment's column with --column. The gradebook has: {titles}.")


def _by_key(sheet: Sheet, name: str, persons: Sequence[Sequence[Cell]], place: int) -> Mapping[str, Cell]:
    """The grade cells by what stands in a column of ids, where only one row has it."""
    key = sheet.head.index(name) if name in sheet.head else None
    found = [(row[key].text.strip(), row[place]) for row in persons if key is not None]
    times = Counter(text for text, _ in found)
    return {text: cell for text, cell in found if text and times[text] == 1}


def _cell(result: Result, by_id: Mapping[str, Cell], by_school: Sequence[Mapping[str, Cell]]) -> Cell | None:
    """By Canvas's own number where its download told it; else by a school's id that the submission is named after. Numbers
    of other systems are never taken for Canvas's."""
    if result.owner is not None and result.owner.system == "Canvas":
        return by_id.get(result.owner.key)
    if result.owner is not None and result.owner.system == "Moodle":  # numbers a person anew for each assignment
        return None
    names = [result.id, *([result.owner.key] if result.owner else [])]
    return next((cells[name] for cells in by_school for name in names if name in cells), None)
