"""One notebook, the whole way: accelerated and plain, again unchanged, and again with another rubric."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader import judging, pipeline
from grader.assignment import Assignment, load_assignment
from grader.batch import observe
from grader.cli import main, parser
from grader.commands.prepared import prepared
from grader.errors import GraderError
from grader.formats.events import read_runs
from grader.judging import Judges, Observed
from grader.later import LaterMapping
from grader.memory import Memory
from grader.pipeline import Setup, basis_of, case_of, common_basis, judge, plan_of, reference_of, report_of
from grader.places import reference_folder
from grader.records import Case, Definition, Reference, Run, Status, Submission
from grader.sandbox.plan import Plan
from grader.stages.intake import find_submissions
from grader.store import derived_path
from grader.student_package import package

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


def test_an_unchanged_command_imports_nothing_that_takes_long(quick: Path) -> None:
    script = (
        "import sys\nfrom grader.cli import main\n"
        f"code = main(['grade', {SOLUTION!r}, '--out', {str(quick)!r}, '--data', 'embedded'])\n"
        "print(code, sorted({'numpy', 'nbformat', 'jinja2', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_page_of_a_russian_notebook_has_no_english_sentence(quick: Path) -> None:
    for page in (quick / "solution" / "report.html", quick / "index.html"):
        text = page.read_text("utf-8")
        assert '<html lang="ru">' in text
        quoted = "style|script|code|pre|blockquote|q"
        shown = re.sub(rf"<({quoted})\b.*?</\1>|<div class=\"prose\">.*?</div>", "", text, flags=re.DOTALL)
        labels = re.findall(r'(?:aria-label|title)="([^"]*)"', shown)
        words = [*labels, *re.findall(r">([^<>]+)<", shown)]
        assert [text for text in words if re.search(r"\b[A-Za-z]*[a-z] [a-z]+\b", text)] == []


def test_another_language_is_a_matter_of_judging_alone(quick: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    shutil.copytree(quick, out, copy_function=shutil.copy2)
    before = [(quick / name).read_bytes() for name in ("results.json", "grades.csv", "solution/result.json")]
    evidence = {path: path.stat().st_mtime_ns for path in (out / ".evidence").rglob("*.ipynb")}
    assert evidence
    assert grade(out, "--lang", "en") == 0
    assert '<html lang="en">' in (out / "solution" / "report.html").read_text("utf-8")
    assert '<html lang="en">' in (out / "index.html").read_text("utf-8")
    assert [(out / name).read_bytes() for name in ("results.json", "grades.csv", "solution/result.json")] == before
    assert {path: path.stat().st_mtime_ns for path in (out / ".evidence").rglob("*.ipynb")} == evidence


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


def test_a_submission_that_kills_its_judge_takes_no_other_with_it(quick: Path, tmp_path: Path) -> None:
    options = parser().parse_args(["grade", SOLUTION, "--data", "embedded"])
    with prepared(options, quick / ".evidence") as setup, Judges(setup, tmp_path, 2) as judges:
        seen = observe(find_submissions([Path(SOLUTION)], tmp_path)[0], setup, tmp_path, lambda stage: None)
        deadly = dataclasses.replace(seen, submission=Deadly())  # type: ignore[arg-type]
        with ThreadPoolExecutor(4) as pool:
            grades = [pool.submit(judges.judge, item) for item in (seen, deadly, seen, deadly, seen)]
            assert [grades[place].result().score for place in (0, 2, 4)] == [84, 84, 84]
            for place in (1, 3):
                with pytest.raises(GraderError, match="judges ended twice"):
                    grades[place].result()


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


FOLDER = ("result.json", "report.html", "overview.json")


def test_what_is_remembered_is_what_would_be_found_out_again(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points and a threshold change; then the same without a memory. A threshold that fails the solution's layer changes two
    verdicts and no run, so that no event file of the notebook is read."""
    changed = tmp_path / "reference"
    shutil.copytree(reference_folder(), changed)
    rubric = (changed / "assignment.toml").read_text().replace("points = 12", "points = 15", 1)
    rubric = re.sub("^largest_epsilon = .*", "largest_epsilon = -1e-2", rubric, flags=re.MULTILINE)
    (changed / "assignment.toml").write_text(rubric)
    before = (quick / "solution" / "result.json").read_text()
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "_runs_in", lambda logs: LaterMapping(lambda: pytest.fail("a run was read")))
        assert grade(quick, "--reference", str(changed)) == 0
    remembered = [(quick / "solution" / name).read_text() for name in FOLDER]
    shutil.rmtree(quick / ".evidence" / "derived")
    (quick / "solution" / "report.html").unlink()
    assert grade(quick, "--reference", str(changed)) == 0
    assert [(quick / "solution" / name).read_text() for name in FOLDER] == remembered
    status = {criterion["id"]: criterion["status"] for criterion in json.loads(remembered[0])["criteria"]}
    assert status["bn.normalises"] == "failed" and '"failed"' not in before


