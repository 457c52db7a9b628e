"""Does a way to confine hold, here and now? Small attacks are tried in a box, and what they answer is judged outside.

Each attack that must fail has its counterpart that must not: a box in which nothing works would hold everything.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from grader.errors import GraderError
from grader.language import Message, listed, noted, say
from grader.sandbox import seccomp
from grader.sandbox.box import MIB, Box, Limits, Mechanism, Mount, Program, base_environment
from grader.sandbox.mechanisms import MECHANISMS
from grader.sandbox.watch import run

_LIMITS = Limits(memory_mib=256, processes=24, disk_mib=16, file_mib=8, files=1000, cpu_seconds=20)
_MOST_PROCESSES = 100  # tried, of which fewer than the limit may start
_SECONDS = 60.0
_ANSWER_BYTES = 1 << 20

# Calls that would do no harm where they are allowed, and then would not give the error that the filter gives.
_CALLS: Mapping[str, tuple[int, ...]] = {
    "ptrace": (99,),
    "process_vm_readv": (0,),
    "pidfd_getfd": (-1, -1),
    "keyctl": (99,),
    "unshare": (0,),
    "setns": (-1, 0),
    "personality": (0xFFFFFFFF,),
    "userfaultfd": (-1,),
    "shmget": (0, 0),
    "io_uring_setup": (0, 0),
    "memfd_create": (0, 0),
    "clone3": (0, 0),
    "open_tree": (-1, 0, -1),
}

Answers = Mapping[str, Any]  # a claim of a program that was made to be believed: it ran before any student's code

_HELD: tuple[tuple[str, Callable[[Answers], bool]], ...] = (
    (noted("read a file outside"), lambda answers: answers["read"] != "done"),
    (noted("list a folder outside"), lambda answers: answers["list"] != "done"),
    (noted("write to a file outside"), lambda answers: answers["write"] != "done"),
    (noted("reach a listener on this machine"), lambda answers: answers["connect"] != "done"),
    (noted("see the grader's environment"), lambda answers: set(answers["environment"]) <= _expected_names()),
    (noted("keep capabilities"), lambda answers: answers["capabilities"] == 0),
    (noted("take more memory than it may"), lambda answers: answers["too much memory"] == "ENOMEM"),
    (
        noted("start more processes than it may"),
        lambda answers: answers["processes"][1] == "EAGAIN" and 0 < answers["processes"][0] < _LIMITS.processes,
    ),
    (noted("make system calls that are refused"), lambda answers: answers["calls"] == _refusals()),
)


@cache
def failure(name: str) -> Message | None:
    """Why the mechanism of this name does not hold on this machine, as a sentence; None when all was tried and held."""
    mechanism = MECHANISMS[name]
    reason = mechanism.unavailable()
    if reason is not None:
        return reason
    try:
        broken = attacks_that_worked(mechanism)
    except GraderError as error:
        return say("{name} was tried on this machine and does not work ({error})", name=name, error=error.message)
    if not broken:
        return None
    could = listed([say(what) for what in broken])
    return say("{name} was tried on this machine and does not hold: a program could {could}.", name=name, could=could)


def attacks_that_worked(mechanism: Mechanism) -> list[str]:
    """What a program could do in a box though it must not. Raises GraderError when a program cannot do what it must."""
    with tempfile.TemporaryDirectory(prefix="gr-trial-", ignore_cleanup_errors=True) as name, _listener() as listener:
        folder = Path(name)
        folder.chmod(0o755)
        box = _box(folder, mechanism)
        _write_order(folder, listener.getsockname()[1])
        program = Program(name="trial", arguments=(box.at("/order/order.json"), box.at("/box/answers.json")))
        done = run(program, box, mechanism, seconds=_SECONDS)
        answers = _answers(folder / "work" / "box" / "answers.json", done.tail)
        broken = [what for what, holds in _HELD if not holds(answers)]
        if _is_locked(folder / "work" / "box" / "daemon"):
            broken.append(noted("outlive its run"))
        return broken


def _box(folder: Path, mechanism: Mechanism) -> Box:
    for path in ("work/box", "order", "secret"):
        (folder / path).mkdir(parents=True, mode=0o755)
    (folder / "secret" / "secret").write_text("secret")
    (folder / "secret" / "secret").chmod(0o666)  # nothing but the sandbox guards it
    return Box(
        mounts=(
            Mount(source=folder / "work" / "box", target="/box", writable=True),
            Mount(source=folder / "order", target="/order"),
            Mount(source=Path(__file__).parents[1] / "inside", target="/inside"),
        ),
        home="/box",
        limits=_LIMITS,
        mapped=mechanism.MAPPED,
    )


def _write_order(folder: Path, port: int) -> None:
    order = {
        "secret": str(folder / "secret" / "secret"),
        "port": port,
        "most_processes": _MOST_PROCESSES,
        "memory": (_LIMITS.memory_mib * MIB, MIB),
        "calls": {name: (number, *_CALLS[name]) for name, number in _numbers().items()},
    }
    (folder / "order" / "order.json").write_text(json.dumps(order))
    (folder / "order" / "order.json").chmod(0o644)


def _numbers() -> dict[str, int]:
    """Nothing is tried where there is no filter: that is said openly, not found out."""
    if seccomp.program(shared=False) is None:
        return {}
    return {name: number for name, number in seccomp.numbers(platform.machine()).items() if name in _CALLS}


def _refusals() -> dict[str, str]:
    return {name: errno.errorcode[errno.EPERM if name in seccomp.REFUSED else errno.ENOSYS] for name in _numbers()}


def _expected_names() -> set[str]:
    return {*base_environment("", ""), "PWD", "LC_CTYPE"}  # bubblewrap sets the one, Python the other


def _answers(path: Path, tail: str) -> Answers:
    """What the program wrote down. Raises GraderError when it did not come to that, or could not do what it must."""
    try:
        with path.open("rb") as file:
            answers: Answers = json.loads(file.read(_ANSWER_BYTES))
    except (OSError, ValueError) as error:
        raise GraderError((tail.strip().splitlines() or ["no reason given"])[-1]) from error
    denied = [what for what, answer in answers["allowed"].items() if answer != "done"]
    if denied:
        raise GraderError(f"a program was denied what it needs: {', '.join(denied)}")
    return answers


@contextlib.contextmanager
def _listener() -> Iterator[socket.socket]:
    """A port of this machine that can be reached from outside a box."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname(), 5).close()
        yield listener


def _is_locked(path: Path) -> bool:
    """Whether a process still holds the lock that it took. A file that is not there was never locked: nobody is known to be gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
