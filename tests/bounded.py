"""Running something with a bound on its time and its memory, as a hostile input must not raise either."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_SECONDS = 30  # of CPU time, for what takes one or two: only what grows out of all bounds takes as long


def bounded(function: Callable[..., Any], *arguments: Any, mib: int = 512) -> Any:
    """What `function` returns, or raises, in a forked process that has half a minute of CPU time, and `mib` MiB more than
    this one. It may wait for ten minutes."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_run, args=(sending, mib, function, arguments))
    process.start()
    sending.close()
    try:
        good, outcome = receiving.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"not done in {_SECONDS} s, or died: exit code {process.exitcode}") from None
    process.join()
    if not good:
        raise outcome
    return outcome


def _run(sending: Connection, mib: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(20 * _SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS + 1))
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + (mib << 20),) * 2)
    try:
        sending.send((True, function(*arguments)))
    except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
        sending.send((False, error))