def test_what_is_remembered_is_found_out_again_when_it_may_be_different(quick: Path, tmp_path: Path) -> None:
    """Each of these is part of what a verdict follows from; points, titles and thresholds are not."""
    options = parser().parse_args(["grade", SOLUTION, "--data", "embedded"])
    with prepared(options, quick / ".evidence") as setup:
        seen = observe(find_submissions([Path(SOLUTION)], tmp_path)[0], setup, tmp_path, lambda stage: None)
        mine, evidence, assignment = seen.submission, tmp_path / "evidence", setup.assignment
        shutil.copytree(seen.evidence, evidence)
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "events.out.tfevents.1").write_bytes(b"1")

        def basis(submission: Submission = mine, **changes: Any) -> str:
            return basis_of(submission, evidence, common_basis(dataclasses.replace(setup, **changes)))

        first = basis()
        longer = dataclasses.replace(assignment, epochs=11)
        others = [
            basis(dataclasses.replace(mine, id="another")),
            basis(dataclasses.replace(mine, sha256="0")),
            basis(dataclasses.replace(mine, logs=tmp_path / "logs")),
            basis(assignment=longer),
            basis(assignment=moved(assignment, tmp_path / "bands", "bands/fast-embedded.json")),
            basis(assignment=moved(assignment, tmp_path / "template", "template.ipynb")),
            basis(data_digest="0"),
            basis(profile=assignment.profile("full")),
            basis(plan=dataclasses.replace(setup.plan, first=None)),
            basis(homework=dataclasses.replace(setup.homework, gate=nothing)),
        ]
        rubric = dataclasses.replace(assignment, criteria=assignment.criteria[1:], thresholds={"largest_epsilon": 1.0})
        assert basis(assignment=rubric) == first
        (evidence / "seal.json").write_text("{}")
        others.append(basis())
    assert len({first, *others}) == 1 + len(others)


def nothing(case: Case) -> None:
    """A gate of code that lies elsewhere."""


