"""The zip for Gradescope: what is in it, what is not, and that its script always leaves a results.json."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from grader.exports import autograder
from grader.places import reference_folder

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


@pytest.fixture(scope="module")
def packed() -> bytes:
    return autograder.build()


@pytest.fixture
def container(packed: bytes, tmp_path: Path) -> Path:
    """What Gradescope's container holds before a submission is graded, with this interpreter for the one of setup.sh."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "source")
    binary = tmp_path / "venv" / "bin" / "python"
    binary.parent.mkdir(parents=True)
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    binary.chmod(0o755)
    (tmp_path / "data").write_text("embedded\n")
    (tmp_path / "submission").mkdir()
    return tmp_path


def run(container: Path) -> dict[str, object]:
    command = ["sh", str(container / "source" / "run_autograder")]
    done = subprocess.run(
        command,
        env=os.environ | {"AUTOGRADER_ROOT": str(container)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads((container / "results" / "results.json").read_text("utf-8"))
    return document


def test_the_scripts_stand_at_the_root_and_can_be_run(packed: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in ("setup.sh", "run_autograder"):
            assert archive.getinfo(name).external_attr >> 16 == 0o755
            assert archive.read(name).startswith(b"#!/bin/sh\n")
            subprocess.run(["sh", "-n"], input=archive.read(name), check=True)


def test_the_grader_its_assignment_and_its_locked_dependencies_are_in_it(packed: bytes) -> None:
    names = set(zipfile.ZipFile(io.BytesIO(packed)).namelist())
    assert {
        "grader/cli.py",
        "grader/reference/assignment.toml",
        "grader/reference/utils.py",
        "requirements.lock",
    } <= names
    assert any(name.startswith("grader/reference/bands/") for name in names)
    assert any(name.endswith(".html") for name in names)


def test_no_cell_of_the_reference_solution_that_the_template_has_not_is_in_it(packed: bytes) -> None:
    solution, template = (
        {
            cell.source
            for cell in nbformat.read(reference_folder() / f"{name}.ipynb", 4).cells
            if cell.cell_type == "code"
        }
        for name in ("solution", "template")
    )
    own = [source for source in solution - template if len(source) > 200]
    assert own
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        texts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    for source in own:
        assert not any(source in text or json.dumps(source)[1:-1] in text for text in texts)
    assert not any("solution.ipynb" in name for name in zipfile.ZipFile(io.BytesIO(packed)).namelist())


def test_the_same_grader_gives_the_same_zip(packed: bytes) -> None:
    assert autograder.build() == packed


def test_a_broken_installation_still_leaves_a_result_that_blames_no_student(container: Path) -> None:
    (container / "source" / "grader" / "cli.py").write_text("broken")
    (container / "results").mkdir()
    (container / "results" / "results.json").write_text('{"score": 100}')
    results = run(container)
    assert results["score"] == 0 and "not your fault" in json.dumps(results)


@pytest.mark.notebook
def test_a_submission_without_a_notebook_is_told_so(container: Path) -> None:
    (container / "submission" / "notes.txt").write_text("I forgot it")
    results = run(container)
    assert "notebook" in results["tests"][0]["output"]  # type: ignore[index]
    assert results["tests"][0]["name"] == "Could not be graded"  # type: ignore[index]


@pytest.mark.notebook
def test_a_submission_is_graded_whatever_it_is_called_and_however_many_notebooks_lie_there(container: Path) -> None:
    for name in ("valid-own-style", "template"):
        notebook = (SUBMISSIONS / f"{name}.ipynb").read_bytes()
        (container / "submission" / f"{name} (копия).ipynb").write_bytes(notebook)
    results = run(container)
    tests = {test["tags"][0]: test for test in results["tests"] if test.get("tags")}  # type: ignore[attr-defined]
    assert len(tests) == 16 and tests["notebook.runs"]["status"] == "passed"
    assert results["score"] == 84
