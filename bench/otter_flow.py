"""otter-grader: an autograder archive with one test, and the time of `otter run`, which needs no container."""

from __future__ import annotations

import json
from pathlib import Path

from bench import plain_folder, process
from bench.process import Failed
from bench.records import Usage
from bench.session import Session, dataset

# The name is there when the experiments ran.
_TEST = """
OK_FORMAT = True
test = {
    "name": "trained",
    "points": 1,
    "suites": [{"cases": [{"code": ">>> model is not None\\nTrue"}], "scored": True, "type": "doctest"}],
}
"""


def run(session: Session, prefix: Path) -> Usage:
    """The archive is made beforehand, as a teacher does once; what counts is the grading of the submission."""
    folder = session.new_folder("otter")
    notebook = plain_folder.fill(folder / "student", session.options.notebook, dataset(session))
    library = next(notebook.parent.glob("*.py")).name  # kept with its folder, unless it is named from there
    (folder / "tests").mkdir()
    (folder / "tests" / "trained.py").write_text(_TEST)
    program, variables = str(prefix / "bin" / "otter"), process.activated(prefix)
    archive = folder / "autograder.zip"
    make = [program, "generate", "-t", str(folder / "tests"), "-o", str(archive), library]
    process.run(make, folder / "log", notebook.parent, variables)
    command = [program, "run", "-a", str(archive), "-o", str(folder), "--no-logo", str(notebook)]
    used = process.run(command, folder / "log", folder, variables)
    _check(folder / "results.json")
    return used


def _check(results: Path) -> None:
    """A tool that quietly executed nothing would be very fast."""
    score = sum(float(test.get("score", 0)) for test in json.loads(results.read_text())["tests"])
    if score != 1:
        raise Failed(f"otter gave {score:g} points of 1: not everything was executed")
