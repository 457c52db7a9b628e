"""Moodle: the worksheet as its importer reads it, rule by rule, and the feedback zip likewise.

The rules were read in Moodle's mod/assign/feedback/offline/importgradeslib.php and mod/assign/feedback/file/importziplib.php.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting.factories import NASTY

from grader.errors import UsageError
from grader.exports import moodle
from grader.exports.results import read_results
from grader.records import Grade

from .making import failed_by_harness, owned, result, scored, waiting, write_class

ENGLISH = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
)
RUSSIAN = (
    "Идентификатор;Полное имя;Состояние;Оценка;Максимальная оценка;Оценка может быть изменена;"
    "Последнее изменение (ответ);Последнее изменение (оценка);Отзыв в виде комментария\r\n"
)
WORKSHEET = (
    ENGLISH
    + 'Participant 4711,"Петров, Иван",ivan@example.org,Submitted,,100.00,Yes,"Monday, 23 November 2026, 5:00 PM",-,"<p>a ""b""</p>"\n'
    + 'Participant 4712,Anna Ivanova,anna@example.org,Submitted,"55.00",100.00,Yes,"Monday, 23 November 2026, 6:00 PM",-,\n'
    + 'Participant 4713,"=HYPERLINK(""x"")",x@example.org,No submission,,100.00,Yes,-,-,"two\nlines"\n'
).encode()


def from_moodle(name: str, number: int, points: float) -> Grade:
    return scored(name, points, f"class/{name}_{number}_assignsubmission_file")


def rows(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter, strict=True))


def fill(data: bytes, *grades: Grade) -> moodle.Filled:
    return moodle.fill(data, [result(made) for made in grades])


def test_a_worksheet_is_the_expected_file(same_as_gold: Callable[[str, bytes], None]) -> None:
    filled = fill(WORKSHEET, from_moodle("Петров Иван", 4711, 84.5), from_moodle("Anna Ivanova", 4712, 97))
    same_as_gold("moodle.csv", filled.data)
    assert filled.notes == (
        "2 grades written; the table has 3 rows.",
        "1 row without a submission, left as downloaded: Participant 4713.",
    )


def test_only_the_grade_of_those_who_handed_in_changes() -> None:
    before, after = rows(WORKSHEET), rows(fill(WORKSHEET, from_moodle("Петров Иван", 4711, 84.5)).data)
    assert after[0].pop("Grade") == "84.5" and before[0].pop("Grade") == ""
    assert after == before


def test_the_importer_finds_each_row_again_by_its_own_rules() -> None:
    """Identifier cut by the prefix's length, grade through unformat_float and not above the maximum, time untouched."""
    for row in rows(fill(WORKSHEET, from_moodle("Петров Иван", 4711, 84.5), from_moodle("A", 4712, 7)).data):
        assert row["Identifier"].removeprefix("Participant ").isdigit()
        assert row["Grade"] == "" or 0 <= float(row["Grade"]) <= float(row["Maximum grade"])
        assert row["Last modified (grade)"] == "-"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"], ids=["UTF-8", "with a BOM", "UTF-16", "Windows-1251"]
)
def test_a_russian_worksheet_keeps_its_encoding_line_ends_and_decimal_comma(encoding: str) -> None:
    text = (
        RUSSIAN
        + "Участник 4711;Иван;Ответ отправлен;;100,00;Да;-;-;\r\n"
        + 'Участник 4712;Анна;"-";;100,00;Да;-;-;"а;б"\r\n'
    )
    filled = fill(text.encode(encoding), from_moodle("Иван", 4711, 84.5))
    assert filled.data == text.replace("отправлен;;", "отправлен;84,5;").encode(encoding)


names = st.text(st.sampled_from('абz ,;"\n=_\t'), max_size=12)


