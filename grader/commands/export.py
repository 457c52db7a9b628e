"""`grader export`: reads results, has them put into a format, writes a file. It runs nothing and judges nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from grader.errors import GraderError, UsageError
from grader.exports import autograder, canvas, classroom50, criteria_csv, github, gradescope, junit, moodle
from grader.exports.results import Result, read_results
from grader.files import replacing
from grader.language import tr
from grader.reporting.text import inert

Made = tuple[bytes, Sequence[str]]  # what is written, and what an instructor must know


def run(options: argparse.Namespace) -> int:
    """Write one format of what `grader grade` wrote; what must be known of it goes to standard error."""
    data, notes = _MAKERS[options.format](options)
    for note in notes:
        print(f"grader: {note}", file=sys.stderr)
    if options.into is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        _write(options.into, data)
        print(f"grader: {inert(tr('{path} is written.', path=str(options.into)))}", file=sys.stderr)
    return 0


def _write(path: Path, data: bytes) -> None:
    """A whole file or none of it. Raises GraderError where it cannot be written."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise GraderError(f"{path} cannot be written: {error.strerror}. Name another file with --into.") from error


def _download(options: argparse.Namespace) -> bytes:
    """The table that is to be filled in."""
    try:
        data: bytes = options.fill.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{options.fill} cannot be read: {error.strerror}. Name the table that you downloaded."
        ) from error
    if options.into is not None and options.into.exists() and options.into.samefile(options.fill):
        raise UsageError(
            "--into is the downloaded table itself. Name another file, so that the download stays as it was."
        )
    return data


def _only(options: argparse.Namespace) -> Result:
    """The one result of a format that holds one."""
    results = read_results(options.out)
    if len(results) != 1:
        raise UsageError(
            f"This format holds one submission, and {options.out} has {len(results)}. Name the folder of one of them."
        )
    return results[0]


def _each(render: Callable[[Sequence[Result]], str]) -> Callable[[argparse.Namespace], Made]:
    return lambda options: (render(read_results(options.out)).encode(), ())


def _one(render: Callable[[Result], str]) -> Callable[[argparse.Namespace], Made]:
    return lambda options: (render(_only(options)).encode(), ())


def _moodle(options: argparse.Namespace) -> Made:
    filled = moodle.fill(_download(options), read_results(options.out))
    return filled.data, filled.notes


def _canvas(options: argparse.Namespace) -> Made:
    filled = canvas.fill(_download(options), read_results(options.out), options.column)
    return filled.data, filled.notes


_MAKERS: Mapping[str, Callable[[argparse.Namespace], Made]] = {
    "gradescope": _one(gradescope.render),
    "gradescope-autograder": lambda _: (autograder.build(), ()),
    "junit": _each(junit.render),
    "github": _each(github.render),
    "classroom50": _one(lambda result: classroom50.render(result, os.environ, datetime.now(UTC))),
    "moodle": _moodle,
    "moodle-feedback": lambda options: moodle.feedback(read_results(options.out)),
    "canvas": _canvas,
    "csv": _each(criteria_csv.render),
}
