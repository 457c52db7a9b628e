"""The stages in their order, for one submission. Nothing else knows the order.

`observe` runs foreign code and leaves evidence; everything after it is derived from that evidence and can be repeated.
"""

from __future__ import annotations

import inspect
import re
import secrets
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from grader import language, receipt, store
from grader.assignment import Assignment, Profile
from grader.contract import Homework, RemarkCheck
from grader.errors import GraderError
from grader.formats.events import digest_of, read_runs
from grader.formats.notebooks import read_notebook
from grader.later import LaterMapping, LaterSequence
from grader.memory import Memory
from grader.processes import threads
from grader.records import (
    Case,
    Cell,
    CellKind,
    Criterion,
    Decision,
    Definition,
    Exhibit,
    Finding,
    Grade,
    Judgement,
    Reference,
    Report,
    Run,
    RunSummary,
    Severity,
    Status,
    Submission,
    Verdict,
    say,
)
from grader.sandbox.plan import Plan
from grader.stages import execution, extraction, probing

_FOUND = "definitions.json"  # what was cut out of the notebook, beside the folders of the run and of the probes
_SUMMARIES, _FINDINGS = Mapping[str, RunSummary], tuple[Finding, ...]
Shown = TypeVar("Shown")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is the same for all submissions of a batch: the homework, its data, how it is run, where evidence lies, and what
    people have decided (`grader.reviews`). `language` is that of all pages; None leaves each page to its notebook's own."""

    homework: Homework
    assignment: Assignment
    profile: Profile
    plan: Plan
    data_name: str
    data_digest: str
    reference: Reference
    evidence: Path
    language: str | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)


def observe(submission: Submission, setup: Setup, progress: Progress) -> Path:
    """The folder with the evidence on a submission; the notebook and the probes are run when it is not there yet."""

    def make(folder: Path) -> None:
        found = extraction.extract(submission.cells, setup.homework.names)
        extraction.write(found, folder / _FOUND)
        rng = np.random.default_rng(secrets.randbits(128))
        questions = setup.homework.draw(found.definitions, rng)
        plan = plan_of(found.definitions, setup)
        ask = (questions, setup.plan, setup.homework.probes, setup.assignment.probe_seconds, folder / "probes")
        with threads(1) as beside:  # the probes need nothing of the run
            asked = beside.submit(probing.ask, *ask)
            progress("running")
            execution.execute(submission.notebook, plan, folder / "execution")
            progress("probing")
            asked.result()

    return store.evidence_folder(setup.evidence, evidence_key(submission, setup), make)


def plan_of(definitions: Mapping[str, Definition], setup: Setup) -> Plan:
    """How a notebook with these definitions is run: on the whole data it may take as long as any profile lets it."""
    share, profiles = setup.homework.share_of_data(definitions, setup.plan.first), setup.assignment.profiles.values()
    if share == setup.plan.first:
        return setup.plan
    return replace(
        setup.plan,
        first=share,
        seconds=max(profile.seconds for profile in profiles),
        seconds_per_cell=max(profile.seconds_per_cell for profile in profiles),
    )


def reference_of(definitions: Mapping[str, Definition], setup: Setup) -> Reference:
    """What curves are compared with: those of a run on the whole data with the reference's runs on the whole data."""
    if setup.plan.first is None or plan_of(definitions, setup).first is not None:
        return setup.reference
    whole = next((profile.name for profile in setup.assignment.profiles.values() if not profile.train), "")
    return store.read_reference(setup.assignment, whole, setup.data_name)


def evidence_key(submission: Submission, setup: Setup) -> str:
    """The name of the evidence on a submission, from everything that changes a result and nothing else."""
    names = setup.homework.names
    return store.evidence_key(
        {
            "cells": [(cell.kind, cell.source) for cell in submission.cells],
            "names": [repr(names.wanted), sorted(names.given), sorted(names.trains)],
            "library": store.digest_of(setup.plan.library),
            "data": [setup.data_digest, setup.plan.first],
            "seed": setup.plan.seed,
            "limits": [setup.plan.seconds, setup.plan.seconds_per_cell, setup.plan.output_mib, repr(setup.plan.limits)],
            "sandbox": setup.plan.mechanism,
            "accelerated": setup.plan.accelerated,
            "versions": execution.versions(),
            "installed": _importable(),
            "measuring": _measuring(setup.homework.probes, Path(inspect.getfile(setup.homework.draw))),
            "probe_seconds": setup.assignment.probe_seconds,
        }
    )


