"""A process and all below it, watched from outside: CPU time, and who imported TensorFlow.

This needs no help of the processes and sees into the sandbox. A process that has TensorFlow's library mapped while its
parent has not must have imported it; a fork of one that has it inherits the mapping. CPU time is looked at several
times a second, so of each process the last moments before its end are missed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_LIBRARY = "/libtensorflow"
_POLL_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of the process table. `born` tells processes apart that had the same number one after the other."""

    pid: int
    born: int
    parent: int
    cpu_seconds: float


class Tree:
    """Watches while its context lasts. What `root` itself uses for watching is left out."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._cpu: dict[tuple[int, int], float] = {}
        self._having: set[int] = set()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._own_seconds = 0.0
        self.imports = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def cpu_seconds(self) -> tuple[float, float]:
        """So far: of the processes with TensorFlow (its import, kernels, probes), and of all others."""
        with self._lock:
            self._look()
            inside = sum(seconds for (pid, _), seconds in self._cpu.items() if pid in self._having)
            return inside, sum(self._cpu.values()) - inside - self._own_seconds

    def _watch(self) -> None:
        while not self._over.wait(_POLL_SECONDS):
            with self._lock:
                self._look()
            self._own_seconds = time.thread_time() if self._root == os.getpid() else 0.0

    def _look(self) -> None:
        for process in _below(self._root):
            self._cpu[process.pid, process.born] = process.cpu_seconds
            if process.pid not in self._having and _has_library(process.pid):
                self._having.add(process.pid)
                self.imports += process.parent not in self._having


def _below(root: int) -> Iterator[_Process]:
    """The root and all below it, parents first."""
    children: dict[int, list[_Process]] = {}
    for process in _table():
        children.setdefault(process.parent, []).append(process)
        if process.pid == root:
            yield process
    waiting = [root]
    while waiting:
        found = children.get(waiting.pop(), [])
        yield from found
        waiting += [process.pid for process in found]


def _table() -> Iterator[_Process]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - ten times a second, and a Path for each would cost
        if name.isdecimal():
            with contextlib.suppress(OSError):  # gone meanwhile
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                used = int(fields[11]) + int(fields[12])
                yield _Process(int(name), int(fields[19]), int(fields[1]), used / _TICKS)


def _has_library(pid: int) -> bool:
    try:
        return _LIBRARY in Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        return False
