"""Decisions of people: they survive what they should, and nothing is half taken over."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader import reviews
from grader.cli import main
from grader.errors import UsageError
from grader.records import Conclusion, Decision, Exhibit, Grade, Report, Status
from grader.reporting.machine import class_json, grades_csv, result_json
from grader.reporting.overview import Subject, overview, overview_json, subject_key
from grader.stages.intake import safe_id

from .factories import grade, judgement, report, ungraded

QUESTION = "relu.conclusion"
ANSWER = "Weights are too large,\nso softmax saturates."


def handed_in(name: str = "ivanova", text: str = ANSWER, most: int = 7, sha256: str = "a" * 64) -> Report:
    """A report with one answer to be read and one criterion that the grader could not tell."""
    criteria = (
        judgement("fit.patched"),
        judgement(QUESTION, Status.REVIEW, most=most, title="Two ReLUs: the conclusion"),
        judgement("relu.runs", Status.UNDECIDED, most=8),
    )
    answer = Conclusion(criterion=QUESTION, text=text, cell=6, runs=("relu",))
    return report(grade=grade(name, criteria=criteria, sha256=sha256), exhibit=Exhibit(conclusions=(answer,)))


def subjects(*reports: Report) -> list[Subject]:
    return [subject for one in reports for subject in overview(one).subjects]


def decision(points: float = 5.0, most: int = 7, comment: str = "") -> Decision:
    return Decision(points=points, most=most, by="Petrova", on="2026-11-25", comment=comment)


def decide(made: Report, *, question: str = QUESTION, points: float = 5.0, most: int = 7) -> dict[str, Decision]:
    return {subject_key(question, made): decision(points, most)}


def points_of(made: Report, decisions: dict[str, Decision]) -> tuple[float, int, Status]:
    graded = reviews.decided(made, decisions).grade
    return graded.score, graded.awaiting_review, graded.criteria[1].status


# --- what a decision does -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "status"), [(7.0, Status.PASSED), (5.0, Status.PARTIAL), (0.5, Status.PARTIAL), (0.0, Status.FAILED)]
)
def test_a_decision_counts_and_no_longer_waits(points: float, status: Status) -> None:
    made = handed_in()
    assert points_of(made, {}) == (10, 7, Status.REVIEW)
    assert points_of(made, decide(made, points=points)) == (10 + points, 0, status)


def test_a_decision_is_told_to_the_student_and_to_programs() -> None:
    made = handed_in()
    done = reviews.decided(made, {subject_key(QUESTION, made): decision(comment="Why is missing.")})
    told = json.loads(result_json(done.grade))["criteria"][1]
    assert told["review"] == {"points": 5, "by": "Petrova", "on": "2026-11-25", "comment": "Why is missing."}
    assert (told["status"], told["points"]) == ("partial", 5)
    assert "review" not in json.loads(result_json(made.grade))["criteria"][1]


def test_what_the_grader_could_not_tell_a_person_can() -> None:
    made = handed_in()
    done = reviews.decided(made, decide(made, question="relu.runs", points=8.0, most=8)).grade
    assert (done.score, done.criteria[2].status, done.awaiting_review) == (18, Status.PASSED, 7)


def test_a_verdict_that_the_grader_came_to_is_not_overruled() -> None:
    made = handed_in()
    assert reviews.decided(made, decide(made, question="fit.patched", points=0.0, most=10)).grade.score == 10


# --- what it survives -----------------------------------------------------------------------------------------------


def test_the_same_answer_keeps_its_decision_when_it_is_handed_in_again() -> None:
    decisions = decide(handed_in())
    again = handed_in(text="Weights are  too large,\r\n\r\nso softmax saturates. ", sha256="b" * 64)
    assert points_of(again, decisions)[0] == 15


def test_another_answer_another_student_and_another_worth_wait_again() -> None:
    decisions = decide(handed_in())
    for other in (handed_in(text=ANSWER + " Or so."), handed_in("petrov"), handed_in(most=10)):
        assert points_of(other, decisions)[:2] == (10, other.grade.criteria[1].criterion.points)
        assert len(reviews.waiting(subjects(other), decisions)) == 2


def test_a_decision_on_a_notebook_holds_for_the_same_bytes_alone() -> None:
    decisions = decide(handed_in(), question="relu.runs", points=8.0, most=8)
    assert reviews.decided(handed_in(text="Other words."), decisions).grade.score == 18
    assert reviews.decided(handed_in(sha256="b" * 64), decisions).grade.score == 10


def test_an_ungraded_submission_stays_so() -> None:
    lost = Report(grade=ungraded())
    assert reviews.decided(lost, decide(handed_in())) is lost


# --- the file -------------------------------------------------------------------------------------------------------


def test_what_is_recorded_is_read_back_and_the_later_decision_holds(tmp_path: Path) -> None:
    path, key = tmp_path / reviews.NAME, subject_key(QUESTION, handed_in())
    first, second = decision(2.5, comment="- “why”, is\nmissing; =1+1"), decision(7.0, comment="'quoted'")
    reviews.record(path, {key: first, "other/text:0/ü %2C ї": decision()})
    assert reviews.read(path)[key] == first
    reviews.record(path, {key: second})
    assert reviews.read(path) == {key: second, "other/text:0/ü %2C ї": decision()}
    assert [item.name for item in tmp_path.iterdir()] == [reviews.NAME]


def test_two_who_decide_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / reviews.NAME
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: reviews.record(path, {f"a/text:0/{n}": decision()}), range(40)))
    assert len(reviews.read(path)) == 40


@pytest.mark.parametrize("points", ["8", "-1", "five", "nan", "1e1", "5/7"])
def test_a_file_that_was_spoiled_by_hand_is_refused_with_its_row(tmp_path: Path, points: str) -> None:
    path = tmp_path / reviews.NAME
    reviews.record(path, decide(handed_in()))
    path.write_text(path.read_text("utf-8-sig").replace(",5,7,", f",{points},7,"), "utf-8")
    with pytest.raises(UsageError, match=r"reviews\.csv, row 2 \(ivanova\): points must be a number from 0 to"):
        reviews.read(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xfe", b"\xd0\xff", b'key,points,comment\n"a'])
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / reviews.NAME
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        reviews.read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_submission_can_take_the_place_of_the_file_or_the_pages(tmp_path: Path) -> None:
    from grader.stages.intake import find_submissions

    for name in (reviews.NAME, "review", "REVIEW"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "hw.ipynb").write_text("{}")
    found = {candidate.id for candidate in find_submissions([tmp_path], tmp_path)}
    assert len(found) == 3 and not found & {reviews.NAME, "review", "REVIEW"}
    assert safe_id("review") == "review"


# --- the spreadsheet ------------------------------------------------------------------------------------------------


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def fill(
    path: Path, text: str, given: dict[str, tuple[str, str]], delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    """Write a sheet as a person would fill it in: (points, comment) by student, for the first question."""
    lines = rows(text)
    for line in lines:
        if line["submission"] in given and line["criterion"] == QUESTION:
            line["points"], line["comment"] = given[line["submission"]]
    out = io.StringIO()
    writer = csv.DictWriter(out, lines[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(out.getvalue(), encoding, newline="")
    return path


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")], ids=["plain", "Excel", "UTF-16"]
)
def test_a_sheet_comes_back_from_any_spreadsheet(tmp_path: Path, delimiter: str, encoding: str) -> None:
    made = (handed_in("007"), handed_in("1-2"))
    given = {"007": ("6,5", "- Почему?\nсм. график"), "1-2": (" 7 ", "")}
    path = fill(tmp_path / "sheet.csv", reviews.sheet(subjects(*made), {}), given, delimiter, encoding)
    found = reviews.read_sheet(path, subjects(*made), {}, "Petrova", "2026-11-25")
    assert found == {
        subject_key(QUESTION, made[0]): decision(6.5, comment="- Почему?\nсм. график"),
        subject_key(QUESTION, made[1]): decision(7.0),
    }


def test_a_spreadsheet_that_takes_names_for_numbers_does_no_harm(tmp_path: Path) -> None:
    made = handed_in("007")
    text = reviews.sheet(subjects(made), {}).replace("007,relu.conclusion,,", "7,relu.conclusion,5,")
    (tmp_path / "sheet.csv").write_text(text, "utf-8")
    assert list(reviews.read_sheet(tmp_path / "sheet.csv", subjects(made), {}, "P", "")) == [
        subject_key(QUESTION, made)
    ]


def test_what_is_decided_stands_in_the_sheet_and_is_not_decided_again(tmp_path: Path) -> None:
    made = handed_in()
    known = {subject_key(QUESTION, made): decision(5.0, comment="=A1 is no formula")}
    path = tmp_path / "sheet.csv"
    path.write_text(reviews.sheet(subjects(made), known), "utf-8")
    assert rows(path.read_text("utf-8"))[0]["points"] == "5"
    assert reviews.read_sheet(path, subjects(made), known, "Ivanov", "2026-12-01") == {}
    fill(path, path.read_text("utf-8"), {"ivanova": ("6", "")})
    assert [d.by for d in reviews.read_sheet(path, subjects(made), known, "Ivanov", "2026-12-01").values()] == [
        "Ivanov"
    ]


@pytest.mark.parametrize("points", ["7.5", "-1", "7 of 7", "=1+1", "6.май"])
def test_points_out_of_range_name_row_and_student_and_nothing_is_taken(tmp_path: Path, points: str) -> None:
    made = (handed_in("anna"), handed_in("boris"))
    path = fill(tmp_path / "s.csv", reviews.sheet(subjects(*made), {}), {"anna": ("5", ""), "boris": (points, "")})
    with pytest.raises(UsageError, match=r"s\.csv, row 3 \(boris\): points must be a number from 0 to 7\."):
        reviews.read_sheet(path, subjects(*made), {}, "Petrova", "2026-11-25")


def test_an_answer_that_has_changed_since_is_not_given_the_points_of_the_old_one(tmp_path: Path) -> None:
    path = fill(tmp_path / "s.csv", reviews.sheet(subjects(handed_in()), {}), {"ivanova": ("5", "")})
    with pytest.raises(
        UsageError, match=r"row 2 \(ivanova\): there is no such answer in these results, or it has chang"
    ):
        reviews.read_sheet(path, subjects(handed_in(text="Other words.")), {}, "Petrova", "2026-11-25")


FORMULAS = ["=1+1", "@SUM(A1)", "text;=cmd|' /C calc'!A0", "text\n+1+1", "text,\t=1", "\t=1", "ok\n\n  -2+3", "＝1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_answer_begins_a_formula_wherever_a_spreadsheet_cuts(text: str) -> None:
    sheet = reviews.sheet(subjects(handed_in(text, text)), {})
    for separator in ",;\t":
        for line in csv.reader(io.StringIO(sheet.removeprefix("\ufeff"), newline=""), delimiter=separator):
            assert not [cell for cell in line if cell.lstrip(' "').startswith(("=", "+", "-", "@", "＝"))], line


def test_the_sheet_opens_as_utf8_and_holds_the_evidence() -> None:
    text = reviews.sheet(subjects(report()), {})
    assert text.startswith("\ufeff")
    shown = next(line for line in rows(text) if line["criterion"] == QUESTION)
    assert "relu: validation loss 12.1, validation accuracy 0.9999" in shown["evidence"]
    assert "«loss stays at 0» differs: relu ends at 12.1." in shown["evidence"]


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The results of a class of two, and of one that could not be graded."""
    return results(
        tmp_path / "reports",
        handed_in("anna"),
        handed_in("boris", text="Это \x1b[31mнеясно."),
        Report(grade=ungraded()),
    )


