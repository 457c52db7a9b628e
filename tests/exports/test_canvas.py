"""Canvas: the gradebook as its importer reads it, rule by rule (lib/gradebook_importer.rb), and otherwise unchanged."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.exports import canvas
from grader.exports.results import Result
from grader.records import Grade

from .making import failed_by_harness, owned, result, scored, waiting

HEAD = "Student,ID,SIS User ID,SIS Login ID,Section,Batch norm (771),Current Score,Final Score\n"
MAXIMUM = "    Points Possible,,,,,100.00,(read only),(read only)\n"
GRADEBOOK = (
    HEAD
    + ",,,,,Manual Posting,,\n"
    + MAXIMUM
    + '"Ivanova, Anna",101,s-1,anna@example.org,"DL 1, and 2",,50.0,50.0\n'
    + '"Петров, Иван",102,s-2,ivan@example.org,DL 1,40.00,,\n'
    + '"Student, Test",103,,0a1b2c,DL 1,,,\n'
).encode()


def fill(data: bytes, *made: Grade | Result, column: str | None = None) -> canvas.Filled:
    return canvas.fill(data, [one if isinstance(one, Result) else result(one) for one in made], column)


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def downloaded(key: str, points: float, system: str = "Canvas") -> Result:
    return owned(scored(f"x{key}", points), system, key)


def test_a_gradebook_is_the_expected_file(same_as_gold: Callable[[str, bytes], None]) -> None:
    filled = fill(GRADEBOOK, downloaded("101", 84.5), downloaded("102", 97))
    same_as_gold("canvas.csv", filled.data)
    assert filled.notes[1:] == ("1 row without a submission, left as downloaded: Student, Test.",)


def test_the_importer_finds_head_maximum_assignment_and_persons_again() -> None:
    head, muted, maximum, *people = rows(fill(GRADEBOOK, downloaded("101", 84.5)).data)
    assert "Student" in head[0] and "ID" in head[1] and re.fullmatch(r"(.*)\s\((\d+)\)", head[5])
    assert "Points Possible" in maximum[0] and float(maximum[5]) == 100
    assert muted[5] == "Manual Posting"
    assert [person[5] for person in people] == ["84.5", "40.00", ""]
    assert [person[1] for person in people] == ["101", "102", "103"]


@pytest.mark.parametrize("name", ["s-1", "anna@example.org"])
def test_a_submission_named_after_a_schools_id_is_found(name: str) -> None:
    assert rows(fill(GRADEBOOK, scored(name, 70)).data)[3][5] == "70"


@pytest.mark.parametrize("system", ["Gradescope", "nbgrader", "GitHub"])
def test_a_login_of_another_system_is_looked_for_among_the_schools_ids(system: str) -> None:
    assert rows(fill(GRADEBOOK, downloaded("anna@example.org", 70, system)).data)[3][5] == "70"


@pytest.mark.parametrize("system", ["Moodle", "Gradescope", "nbgrader", "GitHub"])
def test_a_number_of_another_system_is_not_taken_for_canvass(system: str) -> None:
    assert fill(GRADEBOOK, downloaded("101", 70, system), scored("101", 70)).data == GRADEBOOK


def test_a_number_of_moodles_is_no_schools_id_either() -> None:
    assert fill(GRADEBOOK.replace(b"s-1", b"4711"), downloaded("4711", 70, "Moodle")).data.count(b",70,") == 0


def test_names_are_not_guessed_from() -> None:
    filled = fill(
        GRADEBOOK, scored("Ivanova, Anna", 70), downloaded("anon_ab12", 70), scored("ivanovaanna_101_9001_hw", 70)
    )
    assert filled.data == GRADEBOOK
    assert sum("no row is its own" in note for note in filled.notes) == 3


def test_points_that_nobody_gave_yet_are_not_made_up_and_told() -> None:
    filled = fill(GRADEBOOK, waiting("s-1"))
    assert rows(filled.data)[3][5] == "60"
    assert any("30 points await" in note for note in filled.notes)


def test_an_ungraded_submission_leaves_its_row() -> None:
    assert fill(GRADEBOOK, failed_by_harness("s-2")).data == GRADEBOOK


def test_the_column_must_be_named_where_there_are_several() -> None:
    two = GRADEBOOK.replace(b"Current Score", b"Warm-up (770)")
    with pytest.raises(UsageError, match=r"--column\. The gradebook has: Batch norm \(771\); Warm-up \(770\)"):
        fill(two, scored("s-1", 70))
    for name in ("Batch norm", "Batch norm (771)", "771"):
        assert rows(fill(two, scored("s-1", 70), column=name).data)[3][5] == "70"


def test_another_maximum_is_refused() -> None:
    with pytest.raises(UsageError, match="maximum is 10 points"):
        fill(GRADEBOOK.replace(b"100.00", b"10.00"), scored("s-1", 70))


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"\xff\xfe", "Имя;Оценка\n".encode("cp1251")])
def test_a_table_that_is_no_gradebook_is_told_with_what_to_do(data: bytes) -> None:
    with pytest.raises(UsageError, match="This is no gradebook of Canvas"):
        fill(data, scored("s-1", 70))


names = st.text(st.sampled_from('абz ,;"\n='), max_size=12)


@settings(deadline=None)
@given(
    people=st.lists(st.tuples(names, names), min_size=1, max_size=5),
    others=st.lists(
        st.sampled_from(["Integration ID", "Root Account", "Current Points", "Unposted Final Grade"]), unique=True
    ),
    delimiter=st.sampled_from([",", ";"]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    data=st.data(),
)
def test_in_any_gradebook_everything_but_the_grades_stays_byte_for_byte(  # noqa: PLR0917
    people: list[tuple[str, str]], others: list[str], delimiter: str, end: str, encoding: str, data: st.DataObject
) -> None:
    graded = data.draw(st.sets(st.integers(0, len(people) - 1)))

    def table(grades: bool) -> bytes:
        made = io.StringIO(newline="")
        writer = csv.writer(made, delimiter=delimiter, lineterminator=end)
        writer.writerow(["Student", "ID", "SIS Login ID", "Section", "Batch norm (771)", *others])
        writer.writerow(["    Points Possible", "", "", "", "100.0", *("(read only)" for _ in others)])
        for k, (name, other) in enumerate(people):
            points = "33.25" if grades and k in graded else ""
            writer.writerow([name, 500 + k, f"login{k}", other, points, *(other for _ in others)])
        return made.getvalue().encode(encoding)

    filled = fill(table(False), *(scored(f"login{k}", 33.25) for k in graded))
    assert filled.data == table(True)