@settings(deadline=None)
@given(
    people=st.lists(st.tuples(names, names), min_size=1, max_size=5),
    extra=st.lists(st.sampled_from(["Email address", "Team", 'My "own"', "Отдел", "Status"]), unique=True),
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1251"]),
    data=st.data(),
)
def test_in_any_worksheet_everything_but_the_grades_stays_byte_for_byte(  # noqa: PLR0917
    people: list[tuple[str, str]],
    extra: list[str],
    delimiter: str,
    end: str,
    quoting: int,
    encoding: str,
    data: st.DataObject,
) -> None:
    head = data.draw(st.permutations(["Identifier", "Full name", "Grade", "Last modified (grade)", *extra]))
    graded = data.draw(st.sets(st.integers(0, len(people) - 1)))

    def table(grades: bool) -> bytes:
        made = io.StringIO(newline="")
        writer = csv.writer(made, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(head)
        for k, (name, other) in enumerate(people):
            cells = {"Identifier": f"Participant {100 + k}", "Full name": name, "Last modified (grade)": "-"}
            cells["Grade"] = "33.25" if grades and k in graded else "-"
            writer.writerow([cells.get(column, other) for column in head])
        return made.getvalue().encode(encoding)

    filled = fill(table(False), *(from_moodle(f"s{k}", 100 + k, 33.25) for k in graded))
    assert filled.data == table(True)


def test_points_that_nobody_gave_yet_are_not_made_up_and_told() -> None:
    filled = fill(WORKSHEET, waiting("Anna", "class/Anna_4712_assignsubmission_file"))
    assert rows(filled.data)[1]["Grade"] == "60"
    assert "Anna: up to 30 points await a person's review and are not in the grade." in filled.notes
    assert "Anna: up to 10 points are undecided and not in the grade." in filled.notes


def test_an_ungraded_submission_leaves_its_row_and_costs_nothing() -> None:
    failed = failed_by_harness("Anna_4712_assignsubmission_file")
    filled = fill(WORKSHEET, failed)
    assert filled.data == WORKSHEET
    assert any("not graded; its row stays as it was" in note for note in filled.notes)


def test_a_submission_that_is_nobodys_is_named() -> None:
    filled = fill(WORKSHEET, from_moodle("Nobody", 9999, 50), scored("local", 50))
    assert filled.data == WORKSHEET
    assert filled.notes[0] == "no grade was written; the table has 3 rows."
    assert [note.partition(":")[0] for note in filled.notes[1:3]] == ["Nobody", "local"]


def test_two_submissions_for_one_person_are_named_and_neither_is_taken() -> None:
    filled = fill(WORKSHEET, from_moodle("a", 4711, 50), from_moodle("b", 4711, 60))
    assert filled.data == WORKSHEET
    assert any("a, b: for the same row" in note for note in filled.notes)


def test_a_number_that_two_rows_have_is_nobodys() -> None:
    doubled = WORKSHEET.replace(b"Participant 4712", b"Participant 4711")
    filled = fill(doubled, from_moodle("a", 4711, 50))
    assert filled.data == doubled
    assert "a: no row is its own; no grade was written." in filled.notes
    assert (
        "3 rows without a submission, left as downloaded: Participant 4711, Participant 4711, Participant 4713."
        in filled.notes
    )


def test_of_many_rows_without_a_submission_some_are_named() -> None:
    many = ENGLISH.encode() + b"".join(b"Participant %d,A,,,,100,Yes,-,-,\n" % (100 + k) for k in range(15))
    _, note = fill(many).notes
    assert note.startswith("15 rows") and note.endswith("Participant 109 and 5 more.")


@pytest.mark.parametrize(
    "source",
    [
        "class/Иван Петров_4711_assignsubmission_file",
        "class/Иван Петров_4711_assignsubmission_file_",
        "class/Иван Петров_4711_assignsubmission_file_/dir/hw.ipynb",
        "class/Иван Петров_4711_assignsubmission_file_my_home_work.ipynb",
        "archive.zip/Participant_4711_assignsubmission_file/hw.ipynb",
        "Иван Петров_4711_assignsubmission_onlinetext/onlinetext.html",
    ],
)
def test_all_forms_of_moodles_download_tell_whose_it_is(source: str) -> None:
    assert moodle.participant(result(scored("x", 1, source))) == "4711"


@pytest.mark.parametrize(
    "source", ["hw_4711.ipynb", "a_x_assignsubmission_file", "4711", "a_4711_assignsubmission_other"]
)
def test_other_names_tell_nothing(source: str) -> None:
    assert moodle.participant(result(scored("x", 1, source))) is None


def test_another_maximum_is_refused_since_grades_are_never_scaled() -> None:
    with pytest.raises(UsageError, match="maximum is 10 points, but these results are out of 100"):
        fill(WORKSHEET.replace(b"100.00", b"10.00"), from_moodle("a", 4711, 50))


def test_a_table_that_is_no_worksheet_is_told_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="Download grading worksheet"):
        fill(b"Name,Points\nIvan,5\n", from_moodle("a", 4711, 50))


