"""The gradebook of Canvas, filled in.

Rules (lib/gradebook_importer.rb of Canvas): a person is found by `ID`, else by `SIS User ID`, else by `SIS Login ID`; an
assignment's column is named `Title (id)`; the row "Points Possible" holds the maxima. No row and no column is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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
# lib/content_zipper.rb: name, LATE where it is late, the person's id, the attachment's id, the file's own name.
_DOWNLOADED = re.compile(r"(?:[^\W_]+_)?(?:LATE_)?(\d+)_\d+_.+", re.IGNORECASE)


def fill(data: bytes, results: Sequence[Result], column: str | None) -> Filled:
    """The gradebook with the grades in one column. `column` names it, by its title or whole, where there are several.

    Raises UsageError where it is no gradebook, or the column is not clear, or has another maximum than the rubric."""
    sheet = filling.read(data, _is_head, _MISSING)
    place = _assignment(sheet.head, column)
    rows = [row for row in sheet.rows[1:] if place < len(row)]
    maxima = [row[place] for row in rows if _is_maximum(row)]
    filling.check_maximum(maxima, results)
    persons = [row for row in rows if row[sheet.head.index("ID")].text.strip()]
    keys = [_by_key(sheet, name, persons, place) for name in _KEYS if name in sheet.head]
    placed = [(result, _cell(result, keys)) for result in results]
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
    key = sheet.head.index(name)
    times = Counter(row[key].text.strip() for row in persons)
    return {text: row[place] for row in persons if (text := row[key].text.strip()) and times[text] == 1}


def _cell(result: Result, keys: Sequence[Mapping[str, Cell]]) -> Cell | None:
    """By Canvas's own id in the name of the downloaded file; else a file that is named after one of the ids."""
    own = (keys[0].get(number) for number in _numbers(result))
    named = (by_key.get(result.id) for by_key in keys)
    return next((cell for cell in (*own, *named) if cell is not None), None)


def _numbers(result: Result) -> Iterable[str]:
    for name in (*reversed(result.source.split("/")), result.id):
        if found := _DOWNLOADED.fullmatch(name):
            yield found[1]
