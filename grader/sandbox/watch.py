"""Waiting for a confined process: time, memory and disk are watched from outside, and what is left is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.records import FaultKind, Resources
from grader.sandbox.box import MIB, Box, Launch, Mechanism

_POLL_SECONDS = 0.2
_TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a process ended. `stopped` is set when it was killed for a limit; `tail` is the end of what it printed."""

    code: int
    stopped: FaultKind | None
    tail: str
    resources: Resources


def start(launch: Launch, output: int) -> subprocess.Popen[bytes]:
    """Start it with both outputs on the descriptor `output`, in a session of its own."""
    try:
        return subprocess.Popen(
            list(launch.argv),
            env=dict(launch.environment),
            cwd=launch.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=launch.descriptors,
            start_new_session=True,
        )
    finally:
        for descriptor in launch.descriptors:
            os.close(descriptor)


def run(argv: Sequence[str], box: Box, mechanism: Mechanism, *, seconds: float) -> Completed:
    """Run a confined command to its end, or to the first limit that it meets; nothing of it is left afterwards."""
    began, folder = time.monotonic(), box.writable()[0]
    with (folder.parent / "output.txt").open("w+b") as output:
        process = start(mechanism.launch(argv, box), output.fileno())
        try:
            stopped, peak = _wait(process, box, seconds)
        finally:
            kill(process)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        resources = Resources(
            wall_seconds=time.monotonic() - began,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_memory_mib=peak,
        )
        return Completed(code=process.returncode, stopped=stopped, tail=_tail(output.fileno()), resources=resources)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session. Under bubblewrap the death of its first process takes everything with it."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], box: Box, seconds: float) -> tuple[FaultKind | None, int]:
    deadline, peak = time.monotonic() + seconds, 0
    while not _has_ended(process.pid):
        peak = max(peak, tree_memory_mib(process.pid))
        over = exceeded(box, peak) or (FaultKind.TIMED_OUT if time.monotonic() > deadline else None)
        if over is not None:
            return over, peak
        time.sleep(_POLL_SECONDS)
    return None, peak


def exceeded(box: Box, memory_mib: int) -> FaultKind | None:
    """The limit that a box has met, if any."""
    if memory_mib > box.limits.memory_mib:
        return FaultKind.OUT_OF_MEMORY
    if sum(folder_size(folder) for folder in box.writable()) > box.limits.disk_mib * MIB:
        return FaultKind.DISK_LIMIT
    return None


def _has_ended(pid: int) -> bool:
    """Without reaping, so that its resource usage can still be asked for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _tail(descriptor: int) -> str:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, max(0, size - _TAIL_BYTES), os.SEEK_SET)
    return os.read(descriptor, _TAIL_BYTES).decode(errors="replace")


def descendants(pid: int) -> Iterator[int]:
    """The process and all below it, as far as they can be seen from here."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from descendants(int(child))


def tree_memory_mib(pid: int) -> int:
    """Proportional set size of a process and its descendants, in MiB: shared pages are counted once."""
    return sum(_pss_kib(child) for child in descendants(pid)) // 1024


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def folder_size(folder: Path) -> int:
    """Bytes on disk of everything below a folder; what vanishes meanwhile counts as nothing."""
    total = 0
    for path, _, names in os.walk(folder, onerror=None):
        total += sum(_blocks(Path(path, name)) for name in names)
    return total


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0