def _importable() -> list[str]:
    """The packages that a notebook can import: the grader's own is hidden from every box."""
    return [name for name in receipt.packages() if not name.startswith("grader-")]


@cache
def _measuring(probes: Path, draw: Path) -> str:
    """A digest of all that measures. What judges is not in it: a verdict can be made anew from the same evidence."""
    package = Path(__file__).parent
    folders = (package / "inside", probes, package / "stages", package / "sandbox")
    files = (package / "runner.py", package / "formats" / "notebooks.py", package / "formats" / "code.py", draw)
    return store.digest_of(*folders, *files)


def case_of(submission: Submission, folder: Path, setup: Setup) -> Case:
    """All that checks may look at; event files are read when a check first does."""
    found = extraction.read(folder / _FOUND)
    answers = probing.read(folder / "probes")
    return Case(
        submission=submission,
        execution=execution.read(folder / "execution"),
        runs=_runs_in(folder / "execution" / "logs"),
        submitted_runs=_runs_in(submission.logs) if submission.logs else {},
        definitions=found.definitions,
        extraction_faults=found.faults,
        evidence={name: answer.with_runs(_runs_of(answer.logs)) for name, answer in answers.items()},
        reference=replace(setup.reference, bands=LaterMapping(lambda: reference_of(found.definitions, setup).bands)),
        template=template_of(setup.assignment.folder),
    )


@cache
def template_of(folder: Path) -> tuple[Cell, ...]:
    """The cells that everybody was given, nothing where the assignment has no template."""
    path = folder / "template.ipynb"
    return read_notebook(path).cells if path.is_file() else ()


def _runs_in(logs: Path) -> Mapping[str, Run]:
    return LaterMapping(lambda: read_runs(logs, last_attempts=True))


def _runs_of(logs: Path) -> Sequence[Run]:
    return LaterSequence(lambda: tuple(read_runs(logs).values()) if logs.is_dir() else ())


def basis_of(submission: Submission, folder: Path, common: str) -> str:
    """A name for all that the verdicts on a submission follow from, but for points, titles and thresholds (`grader.memory`);
    `common` is what `common_basis` says of the class. Raises OSError when submitted logs cannot be read."""
    logs = submission.logs
    return store.evidence_key(
        {
            "common": common,
            "evidence": [folder.name, store.seal_of(folder)],
            "submission": repr(replace(submission, notebook=Path(), logs=None, cells=())),  # sha256 names the cells
            "logs": digest_of(logs) if logs else None,
        }
    )


def common_basis(setup: Setup) -> str:
    """The part of it that all submissions have in common: the code that judges, its packages, what is read of the reference,
    the data, and what assignment.toml says besides the rubric."""
    assignment, homework, plan = setup.assignment, setup.homework, setup.plan
    bands = sorted(store.bands_path(assignment.folder, "", "").parent.glob("*.json"))
    reference = [path for path in (*bands, assignment.folder / "template.ipynb") if path.is_file()]
    asked: tuple[Callable[..., object], ...] = (
        homework.gate,
        homework.summarise,
        homework.exhibit,
        *homework.remarks,
        *homework.checks.values(),
    )
    code = {Path(__file__).parent, *(Path(inspect.getfile(inspect.unwrap(part))).parent for part in asked)}
    about = {
        "reference": [path.name for path in reference],
        "assignment": repr(replace(assignment, folder=Path(), criteria=(), thresholds={})),
        "run": [setup.profile.name, setup.data_name, setup.data_digest, repr(plan.first), plan.seconds],
        "imports": sys.path,
    }
    return receipt.digest_of(about, [*sorted(code), *(path.resolve() for path in reference)])


def report_of(case: Case, folder: Path, setup: Setup, memory: Memory | None = None) -> Report:
    """Judge a case and add what the page shows beside the verdict. What a memory knows is not found out again."""
    memory = memory or Memory(setup.assignment.thresholds)
    homework, assignment = setup.homework, _as_checks_see_it(setup.assignment, memory)
    used = case.execution.resources.beside(probing.resources(folder / "probes"))
    return Report(
        grade=Grade(
            id=case.submission.id,
            source=case.submission.source,
            sha256=case.submission.sha256,
            student=case.submission.student,
            profile=setup.profile.name,
            criteria=tuple(judge(criterion, case, setup, memory) for criterion in setup.assignment.criteria),
            remarks=(*case.submission.remarks, *_remarks(case, homework, assignment, memory)),
            runs=_or_else({}, lambda: memory.part("runs", _SUMMARIES, lambda: homework.summarise(case, assignment))),
            resources=used,
            environment=environment(case.execution.versions, setup),
            language=language_of(case.submission.cells),
        ),
        submission=case.submission,
        execution=case.execution,
        exhibit=_or_else(Exhibit(), lambda: _exhibit(lambda: homework.exhibit(case, assignment), memory)),
        submitted_runs=case.submitted_runs,
    )


