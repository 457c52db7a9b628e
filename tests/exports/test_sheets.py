"""Writing into a downloaded table: cells as Python's own csv module reads them, and every other byte as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.exports.sheets import DELIMITERS, decimal_mark, read, written

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig", "cp1251", "koi8-r", "cp866"]
pieces = st.sampled_from(["\r\n", "\n", "\r", '"', '""', ",", ";", "\t", " ", "=", "a", "bc", "Жя", "\u00e9", "\u2028"])
texts = st.lists(pieces, max_size=30).map("".join)
delimiters = st.sampled_from(DELIMITERS)


def encoded(text: str, encoding: str) -> bytes:
    if encoding == "utf-16-be-sig":
        return b"\xfe\xff" + text.encode("utf-16-be")
    return text.encode(encoding, "replace")


@settings(deadline=None)
@given(texts, delimiters)
def test_cells_are_those_of_the_csv_module(text: str, delimiter: str) -> None:
    ours = [[cell.text for cell in row] for row in read(text.encode(), delimiter).rows]
    others = [row or [""] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    assert ours == (others or [[""]])


@settings(deadline=None)
@given(st.binary(max_size=80), delimiters)
def test_any_bytes_come_back_as_they_were(data: bytes, delimiter: str) -> None:
    try:
        sheet = read(data, delimiter)
    except UsageError:
        assert data[:2] in (b"\xff\xfe", b"\xfe\xff")
    else:
        assert written(sheet, {}) == data


@settings(deadline=None)
@given(texts, delimiters, st.sampled_from(ENCODINGS), st.data())
def test_a_written_cell_says_the_new_text_and_no_other_byte_changes(
    text: str, delimiter: str, encoding: str, data: st.DataObject
) -> None:
    sheet = read(encoded(text, encoding), delimiter)
    cells = [cell for row in sheet.rows for cell in row]
    chosen = data.draw(st.sampled_from(cells))
    new = data.draw(st.sampled_from(["84", "84.5", "84,5", "7;5"]))
    after = written(sheet, {chosen: new})
    again = read(after, delimiter)
    assert [cell.text for row in again.rows for cell in row] == [new if cell is chosen else cell.text for cell in cells]
    before, rest = (
        part.encode(sheet.codec, "surrogatepass") for part in (sheet.text[: chosen.start], sheet.text[chosen.end :])
    )
    assert after.startswith(before) and after.endswith(rest)


def test_quotes_stay_where_they_were_and_come_where_they_are_needed() -> None:
    sheet = read(b'"1",2,3\n', ",")
    first, second, third = sheet.rows[0]
    assert written(sheet, {first: "9", second: "8,5", third: "7.5"}) == b'"9","8,5",7.5\n'


def test_headings_in_a_russian_code_page_are_read() -> None:
    assert read("Идентификатор;Оценка\r\n".encode("cp1251"), ";").head == ("Идентификатор", "Оценка")


def test_half_a_character_of_utf16_is_told() -> None:
    with pytest.raises(UsageError, match="cut off"):
        read("Grade".encode("utf-16") + b"a", ",")


@pytest.mark.parametrize(
    ("cells", "mark"), [("84,5;;", ","), ("84.50;1,5", "."), ("84;;-", "."), ("1,2,3;x", "."), ("-;100,00", ",")]
)
def test_the_decimal_mark_is_that_of_the_numbers_that_are_there(cells: str, mark: str) -> None:
    assert decimal_mark(read(cells.encode(), ";").rows[0]) == mark
