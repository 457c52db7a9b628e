"""Every situation is graded for real, the whole way, and gets the verdict that it must get: the points it loses, and no
others. CI grades the core set; `grader selftest`, or `pytest --all-situations`, grades them all."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader import pipeline, selftest
from grader.assignment import Assignment, load_assignment
from grader.cli import main, parser
from grader.commands.prepared import prepared
from grader.contract import Check
from grader.places import reference_folder
from grader.records import Case, Status, Verdict
from grader.selftest import Checked
from grader.situations import load_all

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[1]
SITUATIONS = {situation.name: situation for situation in load_all(ROOT / "tests" / "situations", reference_folder())}
CORE = (
    "gradients-missing",
    "gradients-one-tag",
    "gradients-of-previous-step",
    "validation-never-written",
    "validation-while-training",
    "training-optimizer-anew",
    "patch-undone",
    "batch-norm-untouched",
    "batch-norm-wrong-axis",
    "batch-norm-gamma-is-constant",
    "batch-norm-half-of-the-summaries",
    "flawed-run-repaired",
    "relu-smart-with-dense",
    "raw-still-scaled",
    "raw-old-sequences",
    "raw-reshape-of-transpose",
    "cell-raises",
    "endless-loop",
    "dies-by-itself",
    "dies-of-time",
    "cheat-events-carried-along",
    "cheat-good-only-when-probed",
    "conclusions-missing",
    "valid-pasted-library",
    "valid-experiments-in-a-loop",
    "valid-statistics-in-numpy",
    "valid-compiled-step",
    "valid-conclusions-at-the-end",
    "valid-own-forward-loop-and-watched-variables",
    "gradients-names-generator-exhausted",
    "validation-epoch-in-tag",
    "training-weights-capped",
    "fixed-run-on-trained-layers",
    "fixed-run-trained-on-test-data",
    "raw-validated-on-training-images",
)


def chosen(config: pytest.Config) -> tuple[str, ...]:
    return tuple(SITUATIONS) if config.getoption("--all-situations") else CORE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", chosen(metafunc.config))


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="session")
def checked(out: Path, pytestconfig: pytest.Config) -> Mapping[str, Checked]:
    """The chosen situations, graded and compared, by name."""
    options = parser().parse_args(["selftest"])
    situations = [SITUATIONS[name] for name in chosen(pytestconfig)]
    with prepared(options, out / "reports" / ".evidence") as setup:
        found = selftest.run(situations, setup, out, len(os.sched_getaffinity(0)), lambda name, stage: None)
    return {one.situation.name: one for one in found}


@pytest.fixture(scope="session")
def results(out: Path, checked: Mapping[str, Checked]) -> Mapping[str, Any]:
    """Results by name: the notebooks that situations are made of, and a broken file, graded by the command as one class."""
    submissions = out / "submissions"
    submissions.mkdir()
    for base in ("solution", "template"):
        (submissions / f"{base}.ipynb").write_bytes((reference_folder() / f"{base}.ipynb").read_bytes())
    (submissions / "broken.ipynb").write_text('{"cells": [')
    code = main(["grade", str(submissions), "--out", str(out / "reports"), "--data", "embedded"])
    assert code == 3, "one submission is no notebook"
    assert (out / "reports" / "index.html").is_file()
    assert (out / "reports" / "grades.csv").is_file()
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("reports/*/result.json")}


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


@pytest.mark.usefixtures("results")
def test_the_page_of_a_broken_notebook_speaks_the_templates_language(out: Path) -> None:
    page = (out / "reports" / "broken" / "report.html").read_text()
    assert '<html lang="ru"' in page
    assert "MNIST" not in page  # it was trained on nothing


def test_a_situation_loses_what_it_should_and_nothing_else(name: str, checked: Mapping[str, Checked]) -> None:
    assert checked[name].differences == ()


def deaf(check: Check) -> Check:
    """A check that does nothing but fail."""

    @functools.wraps(check)
    def asked(case: Case, assignment: Assignment) -> Verdict:
        raise AssertionError("asked again")

    return asked


def test_what_is_remembered_says_the_same_as_finding_it_out(
    out: Path, checked: Mapping[str, Checked], pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files of each situation, byte by byte. The notebooks that they are made of were graded a second time, elsewhere."""
    first = {path: path.read_bytes() for name in checked for path in (out / "pages" / name).glob("*.*")}
    assert len(first) >= 3 * len(checked)
    options, situations = parser().parse_args(["selftest"]), [SITUATIONS[name] for name in chosen(pytestconfig)]
    with prepared(options, out / "reports" / ".evidence") as setup:
        common = pipeline.common_basis(setup)
        monkeypatch.setattr(pipeline, "common_basis", lambda other: common)
        checks = {name: deaf(check) for name, check in setup.homework.checks.items()}
        selftest.run(
            situations,
            replace(setup, homework=replace(setup.homework, checks=checks)),
            out,
            1,
            lambda name, stage: None,
        )
    assert [path.relative_to(out) for path, content in first.items() if path.read_bytes() != content] == []


def test_a_check_that_fails_everybody_is_no_part_of_what_is_expected(checked: Mapping[str, Checked]) -> None:
    valid = checked["valid-pasted-library"]
    first, *rest = valid.grade.criteria
    wrong = replace(valid.grade, criteria=(replace(first, status=Status.FAILED), *rest))
    (found,) = selftest.compare(valid.situation, wrong, wrong, "")
    assert (found.criterion, found.kind) == (first.criterion.id, selftest.ACCUSED)


def test_the_corpus_has_three_situations_that_lose_only_one_criterion_for_each_of_them() -> None:
    alone = Counter(next(iter(s.expect)) for s in SITUATIONS.values() if len(s.expect) == 1 and s.lost[1] > 0)
    criteria = [criterion.id for criterion in load_assignment(reference_folder()).criteria]
    assert {name: alone[name] for name in criteria if alone[name] < 3} == {}


def test_the_core_breaks_every_criterion_and_has_valid_notebooks_too() -> None:
    criteria = {criterion.id for criterion in load_assignment(reference_folder()).criteria}
    assert {name for core in CORE for name in SITUATIONS[core].expect} == criteria
    assert sum(SITUATIONS[core].lost == (0.0, 0.0) for core in CORE) >= 3
