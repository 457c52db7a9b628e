"""One notebook, the whole way: accelerated and plain, again unchanged, and again with another rubric."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from grader.cli import main
from grader.formats.events import read_runs
from grader.places import reference_folder
from grader.records import Run

pytestmark = pytest.mark.notebook

SOLUTION = str(reference_folder() / "solution.ipynb")


def grade(out: Path, *options: str) -> int:
    return main(["grade", SOLUTION, "--out", str(out), "--data", "embedded", *options])


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("quick") / "reports"
    assert grade(out) == 0
    return out


def logged(run: Run) -> dict[str, tuple[np.ndarray, ...]]:
    """Everything that a run logged but the times."""
    scalars = {f"scalar {series.tag}": (series.steps, series.values) for series in run.scalars}
    return scalars | {f"histogram {series.tag}": (series.steps, *series.buckets) for series in run.histograms}


def test_the_plain_way_logs_the_same_values_and_gets_the_same_verdict(quick: Path, tmp_path: Path) -> None:
    assert grade(tmp_path, "--no-acceleration") == 0
    with_it, without = (read_runs(out / "solution" / "logs") for out in (quick, tmp_path))
    assert with_it.keys() == without.keys()
    assert len(with_it) == 5
    for name, run in with_it.items():
        ours, others = logged(run), logged(without[name])
        assert ours.keys() == others.keys()
        assert [tag for tag in ours if not all(map(equal, ours[tag], others[tag]))] == []
    assert verdict(quick) == verdict(tmp_path)


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def verdict(out: Path) -> object:
    result = json.loads((out / "solution" / "result.json").read_text())
    return result["criteria"], result["remarks"], result["runs"]


def test_an_unchanged_command_runs_nothing_and_says_the_same(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in quick.rglob("*")}
    assert grade(quick) == 0
    said = capsys.readouterr()
    assert "84 of 100 points" in said.out
    assert "Nothing has changed" in said.err
    assert {path: path.stat().st_mtime_ns for path in quick.rglob("*")} == before


def test_results_that_were_touched_are_made_again(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = quick / "solution" / "report.html"
    text = page.read_text()
    page.unlink()
    assert grade(quick) == 0
    assert page.read_text() == text
    assert "running the notebook" not in capsys.readouterr().err


def test_another_rubric_is_applied_to_the_evidence_that_is_there(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "reference"
    shutil.copytree(reference_folder(), changed)
    rubric = (changed / "assignment.toml").read_text()
    (changed / "assignment.toml").write_text(rubric.replace("points = 12", "points = 15", 1))
    assert grade(quick, "--reference", str(changed)) == 0
    said = capsys.readouterr()
    assert "87 of 103 points" in said.out
    assert "running the notebook" not in said.err
