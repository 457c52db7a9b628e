"""`grader grade`: a class, its pages, and files for other programs."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

from grader import batch, journal, receipt, reviews
from grader.commands.prepared import jobs_for, prepared
from grader.errors import GraderError
from grader.language import tr
from grader.pipeline import Setup
from grader.progress import display, tell
from grader.reporting import roll, terminal
from grader.reporting.text import inert
from grader.stages.intake import take_in


def run(options: argparse.Namespace) -> int:
    """Grade a class and write its pages."""
    digest, evidence = receipt.command_digest(options), options.out / ".evidence"
    decisions = reviews.read(options.out / reviews.NAME)
    with tempfile.TemporaryDirectory(prefix="gr-intake-") as workspace:
        intake = take_in(options.paths, Path(workspace))
        candidates = intake.candidates
        jobs = jobs_for(options.jobs, len(candidates))
        with prepared(options, evidence) as usual:
            setup = dataclasses.replace(usual, decisions=decisions)
            tell(roll.roll(intake))
            with journal.opened(evidence) as known, display(len(candidates)) as watch:
                outcome = batch.grade_all(candidates, setup, options.out, jobs, watch, journal=known)
            return _tell(outcome, setup, options, digest)


def _tell(outcome: batch.Outcome, setup: Setup, options: argparse.Namespace, digest: str | None) -> int:
    """Print what became of a class, and leave a receipt if all of it could be graded."""
    pages = inert(tr("Pages: {path}", path=str(options.out / "index.html")))
    lines = [*map(terminal.one_line, outcome.grades), pages]
    printed, code = "\n".join(lines) + "\n", _exit_code(outcome, options.fail_under)
    print(printed, end="")
    as_asked = setup.data_name == "mnist" or options.data != "auto"
    if digest is not None and as_asked and code != GraderError.exit_code:
        receipt.write(options.out, digest, printed, code)
    return code


def _exit_code(outcome: batch.Outcome, fail_under: float | None) -> int:
    if outcome.ungraded:
        return GraderError.exit_code
    return int(fail_under is not None and any(grade.score < fail_under for grade in outcome.grades))
