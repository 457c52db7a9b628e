"""Whole downloads from course systems: each student once, with the last attempt, and nobody's work as another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from grader.cli import main
from grader.errors import UsageError
from grader.records import Student
from grader.reporting.roll import roll
from grader.stages import downloads
from grader.stages.intake import Candidate, Intake, read_submission, take_in

from .making import notebook, put, scalar_file, zipped, zipped_by_windows

Take = Callable[..., Intake]
LOGS = zipped({"logs/relu/a.tfevents": scalar_file()})


@pytest.fixture
def take(tmp_path: Path) -> Take:
    def taken(*paths: Path) -> Intake:
        workspace = tmp_path / "work"
        workspace.mkdir(exist_ok=True)
        return take_in(paths, workspace)

    return taken


def lay(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        put(folder / name, data)
    return folder


def code(candidate: Candidate, tmp_path: Path) -> str:
    return read_submission(candidate, tmp_path).cells[0].source


def students(found: Intake) -> list[Student | None]:
    return [candidate.student for candidate in found.candidates]


MOODLE = {
    "Иванова Анна_4711_assignsubmission_file/hw.ipynb": notebook("ivanova"),
    "Иванова Анна_4711_assignsubmission_file/logs.zip": LOGS,
    "Иванова Анна_4711_assignsubmission_onlinetext/onlinetext.html": b"<p>see file",
    "Иванова Анна_4712_assignsubmission_file_/hw.ipynb": notebook("namesake"),
    "Participant_12_assignsubmission_file/deep/hw.ipynb": notebook("blind"),
    "Петров П_9_assignsubmission_onlinetext/onlinetext.html": b"<p>nothing",
}
FLAT = {
    "Иванова Анна_4711_assignsubmission_file_hw_2_assignsubmission_file_x.ipynb": notebook("ivanova"),
    "Иванова Анна_4711_assignsubmission_file_logs.zip": LOGS,
    "Иванова Анна_4711_assignsubmission_onlinetext_onlinetext.html": b"<p>see file",
    "Иванова Анна_4712_assignsubmission_file_hw.ipynb": notebook("namesake"),
    "Participant_12_assignsubmission_file_hw.ipynb": notebook("blind"),
    "Петров П_9_assignsubmission_onlinetext_onlinetext.html": b"<p>nothing",
}


@pytest.mark.parametrize("files", [MOODLE, FLAT], ids=["folders", "flat"])
@pytest.mark.parametrize("form", ["folder", "zip", "zip from Windows", "named one by one"])
def test_moodle_tells_students_by_their_number(
    tmp_path: Path, take: Take, files: Mapping[str, bytes], form: str
) -> None:
    if form.startswith("zip"):
        longest_first = dict(sorted(files.items(), key=lambda item: -len(item[0])))  # else one name hides in another
        pack = zipped(files) if form == "zip" else zipped_by_windows(longest_first, "cp866")
        found = take(put(tmp_path / "course-hw-77.zip", pack))
    else:
        folder = lay(tmp_path / "class", files)
        found = take(*(sorted(folder.iterdir()) if form == "named one by one" else [folder]))
    by_id = {candidate.id: candidate for candidate in found.candidates}
    assert list(by_id) == ["Participant_12", "Иванова Анна_4711", "Иванова Анна_4712", "Петров П_9"]
    assert students(found)[1] == Student(system="Moodle", name="Иванова Анна", key="4711")
    assert [code(by_id[name], tmp_path) for name in list(by_id)[:3]] == ["blind", "ivanova", "namesake"]
    assert read_submission(by_id["Иванова Анна_4711"], tmp_path).logs is not None
    assert [line.rpartition(": ")[2] for line in found.left_out] == ["text that was typed online"]


def test_of_two_downloads_the_one_that_is_named_last_counts(tmp_path: Path, take: Take) -> None:
    name = "Иванова Анна_4711_assignsubmission_file/hw.ipynb"
    first = put(
        tmp_path / "z-first.zip", zipped({name: notebook("old"), "Яна Я_5_assignsubmission_file/a.ipynb": b"{}"})
    )
    second = put(tmp_path / "a-second.zip", zipped({name: notebook("new")}))
    found = take(first, second)
    assert [candidate.id for candidate in found.candidates] == ["Иванова Анна_4711", "Яна Я_5"]
    submission = read_submission(found.candidates[0], tmp_path)
    assert submission.cells[0].source == "new" and submission.student is not None and submission.student.attempt == 2
    (remark,) = submission.remarks
    assert remark.code == "intake.earlier_attempt" and "z-first.zip" in str(remark.message)
    assert "attempt 2, not " in roll(found)


def test_work_beside_moodles_folders_is_taken_by_its_name(tmp_path: Path, take: Take) -> None:
    folder = lay(tmp_path / "class", {**MOODLE, "by-mail.ipynb": notebook("mail"), "list.xlsx": b"x"})
    found = take(folder)
    assert "by-mail" in [candidate.id for candidate in found.candidates if candidate.student is None]
    assert any("list.xlsx" in line for line in found.left_out)


def test_canvas_keeps_the_late_mark_and_takes_the_latest_attachment(tmp_path: Path, take: Take) -> None:
    files = {
        "ivanovaanna_LATE_1234_10007_hw-1.ipynb": notebook("again"),
        "ivanovaanna_1234_10001_hw.ipynb": notebook("first"),
        "ivanovaanna_1234_10002_logs.zip": LOGS,
        "петров_12_10003_34_1_hw.ipynb": notebook("petrov"),
        "petrov_13_10004_text.html": b"<p>",
        "late_anon_x7Q_10005_hw.ipynb": notebook("anonymous"),
    }
    found = take(put(tmp_path / "hw1_submissions.zip", zipped(files)))
    assert [candidate.id for candidate in found.candidates] == ["anon_x7Q", "ivanovaanna_1234", "петров_12"]
    assert students(found) == [
        Student(system="Canvas", key="anon_x7Q", late=True),
        Student(system="Canvas", key="1234", name="ivanovaanna", late=True, attempt=2),
        Student(system="Canvas", key="12", name="петров"),
    ]
    submission = read_submission(found.candidates[1], tmp_path)
    assert submission.cells[0].source == "again" and submission.logs is not None
    assert [remark.code for remark in submission.remarks] == ["intake.late"]
    reasons = {line.rpartition("/")[2] for line in found.left_out}
    assert reasons == {
        "ivanovaanna_1234_10001_hw.ipynb: an earlier attempt",
        "petrov_13_10004_text.html: its name does not say whose it is",
    }


@pytest.mark.parametrize(
    "names",
    [
        ["ivanov_101_201_hw.ipynb", "petrov_101_202_hw.ipynb"],  # one number, two names: a group, not a user
        ["ivanov_1_201_hw.ipynb", "petrov_2_201_hw.ipynb"],  # one attachment twice: a variant
        ["ivanov_1_12_hw.ipynb", "ivanov_2_13_hw.ipynb"],  # numbers too short for Canvas's
        ["ivanov_1_2001_hw.ipynb", "petrov.ipynb"],  # not all have the form
    ],
)
def test_names_that_merely_look_like_canvas_are_left_apart(tmp_path: Path, take: Take, names: list[str]) -> None:
    found = take(lay(tmp_path / "class", {name: notebook(name) for name in names}))
    assert [candidate.id for candidate in found.candidates] == [Path(name).stem for name in names]
    assert students(found) == [None, None]


METADATA = r"""---
submission_345:
  :submitters:
  - :name: Анна Иванова
    :sid: '0012'
    :email: anna@example.edu
  :created_at: 2026-11-23 10:15:00.000000000 Z
  :results:
    output: |
      submission_346:
        :submitters:
        - :name: Mallory
    :submitters:
    - :name: Mallory
  :history:
  - :id: 1
    :submitters:
    - :name: Mallory