def test_submitted_logs_that_may_not_be_read_cost_no_grade(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader says so on the page; nothing is remembered."""

    def refused(logs: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pipeline, "digest_of", refused)
    options = parser().parse_args(["grade", SOLUTION, "--data", "embedded"])
    with prepared(options, quick / ".evidence") as setup:
        seen = observe(find_submissions([Path(SOLUTION)], tmp_path)[0], setup, tmp_path, lambda stage: None)
        with_logs = dataclasses.replace(seen.submission, id="with-logs", logs=seen.evidence / "execution" / "logs")
        grade = judging.judge(Observed(submission=with_logs, evidence=seen.evidence), setup, tmp_path, "")
        assert grade.score == 84
        assert not derived_path(setup.evidence, "with-logs", seen.evidence.name).exists()


def moved(assignment: Assignment, folder: Path, changed: str) -> Assignment:
    """The assignment from another folder, where one file has a space more."""
    shutil.copytree(assignment.folder, folder)
    (folder / changed).write_text((folder / changed).read_text() + " ")
    return dataclasses.replace(assignment, folder=folder)


def test_a_students_copy_fails_nothing_for_want_of_reference_runs(quick: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package(load_assignment(reference_folder())))) as outer:
        (wheel,) = [name for name in outer.namelist() if name.endswith(".whl")]
        with zipfile.ZipFile(io.BytesIO(outer.read(wheel))) as inner:
            inner.extractall(tmp_path)
    copy = str(tmp_path / "grader" / "reference")
    options = parser().parse_args(["grade", SOLUTION, "--data", "embedded", "--reference", copy])
    with prepared(options, quick / ".evidence") as setup:
        seen = observe(find_submissions([Path(SOLUTION)], tmp_path)[0], setup, tmp_path, lambda stage: None)
        case = case_of(seen.submission, seen.evidence, setup)
        report = report_of(case, seen.evidence, setup)
        worse = dataclasses.replace(case, runs={**case.runs, "relu_bn_fixed": louder(case.runs["relu_bn_fixed"])})
        (fixed,) = [criterion for criterion in setup.assignment.criteria if criterion.id == "bn.fixed_run"]
        assert judge(fixed, worse, setup, Memory(setup.assignment.thresholds)).status is Status.UNDECIDED
        ours = dataclasses.replace(setup, assignment=load_assignment(reference_folder()))
        assert judge(fixed, worse, ours, Memory(ours.assignment.thresholds)).status is Status.FAILED
    assert report.grade.score == 84
    assert "remark.students_copy" in [remark.code for remark in report.grade.remarks]


def test_a_notebook_that_counts_with_the_whole_data_is_run_on_it_and_compared_with_such_runs(tmp_path: Path) -> None:
    options = parser().parse_args(["grade", SOLUTION, "--data", "embedded"])
    with prepared(options, tmp_path / ".evidence") as setup:
        plan, reference = planned(setup, "mean = total / 60000")
        assert (plan.first, plan.seconds) == (None, setup.assignment.profile("full").seconds)
        assert plan.seconds_per_cell == setup.assignment.profile("full").seconds_per_cell
        assert reference.profile == "full"
        plan, reference = planned(setup, "mean = total / 79")
        assert plan.first == (2400, 10000, 10000)
        assert reference is setup.reference
        assert planned(setup, "mean = total / len(eval_seq)") == (setup.plan, setup.reference)


def planned(setup: Setup, code: str) -> tuple[Plan, Reference]:
    """How a notebook with such a fit_generator is run, and what it is compared with."""
    own = Definition(wanted="fit_generator", name="fit_generator", source=code, cell=1, line=1, normal="")
    return plan_of({"fit_generator": own}, setup), reference_of({"fit_generator": own}, setup)


def louder(run: Run) -> Run:
    """The run with values three times as high."""
    return dataclasses.replace(run, scalars=tuple(dataclasses.replace(s, values=3 * s.values) for s in run.scalars))


def test_what_a_person_decides_counts_from_the_next_grading_on_and_survives_every_other(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.csv"
    assert main(["review", str(quick), "--write", str(sheet)]) == 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["criterion"] for row in rows] == ["relu.conclusion", "bn.conclusion", "raw.conclusion"]
    rows[0] |= {"points": "6,5", "comment": "Almost."}
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert main(["review", str(quick), "--read", str(sheet), "--by", "Petrova"]) == 0
    kept = (quick / "reviews.csv").read_bytes()
    capsys.readouterr()
    assert grade(quick, "--lang", "en") == 0
    assert "90.5 of 100 points, 9 to be read" in capsys.readouterr().out
    assert "Almost." in (quick / "solution" / "report.html").read_text()
    # The pages of the class alone are made again, from what is known of its submissions.
    (quick / "index.html").unlink()
    assert grade(quick, "--lang", "en") == 0
    assert "90.5 of 100 points, 9 to be read" in capsys.readouterr().out
    assert "1 decided" in (quick / "index.html").read_text()
    changed = tmp_path / "reference"
    shutil.copytree(reference_folder(), changed)
    rubric = (changed / "assignment.toml").read_text()
    (changed / "assignment.toml").write_text(rubric.replace("points = 12", "points = 15", 1))
    assert grade(quick, "--lang", "en", "--reference", str(changed)) == 0
    assert "93.5 of 103 points, 9 to be read" in capsys.readouterr().out
    assert (quick / "reviews.csv").read_bytes() == kept
