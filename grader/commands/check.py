"""`grader check`: one notebook, for its author or for CI."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from grader import batch, pipeline, watching
from grader.commands.prepared import prepared
from grader.errors import UnreadableSubmission, UsageError
from grader.exports import github, gradescope, junit
from grader.exports.results import Result, parse
from grader.formats.notebooks import read_notebook
from grader.homework import at_once
from grader.judging import data_note
from grader.language import tr
from grader.places import reference_folder
from grader.progress import display
from grader.records import Report, Status, say
from grader.reporting import machine, terminal
from grader.reporting.text import one_line
from grader.stages.intake import Candidate, find_submissions


def run(options: argparse.Namespace) -> int:
    """Grade one notebook and print the result. The notebook is the caller's own: it may run unconfined."""
    if options.notebook.is_dir():
        raise UsageError(
            say("{path} is a folder. Name one notebook in it; a class is for grader grade.", path=str(options.notebook))
        )
    if not options.notebook.is_file():
        raise UsageError(
            say("There is no notebook {path}. Name the .ipynb file that you want to check.", path=str(options.notebook))
        )
    return _watch(options) if options.watch else _check(options)


def _check(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="gr-check-") as workspace, prepared(options, None, own_code=True) as setup:
        candidate = _own(options, Path(workspace))
        with display(1, quiet=options.format != "text", plain=options.watch) as watch:
            report = batch.grade_candidate(candidate, setup, Path(workspace), lambda stage: watch(candidate.id, stage))
        if setup.plan.mechanism == "none":
            unconfined = tr("the sandbox is missing; the notebook ran unconfined, with your own rights.")
            print(f"grader: {unconfined}", file=sys.stderr)
        note = data_note(setup)
        if options.format == "text" and note is not None and report.grade.error is None:
            print(terminal.sentence(note) + "\n")
        print(_FORMATS[options.format](report))
        if options.format == "github":
            _add_summary(report)
    if report.grade.error is not None:
        return 3
    return 1 if any(j.status is Status.FAILED for j in report.grade.criteria) else 0


def _watch(options: argparse.Namespace) -> int:
    """Grade the notebook whenever it is saved, until Ctrl-C."""
    if options.format != "text":
        raise UsageError(say("--watch prints text: leave --format out."))
    watching.watch(options.notebook, partial(_at_once, options), partial(_check, options))
    return 0


def _at_once(options: argparse.Namespace) -> str:
    """What the notebook's text tells, before it is run."""
    head = f"\n{datetime.now():%H:%M:%S} {options.notebook.name}"
    try:
        cells = read_notebook(options.notebook).cells
    except UnreadableSubmission as error:
        return f"{head}: {one_line(str(error))}"
    found = terminal.findings(at_once.findings(cells, pipeline.template_of(options.reference or reference_folder())))
    seen = tr("before it is run:") + f"\n{found}" if found else tr("nothing to mend is seen before it is run.")
    return f"{head}: {seen}\n" + tr("Running it in the background. The next save begins anew, Ctrl-C ends.")


_FORMATS: dict[str, Callable[[Report], str]] = {
    "text": terminal.render,
    "json": lambda report: machine.result_json(report.grade),
    "github": machine.github_annotations,
    "gradescope": lambda report: gradescope.render(_result(report)),
    "junit": lambda report: junit.render([_result(report)]),
}


def _result(report: Report) -> Result:
    """The result as exports read it: from the same text that `grade` writes."""
    return parse(machine.result_json(report.grade))


def _add_summary(report: Report) -> None:
    """In a GitHub job, the summary as well. The verdict stands without it."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        github.append(Path(summary), [_result(report)])
    except OSError as error:
        print(f"grader: the job summary cannot be written: {error.strerror}.", file=sys.stderr)


def _own(options: argparse.Namespace, workspace: Path) -> Candidate:
    """The one candidate of `check`: the notebook alone, or together with the logs that were named."""
    if options.logs is not None and not options.logs.exists():
        raise UsageError(
            say("There are no logs at {path}. Name the folder logs/ or an archive of it.", path=str(options.logs))
        )
    if options.logs is not None and options.logs.is_dir() and not any(options.logs.rglob("*tfevents*")):
        raise UsageError(
            say(
                "The folder {path} holds no event files. Name the folder logs/ or an archive of it, or leave --logs out.",
                path=str(options.logs),
            )
        )
    first, *others = find_submissions([options.notebook], workspace)
    if others:
        raise UsageError(
            say(
                "{path} holds {n} submissions. Name one notebook; a class is for grader grade.",
                path=str(options.notebook),
                n=1 + len(others),
            )
        )
    return dataclasses.replace(first, logs=options.logs)
