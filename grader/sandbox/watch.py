"""Waiting for a confined process: time, memory and disk are watched from outside, and what is left is killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.descendants import descendants
from grader.errors import GraderError
from grader.records import FaultKind, Resources
from grader.sandbox.box import MIB, Box, Launch, Mechanism, Program
from grader.sandbox.warm import Forked, enter, fork

_POLL_SECONDS = 0.1
_GROWN, _ASK_SECONDS = 1.05, 2.0  # when memory is asked for in earnest
_GONE_SECONDS = 30.0  # for the kernel to clear a killed box away
_TAIL_BYTES = 8192
PATIENCE = 3.0  # seconds of wall time for each one of CPU time that is allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a program ended. `stopped` is set when it was killed for a limit; `tail` is the end of what it printed."""

    stopped: FaultKind | None
    tail: str
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A box at work: its own process, the processes whose descendants live in it, and, with a warm worker, the
    connection that ends with the process that attends to the program. `first` is a pidfd of a box's first process: the
    kernel reports its end when all others in the box are gone. For `attended`, see `Launch`."""

    process: subprocess.Popen[bytes] | Forked
    roots: tuple[int, ...]
    connection: socket.socket | None = None
    attended: bool = False
    first: int | None = None

    def has_ended(self) -> bool:
        """Without reaping, so that its resource usage can still be asked for. A box whose attendant was killed (the machine
        was short of memory) would stand for ever, so that counts as its end, too."""
        if isinstance(self.process, Forked):
            return self.process.poll() is not None
        if self.connection is not None and select.select([self.connection], [], [], 0)[0]:
            return True
        if self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> None:
        """Kill the whole session. Under bubblewrap the death of its first process takes everything with it."""
        if isinstance(self.process, Forked):
            self.process.end()
        elif self.attended:
            assert self.process.stdin is not None
            self.process.stdin.close()
        elif self.process.returncode is None:
            for send in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    send(self.process.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Until nothing of it is left that could still write. Raises GraderError when something stays."""
        try:
            self.process.wait(_GONE_SECONDS)
            self._wait_for_first()
            if self.connection is not None:
                with self.connection:
                    self.connection.settimeout(_GONE_SECONDS)
                    self.connection.recv(1)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise GraderError("A killed sandbox did not go away. Look for its processes.") from error
        except OSError:
            pass  # reset: the other end is gone

    def _wait_for_first(self) -> None:
        """bubblewrap itself ends earlier: it leaves the killing to the kernel."""
        if self.first is not None:
            try:
                if not select.select([self.first], [], [], _GONE_SECONDS)[0]:
                    raise TimeoutError
            finally:
                os.close(self.first)


def start(program: Program, box: Box, mechanism: Mechanism, output: int, worker: Path | None = None) -> Running:
    """Start a program in a box, both outputs on the descriptor `output`: by the warm worker, or in a fresh interpreter."""
    if worker is not None and not mechanism.MAPPED:
        forked = fork(worker, program, box, output)
        return Running(process=forked, roots=(forked.pid,))
    if worker is not None:
        entered = enter(worker, program, box, output)
        roots = (entered.holder.pid, entered.attendant)
        return Running(process=entered.holder, roots=roots, connection=entered.connection, first=entered.first)
    launched = mechanism.launch(program.command(box), box)
    process = _popen(launched, output)
    first = None if launched.first is None else _first_process(launched.first)
    return Running(process=process, roots=(process.pid,), attended=launched.attended, first=first)


def _first_process(said: int) -> int | None:
    """A pidfd of the box's first process; None when it has ended by now, or never was. The pipe's other end is closed
    when bubblewrap ends."""
    with os.fdopen(said, "rb") as file:
        text = file.read()
    try:
        return os.pidfd_open(int(json.loads(text)["child-pid"]))
    except (ValueError, KeyError, ProcessLookupError):
        return None


def _popen(launch: Launch, output: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(launch.argv),
            env=dict(launch.environment),
            cwd=launch.directory,
            stdin=subprocess.PIPE if launch.attended else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=launch.descriptors,
            start_new_session=True,
        )
    finally:
        for descriptor in launch.descriptors:
            os.close(descriptor)