def results(folder: Path, *reports: Report) -> Path:
    for made in reports:
        (folder / made.grade.id).mkdir(parents=True)
        (folder / made.grade.id / "overview.json").write_text(overview_json(overview(made)), "utf-8")
    (folder / "results.json").write_text("".join(class_json([made.grade for made in reports])), "utf-8")
    return folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a person types, line by line; then the input ends."""
    lines: list[str] = []

    def read(prompt: str) -> str:
        print(prompt)
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr("builtins.input", read)
    yield lines


def test_the_terminal_shows_an_answer_and_takes_points_and_a_comment(
    out: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["8", "five", "6,5", "Why?", "", "q"]
    assert main(["review", str(out), "--by", "Petrova"]) == 0
    said = capsys.readouterr().out
    assert "so softmax saturates." in said and "[1 of 4]" in said
    assert said.count("A number from 0 to 7 is needed.") == 2
    assert "relu: validation loss 12.1" in said
    assert "\\x1b[31mнеясно" in said and "\x1b" not in said
    (made,) = reviews.read(out / reviews.NAME).values()
    assert (made.points, made.most, made.by, made.comment) == (6.5, 7, "Petrova", "Why?")
    assert "3 answers of 4 to be decided" in said


def test_what_was_decided_before_the_input_ended_is_kept_and_not_asked_again(
    out: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["7", "", "3"]
    assert main(["review", str(out), "--by", "P"]) == 0
    assert [made.points for made in reviews.read(out / reviews.NAME).values()] == [7.0]
    typed += ["", ""]
    capsys.readouterr()
    assert main(["review", str(out), "--by", "P"]) == 0
    assert "[1 of 3]" in capsys.readouterr().out


def test_the_spreadsheet_goes_out_and_comes_back(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = out.parent / "sheet.csv"
    assert main(["review", str(out), "--write", str(sheet)]) == 0
    fill(sheet, sheet.read_text("utf-8"), {"anna": ("7", "Good."), "boris": ("9", "")})
    assert main(["review", str(out), "--read", str(sheet), "--by", "P"]) == 2
    assert "row 3 (boris)" in capsys.readouterr().err
    assert not (out / reviews.NAME).exists()
    fill(sheet, sheet.read_text("utf-8"), {"anna": ("7", "Good."), "boris": ("0", "")})
    assert main(["review", str(out), "--read", str(sheet), "--by", "P"]) == 0
    assert [made.points for made in reviews.read(out / reviews.NAME).values()] == [7.0, 0.0]
    assert main(["review", str(out), "--read", str(out / reviews.NAME), "--by", "P"]) == 0


def test_a_sheet_that_is_there_is_not_written_over(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = out.parent / "sheet.csv"
    sheet.write_text("an evening's work")
    assert main(["review", str(out), "--write", str(sheet)]) == 2
    assert "may hold somebody's work" in capsys.readouterr().err
    assert sheet.read_text() == "an evening's work"


@pytest.mark.parametrize(
    "spoil", [lambda out: (out / "results.json").unlink(), lambda out: (out / "results.json").write_text("[]")]
)
def test_a_folder_without_results_is_wrong_use(out: Path, spoil: object, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(out)  # type: ignore[operator]
    assert main(["review", str(out)]) == 2
    assert "There are no results of a class in" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out.parent / "file").write_text("")
    assert main(["review", str(out), "--write", str(out.parent / "file" / "sheet.csv")]) == 2
    assert "cannot be written: " in capsys.readouterr().err


def test_grades_of_the_class_count_decisions() -> None:
    made = handed_in()
    done: Grade = reviews.decided(made, decide(made)).grade
    assert grades_csv([done]).splitlines()[1].split(",")[3:6] == ["15", "25", "0"]
