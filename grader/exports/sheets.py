"""A downloaded table in which single cells are written: every other byte of it stays as it is.

Python's csv module reads a table but does not say where a cell stands, so its reading is repeated here with places; a test
holds the two against each other. The encoding is UTF-8 or UTF-16 where the bytes are that, else some code page with one
byte a character: then bytes are kept as they are, and headings are read as Windows-1251.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import UsageError

DELIMITERS = (",", ";", "\t")
_MARK = "\ufeff"  # byte order mark
_BYTES = "latin-1"  # a character for each byte
_QUOTED = re.compile(r'"((?:[^"]|"")*)"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Where a cell stands in the text, quotes included, and what it says."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as it was downloaded. `codec` turns `text` back into the very same bytes."""

    text: str
    codec: str
    delimiter: str
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def head(self) -> tuple[str, ...]:
        return tuple(cell.text for cell in self.rows[0])


def read(data: bytes, delimiter: str) -> Sheet:
    """The cells of a table. Raises UsageError for half a character of UTF-16 at its end."""
    text, codec = _decoded(data)
    rows = tuple(_rows(text, delimiter, legacy=codec == _BYTES))
    return Sheet(text=text, codec=codec, delimiter=delimiter, rows=rows)


def written(sheet: Sheet, changes: Mapping[Cell, str]) -> bytes:
    """The table's bytes with new texts in some cells. Quotes stay where they were, and come where they are needed."""
    parts, end = [], 0
    for cell, value in sorted(changes.items(), key=lambda change: change[0].start):
        parts += [sheet.text[end : cell.start], _as_cell(value, cell, sheet)]
        end = cell.end
    return "".join([*parts, sheet.text[end:]]).encode(sheet.codec, "surrogatepass")


def decimal_mark(cells: Sequence[Cell]) -> str:
    """The decimal mark of the numbers that are there already; a dot where they do not tell."""
    found = (re.fullmatch(r"\s*-?\d+([.,])\d+\s*", cell.text, re.ASCII) for cell in cells)
    return next((match[1] for match in found if match), ".")


def _decoded(data: bytes) -> tuple[str, str]:
    wide = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2])
    try:
        return data.decode(wide or "utf-8", "surrogatepass" if wide else "strict"), wide or "utf-8"
    except UnicodeDecodeError as error:
        if wide:
            raise UsageError("The downloaded table is cut off within a character. Download it again.") from error
        return data.decode(_BYTES), _BYTES


def _rows(text: str, delimiter: str, *, legacy: bool) -> Iterator[tuple[Cell, ...]]:
    """The rows, told apart like Python's csv module does; an empty line is a row with one empty cell."""
    rest = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")
    row: list[Cell] = []
    position = len(_MARK) if text.startswith(_MARK) else 0
    while True:
        quoted = _QUOTED.match(text, position)
        end_of_quotes = quoted.end() if quoted else position
        plain = text[end_of_quotes : (end := _end(rest, text, end_of_quotes))]
        said = (quoted[1].replace('""', '"') if quoted else "") + plain
        row.append(Cell(start=position, end=end, text=_readable(said) if legacy else said))
        position = end + 1
        if text[end : end + 1] == delimiter:
            continue
        yield tuple(row)
        row = []
        position += text[end : end + 2] == "\r\n"
        if position >= len(text):
            return


def _end(rest: re.Pattern[str], text: str, position: int) -> int:
    found = rest.match(text, position)
    return found.end() if found else position


def _readable(text: str) -> str:
    return text.encode(_BYTES).decode("cp1251", "replace")


def _as_cell(value: str, cell: Cell, sheet: Sheet) -> str:
    quoted = sheet.text[cell.start : cell.start + 1] == '"'
    if quoted or any(mark in value for mark in (sheet.delimiter, '"', "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value
