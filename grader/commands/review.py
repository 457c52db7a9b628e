"""`grader review`: what a person decides."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from grader import reviewing, reviews, store
from grader.errors import UsageError
from grader.judging import read_overviews
from grader.language import tr_n
from grader.records import Decision, say
from grader.reporting.overview import Subject


def run(options: argparse.Namespace) -> int:
    """Take down what people decide, from the terminal or through a spreadsheet."""
    subjects = _subjects(options.out)
    path = options.out / reviews.NAME
    known = reviews.read(path)
    left = reviews.waiting(subjects, known)
    try:
        if options.write is not None:
            return _write_sheet(options.write, options.out, subjects, known)
        by, on = options.by or _login(), date.today().isoformat()
        if options.read is not None:
            made = reviews.read_sheet(options.read, subjects, known, by, on)
            reviews.record(path, made)
            print(tr_n("{n} decision taken over.", "{n} decisions taken over.", len(made)))
        elif left:
            reviewing.ask(left, options.out, by, on, lambda decision: reviews.record(path, decision))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(
            say("{path} cannot be written: {why}.", path=str(error.filename or path), why=str(error.strerror))
        ) from error
    waiting = len(reviews.waiting(subjects, reviews.read(path)))
    print(
        tr_n(
            "{n} answer of {all} to be decided. Decisions are in {path}; the `grader grade` command "
            "that wrote these results, given again, takes them into points and pages. It runs no notebook again.",
            "{n} answers of {all} to be decided. Decisions are in {path}; the `grader grade` command "
            "that wrote these results, given again, takes them into points and pages. It runs no notebook again.",
            waiting,
            all=len(subjects),
            path=str(path),
        )
    )
    return 0


def _subjects(out: Path) -> list[Subject]:
    """All that a person decides in the results of a class."""
    try:
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]
        names = [str(result["submission"]["id"]) for result in results]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            say(
                "There are no results of a class in {folder}. Name the folder that `grader grade` wrote.",
                folder=str(out),
            )
        ) from error
    return [subject for shown in read_overviews(out, names) for subject in shown.subjects]


def _write_sheet(path: Path, out: Path, subjects: Sequence[Subject], known: Mapping[str, Decision]) -> int:
    if path.exists():
        raise UsageError(
            say("{path} is there already, and may hold somebody's work. Name another file.", path=str(path))
        )
    store.write_text(path, reviews.sheet(subjects, known))
    print(
        tr_n(
            "{n} answer: {path}. Fill in `points` and `comment`; then grader review {folder} --read {path}.",
            "{n} answers: {path}. Fill in `points` and `comment`; then grader review {folder} --read {path}.",
            len(subjects),
            path=str(path),
            folder=str(out),
        )
    )
    return 0


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise UsageError(say("This login has no name. Say who decides: --by NAME.")) from error
