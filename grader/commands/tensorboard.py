"""`grader tensorboard`: submissions and the reference side by side."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from grader import board
from grader.assignment import load_assignment
from grader.errors import GraderError
from grader.places import reference_folder


def run(options: argparse.Namespace) -> int:
    """Open submissions and the reference side by side, until Ctrl-C."""
    assignment = load_assignment(options.reference or reference_folder())
    with tempfile.TemporaryDirectory(prefix="gr-board-") as folder:
        if not board.lay_out(options.out, options.ids, assignment, Path(folder)):
            print("grader: there are no reference runs for these data and tags.", file=sys.stderr)
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder]
        port = ["--port", str(options.port)] if options.port is not None else []
        process = subprocess.Popen([*command, *port], env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        try:
            return 0 if process.wait() == 0 else GraderError.exit_code
        except KeyboardInterrupt:  # how one closes it
            return 0
        finally:
            process.terminate()
            process.wait()
