"""One process, started and measured by what the kernel accounts for it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.records import Usage

_TAIL_BYTES = 3000


class Failed(Exception):
    """A process that should have done its work did not."""


def start(
    command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in `folder`, both outputs into `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def finish(process: subprocess.Popen[bytes], began: float, log: Path) -> Usage:
    """Wait for a process that was started at `began` of the monotonic clock. Raises Failed unless it ended with 0."""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        raise Failed(f"{process.args!r} ended with {process.returncode}:\n{tail}")
    return Usage(wall_seconds=wall, cpu_seconds=used.ru_utime + used.ru_stime, peak_mib=used.ru_maxrss / 1024)


def run(command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str] | None = None) -> Usage:
    """Start a command, wait for it, and say what it used."""
    began = time.monotonic()
    return finish(start(command, log, folder, environment), began, log)


def activated(environment: Path) -> dict[str, str]:
    """The variables of a plain user who has activated a virtual environment."""
    return {**os.environ, "VIRTUAL_ENV": str(environment), "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
