"""The package for students: it installs and works, gives nothing away, and says what it cannot tell."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from grader.assignment import load_assignment
from grader.cli import main
from grader.places import reference_folder


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("package") / "students.zip"
    assert main(["student-package", "--into", str(into)]) == 0
    with zipfile.ZipFile(into) as bundle:
        bundle.extractall(into.parent)
    return into.parent / "grader-for-students"


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed by pip into a folder of its own; what it needs is here already."""
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = package.glob("*.whl")
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return folder


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheels_record_names_every_file_with_its_digest(package: Path) -> None:
    (wheel,) = package.glob("*.whl")
    with zipfile.ZipFile(wheel) as bundle:
        (record,) = [name for name in bundle.namelist() if name.endswith(".dist-info/RECORD")]
        rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(bundle.read(record).decode()))}
        assert set(rows) == set(bundle.namelist())
        for name in set(rows) - {record}:
            data = bundle.read(name)
            digest = urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
            assert rows[name] == [f"sha256={digest}", str(len(data))]


def test_neither_the_solution_nor_its_runs_nor_a_threshold_is_in_it(package: Path, installed: Path) -> None:
    files = {path: path.read_bytes() for path in (*package.rglob("*"), *installed.rglob("*")) if path.is_file()}
    assert {path.name for path in files if path.parent.name == "reference"} == {
        "assignment.toml", "template.ipynb", "utils.py",
    }  # fmt: skip
    template = _lines(reference_folder() / "template.ipynb")
    own = {line for line in _lines(reference_folder() / "solution.ipynb") - template if len(line) > 40}
    assert len(own) > 5
    everything = b"\n".join(files.values()).decode("utf-8", "replace")
    assert {line for line in own if line in everything} <= HINTED
    assert "largest_epsilon =" not in everything


HINTED = {"tf.summary.histogram(name, gradient, step=step)"}  # what a page advises anyway


def _lines(notebook: Path) -> set[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return {line.strip() for cell in cells for line in "".join(cell["source"]).splitlines()}


def test_the_rubric_is_that_of_the_instructor_but_for_the_thresholds(installed: Path) -> None:
    ours = tomllib.loads((reference_folder() / "assignment.toml").read_text(encoding="utf-8"))
    theirs = tomllib.loads((installed / "grader/reference/assignment.toml").read_text(encoding="utf-8"))
    assert theirs.pop("students") is True and theirs.pop("thresholds") == {}
    assert ours.pop("thresholds")
    assert theirs == ours
    assert not load_assignment(reference_folder()).is_students


def test_what_is_installed_is_the_package_and_the_doctor_is_content(installed: Path) -> None:
    done = run(installed, "doctor")
    assert "the copy for students" in done.stdout, done.stderr
    missing = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("missing")}
    assert missing <= {"data", "bubblewrap", "landlock"}, "what needs no installation of ours"
    assert done.returncode == (3 if {"bubblewrap", "landlock"} <= missing else 0)


def test_the_versions_are_those_that_the_instructor_grades_with(package: Path) -> None:
    first, *pins = (package / "requirements.txt").read_text().splitlines()
    assert (package / first).is_file()
    assert any(pin.startswith("tensorflow==") for pin in pins) and all("==" in pin for pin in pins)


def test_a_place_that_cannot_be_written_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["student-package", "--into", str(tmp_path / "missing" / "a.zip")]) == 2
    assert "--into" in capsys.readouterr().err