def run(program: Program, box: Box, mechanism: Mechanism, *, seconds: float, worker: Path | None = None) -> Completed:
    """Run a confined program to its end, or to the first limit that it meets; nothing of it is left afterwards."""
    began, folder = time.monotonic(), box.writable()[0]
    with (folder.parent / "output.txt").open("w+b") as output:
        running = start(program, box, mechanism, output.fileno(), worker)
        try:
            stopped, usage = _wait(running, box, seconds)
        finally:
            running.kill()
            running.wait()
        resources = replace(usage, wall_seconds=time.monotonic() - began)
        return Completed(stopped=stopped, tail=_tail(output.fileno()), resources=resources)


def _wait(running: Running, box: Box, seconds: float) -> tuple[FaultKind | None, Resources]:
    began, meter = time.monotonic(), Meter(running)
    while not running.has_ended():
        usage = meter.read()
        late = overdue(usage.cpu_seconds, time.monotonic() - began, seconds)
        over = exceeded(box, meter) or (FaultKind.TIMED_OUT if late else None)
        if over is not None:
            return over, usage
        time.sleep(_POLL_SECONDS)
    return None, meter.usage


class Meter:
    """What a box's processes have used so far: a look from outside, since nobody reaps them all.

    Memory is the sum of proportional set sizes. To ask for one takes 10 ms of the kernel's time, so that is done when
    resident sizes, which are an upper bound and cost nothing to read, have grown, and else every few seconds.
    """

    def __init__(self, running: Running) -> None:
        self.usage = Resources()
        self.unlinked_bytes = 0  # in files that are open and have no name any more
        self._running = running
        self._resident, self._asked = 0, 0.0

    def read(self) -> Resources:
        """Usage up to now."""
        pids = [pid for root in self._running.roots for pid in descendants(root)]
        self.unlinked_bytes = sum(map(_unlinked_bytes, pids))
        self.usage = Resources(
            cpu_seconds=max(self.usage.cpu_seconds, sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")),
            peak_memory_mib=max(self.usage.peak_memory_mib, self._memory_mib(pids)),
        )
        return self.usage

    def _memory_mib(self, pids: Sequence[int]) -> int:
        resident, now = sum(map(_resident_pages, pids)), time.monotonic()
        if resident <= self._resident * _GROWN and now < self._asked + _ASK_SECONDS:
            return 0
        self._resident, self._asked = resident, now
        return sum(map(_pss_kib, pids)) // 1024


def exceeded(box: Box, meter: Meter) -> FaultKind | None:
    """The limit that a box has met, if any."""
    if meter.usage.peak_memory_mib > box.limits.memory_mib:
        return FaultKind.OUT_OF_MEMORY
    size, entries = map(sum, zip(*(held(folder, box.limits.files) for folder in box.writable()), strict=True))
    if size + meter.unlinked_bytes > box.limits.disk_mib * MIB:  # first: between two looks many files may come
        return FaultKind.DISK_LIMIT
    return FaultKind.FILES_LIMIT if entries > box.limits.files else None


def overdue(cpu_seconds: float, wall_seconds: float, seconds: float) -> bool:
    """Whether the time that a box has is over. It is CPU time, so that other jobs on the machine make nobody late; what
    waits or sleeps gets a few times as much of wall time."""
    return cpu_seconds > seconds or wall_seconds > PATIENCE * seconds


def _tail(descriptor: int) -> str:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, max(0, size - _TAIL_BYTES), os.SEEK_SET)
    return os.read(descriptor, _TAIL_BYTES).decode(errors="replace")


def _ticks(pid: int) -> int:
    """User and system time in clock ticks, with children that were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0
    return sum(int(value) for value in fields[11:15])


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def _pss_kib(pid: int) -> int:
    """Proportional set size: pages that processes share are counted once over all of them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _unlinked_bytes(pid: int) -> int:
    """Bytes on disk of the files that a process holds open although they were deleted: no folder shows them."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as listed:
        for entry in listed:
            with contextlib.suppress(OSError):
                facts = entry.stat()
                total += facts.st_blocks * 512 if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 else 0
    return total


def held(folder: Path, most: int) -> tuple[int, int]:
    """Bytes on disk of all that is below a folder, and how many entries it has; soon after `most` of them the count ends.
    What vanishes meanwhile counts as nothing."""
    size = entries = 0
    waiting = [str(folder)]
    while waiting and entries <= most:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as listed:
            for entry in itertools.islice(listed, most + 1):
                entries += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return size, entries
