"""nbgrader: a course folder with one assignment and one student, and the time of `nbgrader autograde`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat

from bench import plain_folder, process
from bench.process import Failed
from bench.records import Usage
from bench.session import Session, dataset

TEST = "assert model is not None"  # there when the experiments ran
_GRADED = {
    "grade": True,
    "solution": False,
    "task": False,
    "locked": True,
    "points": 1,
    "grade_id": "trained",
    "cell_type": "code",
    "schema_version": 3,
}


def autograde(session: Session, prefix: Path) -> Usage:
    """The release is made beforehand, as a teacher does once; what counts is the grading of the submission."""
    course = session.new_folder("nbgrader")
    source = plain_folder.fill(course / "source" / "hw", session.options.notebook, dataset(session))
    _add_test(source)
    program, variables = str(prefix / "bin" / "nbgrader"), process.activated(prefix)
    process.run([program, "generate_assignment", "hw", "--create"], course / "log", course, variables)
    shutil.copytree(course / "release" / "hw", course / "submitted" / "student" / "hw")
    # Its own limit of 30 s a cell would end the training.
    command = [program, "autograde", "hw", "--force", "--ExecutePreprocessor.timeout=36000"]
    used = process.run(command, course / "log", course, variables)
    _check(course / "autograded" / "student" / "hw" / plain_folder.NAME)
    return used


def _add_test(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    metadata = {"nbgrader": _GRADED}
    notebook.cells.append(nbformat.v4.new_code_cell(TEST, id="trained", metadata=metadata))
    nbformat.write(notebook, path)


def _check(path: Path) -> None:
    """A tool that quietly executed nothing would be very fast."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code" and cell.source]
    if not all(cell.execution_count for cell in cells) or any(_raised(cell) for cell in cells):
        raise Failed("nbgrader did not execute every cell without an error")


def _raised(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)
