"""Waiting for a confined process: time, memory and disk are watched from outside, and what is left is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
            stopped, usage = _wait(process, box, seconds)
        finally:
            kill(process)
            process.wait()
        resources = replace(usage, wall_seconds=time.monotonic() - began)
        return Completed(code=process.returncode, stopped=stopped, tail=_tail(output.fileno()), resources=resources)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session. Under bubblewrap the death of its first process takes everything with it."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], box: Box, seconds: float) -> tuple[FaultKind | None, Resources]:
    deadline, usage = time.monotonic() + seconds, Resources()
    while not _has_ended(process.pid):
        usage = measured(process.pid, usage)
        over = exceeded(box, usage.peak_memory_mib) or (FaultKind.TIMED_OUT if time.monotonic() > deadline else None)
        if over is not None:
            return over, usage
        time.sleep(_POLL_SECONDS)
    return None, usage


def measured(pid: int, before: Resources) -> Resources:
    """What a process and its descendants have used so far: a look from outside, since nobody reaps them all."""
    return Resources(
        cpu_seconds=max(before.cpu_seconds, tree_cpu_seconds(pid)),
        peak_memory_mib=max(before.peak_memory_mib, tree_memory_mib(pid)),
    )


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


def tree_cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, in seconds, with children that were waited for."""
    return sum(_ticks(child) for child in descendants(pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0
    return sum(int(value) for value in fields[11:15])


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