# --- feedback files -------------------------------------------------------------------------------------------------


def as_importer(path: str) -> tuple[int, str, str] | None:
    """What importziplib.php takes from a path: the participant, the plugin and the file's own path below it."""
    parts = path.split("/")
    for k, part in enumerate(parts[:-1]):
        split = part.split("_", 4)
        if len(split) >= 4 and split[1].isdigit():
            return int(split[1]), f"{split[2]}_{split[3]}", "/".join(parts[k + 1 :])
    return None


def test_the_feedback_zip_is_what_the_importer_takes(tmp_path: Path) -> None:
    write_class(tmp_path, [from_moodle("Петров Иван", 4711, 1), from_moodle("Anna", 4712, 2), scored("local", 3)])
    data, notes = moodle.feedback(read_results(tmp_path))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert [as_importer(name) for name in names] == [
            (4711, "assignsubmission_file", "report.html"),
            (4712, "assignsubmission_file", "report.html"),
        ]
        assert archive.read(names[0]).decode() == "<p>Петров Иван</p>"
    assert len(notes) == 1 and notes[0].startswith("local:")
    assert moodle.feedback(read_results(tmp_path))[0] == data


@pytest.mark.parametrize("name", [None, "..", "../../etc", "~x", "a_b", "C:\\x", "\n"])
def test_a_folder_is_made_where_only_the_download_told_whose_it_is(name: str | None, tmp_path: Path) -> None:
    write_class(tmp_path, [scored("x", 1)])
    made = dataclasses.replace(owned(scored("x", 1), "Moodle", "4711", name), folder=tmp_path / "x")
    data, _ = moodle.feedback([made])
    (entry,) = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert as_importer(entry) == (4711, "assignsubmission_file", "report.html")
    assert entry.count("/") == 1 and not entry.startswith((".", "~")) and "\\" not in entry


def test_a_number_that_is_none_makes_no_folder(tmp_path: Path) -> None:
    write_class(tmp_path, [scored("x", 1)])
    made = dataclasses.replace(owned(scored("x", 1), "Moodle", "../1"), folder=tmp_path / "x")
    with pytest.raises(UsageError):
        moodle.feedback([made])


@pytest.mark.parametrize("name", ["..", NASTY.replace("/", ""), "C:\\x", "a b"])
def test_no_name_leads_out_of_the_zips_folders(name: str, tmp_path: Path) -> None:
    made = scored("x", 1, f"class/{name}_4711_assignsubmission_file/../../etc".encode("utf-8", "replace").decode())
    write_class(tmp_path, [made])
    data, _ = moodle.feedback(read_results(tmp_path))
    (entry,) = zipfile.ZipFile(io.BytesIO(data)).namelist()
    folder, _, file = entry.rpartition("/")
    assert file == "report.html" and "/" not in folder and re.search(r"_4711_assignsubmission_file$", folder)


def test_a_class_that_did_not_come_from_moodle_has_no_feedback_zip(tmp_path: Path) -> None:
    write_class(tmp_path, [scored("local", 3)])
    with pytest.raises(UsageError, match="No submission came from Moodle"):
        moodle.feedback(read_results(tmp_path))
