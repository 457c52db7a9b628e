"""`grader grade`: a class, its pages, and files for other programs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grader import batch, journal, processes, receipt, reviews
from grader.commands.prepared import jobs_for, prepared
from grader.errors import GraderError
from grader.judging import data_note
from grader.language import shown, tr, tr_n
from grader.pipeline import Setup
from grader.progress import display, tell
from grader.reporting import roll, terminal
from grader.reporting.text import inert
from grader.stages.intake import take_in


def run(options: argparse.Namespace) -> int:
    """Grade a class and write its pages."""
    processes.begin()
    digest, evidence, before = receipt.command_digest(options), options.out / ".evidence", _class_before(options.out)
    decisions = reviews.read(options.out / reviews.NAME)
    with tempfile.TemporaryDirectory(prefix="gr-intake-") as workspace:
        intake = take_in(options.paths, Path(workspace))
        candidates = intake.candidates
        jobs = jobs_for(options.jobs, len(candidates))
        with prepared(options, evidence) as usual:
            setup = dataclasses.replace(usual, decisions=decisions)
            tell(roll.roll(intake))
            note = data_note(setup) if options.data == "auto" else None
            if note is not None:
                tell(inert(shown(note)))
            with journal.opened(evidence) as known, display(len(candidates)) as watch:
                outcome = batch.grade_all(candidates, setup, options.out, jobs, watch, journal=known)
            _tell_what_is_other(before, outcome, setup)
            return _tell(outcome, setup, options, digest)


def _class_before(out: Path) -> Mapping[str, float | None]:
    """The submissions that the results in `out` speak of, with the most points that they could get; none where there are none."""
    try:
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]
        return {str(result["submission"]["id"]): result.get("max_score") for result in results}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tell_what_is_other(before: Mapping[str, float | None], outcome: batch.Outcome, setup: Setup) -> None:
    """Say what an earlier command into the same folder had otherwise: it may have been meant to stay."""
    gone = sorted(before.keys() - {grade.id for grade in outcome.grades})
    if gone:
        tell(
            tr_n(
                "{n} submission that was graded into this folder before is not in the class any more: {names}. Name it too, "
                "to have it there.",
                "{n} submissions that were graded into this folder before are not in the class any more: {names}. Name them "
                "too, to have them there.",
                len(gone),
                names=inert(", ".join(gone[:10])),
            )
        )
    most = sum(criterion.points for criterion in setup.assignment.criteria)
    others = {points for points in before.values() if points is not None} - {most}
    if others:
        tell(tr("The rubric has changed: {most} points in all, {before} before.", most=most, before=f"{max(others):g}"))


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