def _as_checks_see_it(assignment: Assignment, memory: Memory) -> Assignment:
    """Without the rubric, which no verdict depends on, and with thresholds that note who looks at them."""
    return replace(assignment, criteria=(), thresholds=memory.thresholds)


def _exhibit(make: Callable[[], Exhibit], memory: Memory) -> Exhibit:
    """What the page shows; its pictures, which are many numbers, only when they are looked at."""
    whole = cache(make)
    small = memory.part("exhibit", Exhibit, lambda: replace(whole(), curves=(), ridges=()))
    return replace(
        small,
        curves=LaterSequence(lambda: whole().curves),
        ridges=LaterSequence(lambda: whole().ridges),
    )


def environment(versions: Iterable[tuple[str, str]], setup: Setup) -> dict[str, str | int]:
    """What a grade says of where it was made."""
    plan = setup.plan
    return {**dict(versions), "sandbox": plan.mechanism, "data": setup.data_name, "seed": plan.seed}


def language_of(cells: Sequence[Cell]) -> str:
    """The language of what people have written in a notebook: its texts, and the comments in its code."""
    code = (cell.source for cell in cells if cell.kind is CellKind.CODE)
    texts = (cell.source for cell in cells if cell.kind is CellKind.MARKDOWN)
    words = "\n".join([*texts, *(comment for source in code for comment in re.findall("#.*", source))])
    return language.of_text(words)


def _or_else(fallback: Shown, made: Callable[[], Shown]) -> Shown:
    """What is shown beside the verdict must not cost the verdict: what fails is left out."""
    try:
        return made()
    except GraderError:
        raise
    except Exception:  # noqa: BLE001 - a bug of ours, met by evidence that nobody thought of
        return fallback


def judge(criterion: Criterion, case: Case, setup: Setup, memory: Memory) -> Judgement:
    """One criterion. A check with a bug leaves it undecided: that is our fault, and costs nobody points for good."""
    check, gate = setup.homework.checks[criterion.id], setup.homework.gate
    assignment = _as_checks_see_it(setup.assignment, memory)
    try:
        verdict = memory.part(f"verdict {criterion.id}", Verdict, lambda: gate(case) or check(case, assignment))
    except GraderError:  # a reference that cannot be read
        raise
    except Exception as error:  # noqa: BLE001 - a broken check must not cost the student, nor stop the class
        verdict = _broken_check(error)
    if verdict.status is Status.PARTIAL and criterion.points < 2:  # of a single point there is no part
        verdict = replace(verdict, status=Status.FAILED)
    return Judgement(
        criterion=criterion,
        claim=inspect.cleandoc(check.__doc__ or criterion.title).splitlines()[0],
        status=verdict.status,
        points=_points(verdict, criterion.points),
        blocked_by=verdict.blocked_by,
        findings=verdict.findings,
    )


def _broken_check(error: Exception) -> Verdict:
    where = "".join(traceback.format_exception(error)[-3:])[-1500:]
    finding = Finding(
        code="harness.check_failed",
        severity=Severity.WARNING,
        message=say("The harness could not tell: one of its own checks failed. This is not your mistake."),
        actual=where,
        hint=say("Please pass this page on to those who look after the grader."),
    )
    return Verdict(status=Status.UNDECIDED, findings=(finding,))


def _points(verdict: Verdict, most: int) -> float:
    """Whole points; a partial result is never rounded to none or all of them."""
    if verdict.status is Status.PASSED:
        return float(most)
    if verdict.status is not Status.PARTIAL:
        return 0.0
    return float(min(most - 1, max(1, round(verdict.share * most))))


def _remarks(case: Case, homework: Homework, assignment: Assignment, memory: Memory) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for number, remark in enumerate(homework.remarks):
        try:
            found += memory.part(f"remark {number}", _FINDINGS, partial(_all_of, remark, case, assignment))
        except GraderError:
            raise
        except Exception:  # noqa: BLE001, S112 - a remark is a courtesy; a broken one is left out
            continue
    return tuple(found)


def _all_of(remark: RemarkCheck, case: Case, assignment: Assignment) -> tuple[Finding, ...]:
    return tuple(remark(case, assignment))
