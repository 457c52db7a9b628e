"""`grader tensorboard`: submissions and the reference side by side."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from grader import board
from grader.assignment import load_assignment
from grader.errors import GraderError
from grader.language import tr, tr_n
from grader.places import reference_folder
from grader.reporting.text import first_of, one_line

# Of TensorFlow's start, of a machine without a GPU, of how TensorBoard reads: nothing that anybody who looks at curves could act on.
_CHATTER = re.compile(
    r"WARNING: All log messages|I\d{4} |NOTE: Using experimental| {4}(\"--load_fast|https://github)|\s*$"
)
_MOST_NAMED = 5


def run(options: argparse.Namespace) -> int:
    """Open submissions and the reference side by side, until Ctrl-C."""
    assignment = load_assignment(options.reference or reference_folder())
    with tempfile.TemporaryDirectory(prefix="gr-board-") as folder:
        shown = board.lay_out(options.out, options.ids, assignment, Path(folder))
        print(
            f"grader: {_whose(shown)} {tr('TensorBoard is starting; Ctrl-C closes it.')}", file=sys.stderr, flush=True
        )
        port = ["--port", str(options.port)] if options.port is not None else []
        return _serve([sys.executable, "-m", "tensorboard.main", "--logdir", folder, *port])


def _serve(command: list[str]) -> int:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=quiet) as process:
        try:
            for line in process.stderr or ():
                if not _CHATTER.match(line):
                    print(line, end="", file=sys.stderr, flush=True)
            return 0 if process.wait() == 0 else GraderError.exit_code
        except KeyboardInterrupt:  # how one closes it
            return 0
        finally:
            process.terminate()


def _whose(shown: board.Board) -> str:
    """Whose runs are whose."""
    whose = tr_n(
        "Runs of {n} submission, each under its name: {names}.",
        "Runs of {n} submissions, each under its name: {names}.",
        len(shown.submissions),
        names=one_line(first_of(shown.submissions, _MOST_NAMED)),
    )
    beside = (
        tr("The reference's curves stand beside them, as runs whose names begin with “reference”.")
        if shown.reference_curves
        else tr("There are no reference runs for these data and tags.")
    )
    return f"{whose} {beside}"
