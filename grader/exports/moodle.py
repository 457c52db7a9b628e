"""Moodle's offline grading worksheet, filled in, and the feedback files that go with it.

Rules (mod/assign/feedback/offline/importgradeslib.php, gradingtable.php and feedback/file/importziplib.php of Moodle):
a row is found by its `Identifier`, a word and the participant's number in this assignment, the same that stands in the
names of downloaded folders; the identifier and the time of the last change must stay as they are.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence

from grader.errors import UsageError
from grader.exports import filling
from grader.exports.filling import Filled
from grader.exports.results import Result
from grader.exports.sheets import Cell, Sheet
from grader.reporting.text import one_line

# Headings as Moodle's English and Russian language packs have them.
_IDENTIFIER = ("identifier", "идентификатор")
_GRADE = ("grade", "оценка")
_MAXIMUM = ("maximum grade", "максимальная оценка")
_MISSING = (
    'This is no grading worksheet of Moodle: its first line needs the columns "Identifier" and "Grade" ("Идентификатор", '
    '"Оценка"). In Moodle choose "Download grading worksheet", with the interface in English or Russian.'
)
_FOLDER = re.compile(r"(.*?)_(\d+)_assignsubmission_(?:file|onlinetext)(?:_.*)?", re.ASCII | re.DOTALL)
_PARTS = re.compile(r"[_/\\\x00-\x1f]")  # what would part a name of a folder in the zip, for Moodle or for an unpacker
_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes every time


def fill(data: bytes, results: Sequence[Result]) -> Filled:
    """The worksheet with the grades of the submissions whose folder or file names hold a participant's number.

    Raises UsageError where it is no worksheet, or has another maximum than the rubric."""
    sheet = filling.read(data, _is_head, _MISSING)
    maxima = _column(sheet, _MAXIMUM)
    filling.check_maximum(maxima, results)
    rows = _rows(sheet)
    cells = _by_number(rows)
    placed = [(result, cells.get(participant(result) or "")) for result in results]
    return filling.fill(sheet, rows, placed, maxima)


def participant(result: Result) -> str | None:
    """The participant's number: as the download told, else in the name under which Moodle handed out the submission."""
    if result.owner is not None and result.owner.system == "Moodle":
        return result.owner.key
    folder = _named(result)
    return folder[2] if folder else None


def feedback(results: Sequence[Result]) -> tuple[bytes, tuple[str, ...]]:
    """The zip of pages, each in the folder that Moodle gave the submission, and a sentence for each that is not in it.

    Raises UsageError where no submission came from Moodle."""
    packed, notes = io.BytesIO(), []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for result in results:
            folder, page = _folder(result), result.folder / "report.html" if result.folder else None
            if folder is None or page is None or not page.is_file():
                notes.append(f"{one_line(result.id)}: no folder name of Moodle, or no page; not in the zip.")
                continue
            entry = zipfile.ZipInfo(f"{folder}/report.html", _DATE)
            archive.writestr(entry, page.read_bytes(), zipfile.ZIP_DEFLATED)
        if not archive.namelist():
            raise UsageError(
                'No submission came from Moodle\'s "Download all submissions": no folder name tells whose it is.'
            )
    return packed.getvalue(), tuple(notes)


def _folder(result: Result) -> str | None:
    """The name of the folder that the importer finds the person by: any name, the number, and the plugin."""
    number = participant(result)
    if number is None or not re.fullmatch(r"\d+", number, re.ASCII):
        return None
    found = _named(result)
    name = found[1] if found else (result.owner.name if result.owner else None) or "Participant"
    return f"{_PARTS.sub(' ', name).lstrip('.~ ') or 'Participant'}_{number}_assignsubmission_file"


def _named(result: Result) -> re.Match[str] | None:
    """The innermost part of the source, or the id, that is a folder or file name of Moodle's."""
    names = (*reversed(result.source.split("/")), result.id)
    return next((found for name in names if (found := _FOLDER.fullmatch(name))), None)


def _is_head(head: Sequence[str]) -> bool:
    return _place(head, _IDENTIFIER) is not None and _place(head, _GRADE) is not None


def _place(head: Sequence[str], names: Sequence[str]) -> int | None:
    return next((k for k, text in enumerate(head) if text.strip().casefold() in names), None)


def _column(sheet: Sheet, names: Sequence[str]) -> list[Cell]:
    place = _place(sheet.head, names)
    return [row[place] for row in sheet.rows[1:] if place is not None and place < len(row)]


def _rows(sheet: Sheet) -> dict[Cell, str]:
    """The grade cells of the worksheet, each with the identifier of its row."""
    identifier, grade = _place(sheet.head, _IDENTIFIER) or 0, _place(sheet.head, _GRADE) or 0
    return {row[grade]: row[identifier].text for row in sheet.rows[1:] if max(identifier, grade) < len(row)}


def _by_number(rows: Mapping[Cell, str]) -> dict[str, Cell]:
    """The grade cells by the number at the end of the identifier, which only one row may have."""
    found = [(number[0], cell) for cell, text in rows.items() if (number := re.search(r"\d+(?=\s*$)", text, re.ASCII))]
    times = Counter(number for number, _ in found)
    return {number: cell for number, cell in found if times[number] == 1}
