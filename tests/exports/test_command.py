"""`grader export` and the new formats of `grader check`, from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from reporting.factories import NASTY, grade, ungraded

from grader import batch
from grader.cli import main, parser
from grader.commands.prepared import prepared
from grader.errors import ProbeFailed, UnreadableSubmission
from grader.exports import FORMATS
from grader.records import say
from grader.reporting.machine import result_json
from grader.stages.intake import Candidate

from .making import scored, write_class
from .test_canvas import GRADEBOOK
from .test_moodle import WORKSHEET


@pytest.fixture
def out(tmp_path: Path) -> Path:
    source = "class/Anna_4712_assignsubmission_file"
    return write_class(tmp_path / "reports", [scored("s-1", 84.5, source), ungraded()])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_every_format_is_listed_with_a_sentence_and_made_by_something(capsys: pytest.CaptureFixture[str]) -> None:
    from grader.commands.export import _MAKERS

    with pytest.raises(SystemExit) as ended:
        main(["export", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert list(_MAKERS) == [form.name for form in FORMATS]
    for form in FORMATS:
        assert f"{form.name} {form.says}" in shown


def test_tables_are_filled_in_and_the_download_stays(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in (("moodle", WORKSHEET), ("canvas", GRADEBOOK)):
        download, filled = tmp_path / f"{name}.csv", tmp_path / f"{name}-filled.csv"
        download.write_bytes(data)
        assert main(["export", name, str(out), "--fill", str(download), "--into", str(filled)]) == 0
        assert download.read_bytes() == data
        assert b"84.5" in filled.read_bytes() and b"84.5" not in data
        assert "petrov: no row is its own" in told(capsys)


def test_the_download_is_never_written_over(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    download = tmp_path / "moodle.csv"
    download.write_bytes(WORKSHEET)
    assert main(["export", "moodle", str(out), "--fill", str(download), "--into", str(download)]) == 2
    assert download.read_bytes() == WORKSHEET and "Name another file" in told(capsys)


def test_without_a_file_the_bytes_go_to_standard_output(out: Path, tmp_path: Path) -> None:
    download = tmp_path / "moodle.csv"
    download.write_bytes(WORKSHEET.replace(b"\n", b"\r\n"))
    command = [sys.executable, "-m", "grader", "export", "moodle", str(out), "--fill", str(download)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=3600)
    assert done.stdout.count(b"\r\n") == download.read_bytes().count(b"\r\n") and b"84.5" in done.stdout


@pytest.mark.parametrize("name", ["junit", "github", "csv"])
def test_a_class_becomes_one_file(name: str, out: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert main(["export", name, str(out), "--into", str(made)]) == 0
    assert "s-1" in made.read_text("utf-8") and "petrov" in made.read_text("utf-8")


@pytest.mark.parametrize("name", ["gradescope", "classroom50"])
def test_a_format_of_one_submission_asks_for_its_folder(
    name: str, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"):
        monkeypatch.setenv(variable, "x")
    assert main(["export", name, str(out)]) == 2
    assert "Name the folder of one of them" in told(capsys)
    assert main(["export", name, str(out / "s-1")]) == 0


def test_no_file_is_left_where_there_is_no_grade_for_classroom_50(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "classroom50", str(out / "petrov"), "--into", str(tmp_path / "result.json")]) == 3
    assert not (tmp_path / "result.json").exists() and "could not be graded" in told(capsys)


def test_zips_are_written(out: Path, tmp_path: Path) -> None:
    feedback, autograder = tmp_path / "feedback.zip", tmp_path / "autograder.zip"
    assert main(["export", "moodle-feedback", str(out), "--into", str(feedback)]) == 0
    assert main(["export", "gradescope-autograder", "--into", str(autograder)]) == 0
    assert zipfile.is_zipfile(feedback) and zipfile.is_zipfile(autograder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["junit", "{tmp}/nowhere"], "There are no results in"),
        (["moodle", "{out}", "--fill", "{tmp}/nowhere.csv"], "Name the table that you downloaded"),
        (["moodle", "{out}", "--fill", "{tmp}"], "Name the table that you downloaded"),
        (["csv", "{out}", "--into", "{tmp}/no/folder/x.csv"], "cannot be written"),
        (["csv", "{out}", "--into", "{tmp}"], "cannot be written"),
        (["csv", "{out}", "--into", "/"], "cannot be written"),
    ],
)
def test_wrong_use_gets_one_sentence(
    arguments: list[str], sentence: str, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *(text.format(out=out, tmp=tmp_path) for text in arguments)]) in (2, 3)
    error = told(capsys)
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error
    assert not [*tmp_path.rglob(".*.tmp"), *tmp_path.parent.glob(".*.tmp")]


def test_notes_for_a_terminal_are_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = NASTY.replace("/", "").replace("\ud800", "")
    download = tmp_path / "moodle.csv"
    download.write_bytes(WORKSHEET)
    out = write_class(tmp_path / "reports", [grade(name)])
    assert main(["export", "moodle", str(out), "--fill", str(download), "--into", str(tmp_path / "x.csv")]) == 2
    named = write_class(tmp_path / "again", [scored(name, 5)])
    assert main(["export", "moodle", str(named), "--fill", str(download), "--into", str(tmp_path / "x.csv")]) == 0
    error = told(capsys)
    assert "\\x1b[31m" in error and "\x1b" not in error and "\u202e" not in error


def check(notebook: Path, form: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "check", str(notebook), "--data", "embedded", "--format", form]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=3600, check=False
    )


@pytest.mark.notebook
def test_check_prints_the_formats_of_other_programs_and_adds_a_job_summary(tmp_path: Path) -> None:
    broken = tmp_path / "homework.ipynb"
    broken.write_text("<html>please log in</html>")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    annotated = check(broken, "github", GITHUB_STEP_SUMMARY=str(summary))
    assert annotated.returncode == 3 and annotated.stdout.startswith("::error ")
    assert summary.read_text().startswith("before\n<h2>homework</h2>\n<p>Not graded: ")
    gradescope = check(broken, "gradescope")
    assert gradescope.returncode == 3 and json.loads(gradescope.stdout)["tests"][0]["name"] == "Could not be graded"
    junit = check(broken, "junit", GITHUB_STEP_SUMMARY=str(summary))
    assert junit.returncode == 3 and ET.fromstring(junit.stdout).find(".//error") is not None
    assert summary.read_text().count("<h2>") == 1


@pytest.mark.notebook
def test_a_job_summary_that_cannot_be_written_changes_no_verdict(tmp_path: Path) -> None:
    broken = tmp_path / "homework.ipynb"
    broken.write_text("{}")
    done = check(broken, "github", GITHUB_STEP_SUMMARY=str(tmp_path))
    assert (
        done.returncode == 3 and "the job summary cannot be written" in done.stderr and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (UnreadableSubmission(say("No notebook.")), "submission"),
        (ProbeFailed("broke"), "harness"),
        (OSError(), "harness"),
    ],
)
def test_a_result_says_whose_fault_it_is_that_there_is_none(error: Exception, fault: str, tmp_path: Path) -> None:
    candidate = Candidate(id="x", source="x.ipynb", path=tmp_path / "x.ipynb")
    options = parser().parse_args(["check", "x.ipynb", "--data", "embedded"])
    with prepared(options, tmp_path, own_code=True) as setup:
        made = batch._ungraded(candidate, setup, error)
    assert json.loads(result_json(made.grade))["fault"] == fault
