"""Every situation is graded for real, the whole way, and gets the verdict that it must get: the points it loses, and no
others. CI grades the core set; `pytest --all-situations` grades them all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.cli import main
from grader.places import reference_folder
from grader.situations import build, load_all

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[1]
SITUATIONS = {situation.name: situation for situation in load_all(ROOT / "tests" / "situations", reference_folder())}
CORE = (
    "gradients-missing",
    "gradients-one-tag",
    "validation-never-written",
    "batch-norm-untouched",
    "batch-norm-wrong-axis",
    "raw-still-scaled",
    "cell-raises",
    "endless-loop",
    "valid-pasted-library",
)
SECONDS_PER_CELL = 150  # an honest cell takes 10 s on a quiet core; the endless one should not take ten minutes


def impatient_reference(folder: Path) -> Path:
    """The reference with less time for a cell."""
    text = (reference_folder() / "assignment.toml").read_text(encoding="utf-8")
    changed = text.replace("seconds_per_cell = 600", f"seconds_per_cell = {SECONDS_PER_CELL}")
    assert changed != text
    folder.mkdir()
    (folder / "assignment.toml").write_text(changed, encoding="utf-8")
    for name in ("utils.py", "bands"):
        if (reference_folder() / name).exists():
            (folder / name).symlink_to(reference_folder() / name)
    return folder


def chosen(config: pytest.Config) -> tuple[str, ...]:
    return tuple(SITUATIONS) if config.getoption("--all-situations") else CORE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", chosen(metafunc.config))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Mapping[str, Any]:
    """Results by name: the chosen situations, the bases, and a broken file, graded as one class."""
    folder = tmp_path_factory.mktemp("class")
    submissions = folder / "submissions"
    submissions.mkdir()
    for name in chosen(pytestconfig):
        nbformat.write(build(SITUATIONS[name]), submissions / f"{name}.ipynb")
    for base in ("solution", "template"):
        (submissions / f"{base}.ipynb").write_bytes((reference_folder() / f"{base}.ipynb").read_bytes())
    (submissions / "broken.ipynb").write_text('{"cells": [')
    reference = impatient_reference(folder / "reference")
    out = folder / "reports"
    code = main(["grade", str(submissions), "--out", str(out), "--data", "embedded", "--reference", str(reference)])
    assert code == 3, "one submission is no notebook"
    assert (out / "index.html").is_file()
    assert (out / "grades.csv").is_file()
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("*/result.json")}


def statuses(result: Mapping[str, Any]) -> dict[str, str]:
    return {criterion["id"]: criterion["status"] for criterion in result["criteria"]}


def test_the_solution_gets_everything_that_a_machine_can_give(results: Mapping[str, Any]) -> None:
    result = results["solution"]
    assert (result["score"], result["awaiting_review"], result["max_score"]) == (84, 16, 100)
    assert set(statuses(result).values()) == {"passed", "review"}


def test_the_untouched_template_gets_nothing_and_a_kind_word(results: Mapping[str, Any]) -> None:
    result = results["template"]
    assert result["status"] == "graded"
    assert result["score"] == 0
    assert result["awaiting_review"] == 0
    assert {code["code"] for c in result["criteria"] for code in c["findings"]} == {"notebook.not_started"}


def test_a_broken_notebook_is_ungraded_and_the_class_goes_on(results: Mapping[str, Any]) -> None:
    result = results["broken"]
    assert result["status"] == "ungraded"
    assert result["error"]
    assert "score" not in result


def test_a_situation_loses_what_it_should_and_nothing_else(name: str, results: Mapping[str, Any]) -> None:
    situation, result, base = SITUATIONS[name], results[name], results[SITUATIONS[name].base.stem]
    expected = {key: {value} for key, value in statuses(base).items()}
    expected |= {key: {str(status) for status in allowed} for key, allowed in situation.expect.items()}
    found = statuses(result)
    assert {key: value for key, value in found.items() if value not in expected[key]} == {}
    lost = base["score"] + base["awaiting_review"] - result["score"] - result["awaiting_review"]
    assert situation.lost[0] <= lost <= situation.lost[1]


def test_no_verdict_is_left_undecided(results: Mapping[str, Any]) -> None:
    undecided = [(name, key) for name, r in results.items() for key, s in statuses(r).items() if s == "undecided"]
    assert undecided == []
