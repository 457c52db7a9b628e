"""The processes below this one. Only light modules are imported here."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """The process and all below it, as far as they can be seen from here."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from descendants(int(child))


def end_descendants() -> None:
    """Kill all that this process started, and what that started. They are stopped first, so that none starts another
    meanwhile."""
    found = {os.getpid()}
    while new := set(_all()) - found:
        _send(new, signal.SIGSTOP)
        found |= new
    _send(found - {os.getpid()}, signal.SIGKILL)


def _all() -> Iterator[int]:
    """All below this process, whichever of its threads started them."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for child in (thread / "children").read_text().split():
                yield from descendants(int(child))


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