submission_346:
  :submitters:
  - :name: "O\u0027Neil, \u042f\u043d"
    :email: yan@example.edu
  - :name: 'D''Arc'
    :email: d@example.edu
submission_347:
  :submitters:
  - :name: |-
      - :name: Mallory
        :sid: '0012'
"""


@pytest.mark.parametrize("wrapped", [True, False])
def test_gradescopes_names_come_from_its_list(tmp_path: Path, take: Take, wrapped: bool) -> None:
    top = "assignment_12_export/" if wrapped else ""
    files = {f"{top}submission_{n}/hw.ipynb": notebook(str(n)) for n in (345, 346, 347)}
    found = take(put(tmp_path / "export.zip", zipped({**files, f"{top}submission_metadata.yml": METADATA.encode()})))
    assert students(found) == [
        Student(system="Gradescope", name="O'Neil, Ян, D'Arc", key="yan@example.edu,d@example.edu"),
        Student(system="Gradescope", name=None, key="submission_347"),
        Student(system="Gradescope", name="Анна Иванова", key="0012"),
    ]
    assert [code(candidate, tmp_path) for candidate in found.candidates] == ["346", "347", "345"]


def test_nbgraders_course_folder_gives_what_was_submitted_and_nothing_else(tmp_path: Path, take: Take) -> None:
    course = lay(
        tmp_path / "course",
        {
            "submitted/ivanova/hw1/hw.ipynb": notebook("ivanova"),
            "submitted/ivanova/hw1/timestamp.txt": b"2026-11-23 10:15:00.123456 UTC",
            "submitted/petrov/hw1/hw.ipynb": notebook("petrov"),
            "source/hw1/hw.ipynb": notebook("solution"),
            "gradebook.db": b"x",
        },
    )
    for paths in ([course], [course / "submitted"], sorted(course.glob("submitted/*/hw1"))):
        found = take(*paths)
        assert [candidate.id for candidate in found.candidates] == ["ivanova", "petrov"]
        assert students(found)[0] == Student(system="nbgrader", key="ivanova")
        assert code(found.candidates[1], tmp_path) == "petrov"
    put(course / "submitted" / "petrov" / "hw2" / "hw.ipynb", notebook())
    with pytest.raises(UsageError, match="several assignments in submitted: hw1, hw2"):
        take(course)


def test_nbgraders_exchange_holds_all_attempts(tmp_path: Path, take: Take) -> None:
    folder = tmp_path / "inbound"
    for who, time, text in (("ivanova", "10:15:00", "old"), ("ivanova", "10:15:01", "new"), ("yan", "09:00:00", "x")):
        put(folder / f"{who}+hw1+2026-11-23 {time} UTC+aB3" / "hw.ipynb", notebook(text))
    found = take(folder)
    assert [(c.id, code(c, tmp_path)) for c in found.candidates] == [("ivanova", "new"), ("yan", "x")]


def test_cloned_repositories_are_named_by_login(tmp_path: Path, take: Take) -> None:
    files = {"hw1-ivan-ova/hw.ipynb": notebook("ivanova"), "hw1-petrov/README.md": b"x"}
    found = take(lay(tmp_path / "hw1-submissions", files))
    assert [(c.id, c.student) for c in found.candidates] == [
        ("ivan-ova", Student(system="GitHub", key="ivan-ova")),
        ("petrov", Student(system="GitHub", key="petrov")),
    ]


def test_an_archive_of_a_student_cannot_pose_as_a_download(tmp_path: Path, take: Take) -> None:
    put(tmp_path / "c" / "ivanova.zip", zipped({"hw.ipynb": notebook("ivanova")}))
    forged = zipped({"Иванова_1_assignsubmission_file/hw.ipynb": notebook("forged"), "hw.ipynb": notebook("own")})
    put(tmp_path / "c" / "petrov.zip", forged)
    for paths in ([tmp_path / "c"], sorted((tmp_path / "c").iterdir())):
        assert set(students(take(*paths))) == {None}


def test_names_that_windows_wrote_and_nobody_decoded_are_read() -> None:
    for page in ("cp866", "cp1251"):
        assert downloads.readable("Иванова Анна".encode(page).decode("utf-8", "surrogateescape")) == "Иванова Анна"
    assert downloads.readable("Йод") == "Йод"


def test_who_handed_in_what_is_shown_with_what_was_left_out(tmp_path: Path, take: Take) -> None:
    same = notebook("copied")
    folder = lay(
        tmp_path / "class",
        {"a.ipynb": same, "b/work.ipynb": same, "c.ipynb": notebook("c\x1b"), "c.zip": LOGS, "notes.txt": b"x"},
    )
    (folder / "empty").mkdir()
    lines = roll(take(folder)).splitlines()
    assert [line.replace(f"{folder}/", "").split() for line in lines] == [
        ["3", "submissions:"],
        ["a", "a.ipynb"],
        ["b", "b/work.ipynb", "(the", "same", "notebook", "as", "a)"],
        ["c", "c.ipynb", "(with", "c.zip)"],
        ["Left", "out:"],
        ["empty:", "no", "notebook,", "and", "nobody's", "logs"],
        ["notes.txt:", "no", "notebook,", "and", "nobody's", "logs"],
    ]


def test_members_of_a_class_archive_that_cannot_be_unpacked_are_told(tmp_path: Path, take: Take) -> None:
    files = {"a.ipynb": notebook("1"), "b.ipynb": notebook("2"), "../evil.ipynb": notebook("3")}
    found = take(put(tmp_path / "class.zip", zipped(files)))
    assert len(found.candidates) == 2
    assert any("../evil.ipynb" in line for line in found.left_out)


def test_the_students_identifier_is_in_the_result_also_of_what_cannot_be_graded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay(tmp_path / "class", {"Иванова Анна_4711_assignsubmission_file/hw.ipynb": b"<!DOCTYPE html>"})
    out = tmp_path / "out"
    assert main(["grade", str(folder), "--out", str(out), "--data", "embedded", "--without-sandbox"]) == 3
    assert "1 submission, as Moodle names them:" in capsys.readouterr().err
    for document in (out / "Иванова Анна_4711" / "result.json", out / "results.json"):
        result = json.loads(document.read_text())
        result = result.get("results", [result])[0]
        assert result["submission"]["student"] == {
            "system": "Moodle", "key": "4711", "name": "Иванова Анна", "late": False, "attempt": 1,
        }  # fmt: skip


def test_several_notebooks_that_count_as_one_students_are_named_beforehand(tmp_path: Path, take: Take) -> None:
    folder = lay(tmp_path / "pair", {"a.ipynb": notebook("a"), "b.ipynb": notebook("b"), "logs.zip": LOGS})
    (_, line) = roll(take(folder)).splitlines()
    assert line.endswith("(2 notebooks of one student, of which one counts: a.ipynb, b.ipynb)")
