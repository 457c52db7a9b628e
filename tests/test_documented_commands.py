"""Commands that the documents and the CI files tell people to use exist, with their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from grader.cli import parser
from grader.student_package import README

ROOT = Path(__file__).parents[1]
TEXTS = {
    **{path.name: path.read_text() for path in (*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs/ci").glob("*.yml"))},
    "the project's README.md": (ROOT / "README.md").read_text(),
    "README.md of the package": README,
}


def commands(text: str) -> list[list[str]]:
    """The `grader …` lines of a text, without what follows a comment."""
    lines = re.findall(r"^(?: {4}|.*(?:- |run: )|(?=\.venv))(?:\.venv/bin/)?grader (\S.*)$", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if commands(text)])
def test_documented_commands_exist(name: str) -> None:
    for command in commands(TEXTS[name]):
        try:
            parser().parse_args(command)
        except SystemExit as end:
            assert end.code == 0, command  # --help


def test_the_files_for_ci_are_among_them() -> None:
    found = {name for name, text in TEXTS.items() if commands(text)}
    assert {"github-actions.yml", "gitlab-ci.yml", "README.md of the package"} <= found
