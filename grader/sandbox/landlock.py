"""Confinement without namespaces, by Landlock and a filter of system calls: for machines and containers that allow no
namespace. Files are named by rules, all sockets but unnamed ones and those that wait for a connection are refused, and
an attendant (`grader/inside/attendant.py`) looks after the processes.

Started by root, each box becomes a user of its own. Started by an ordinary user it stays that user: only Landlock keeps
its signals from that user's other processes, so an older Landlock is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.errors import SandboxUnavailable
from grader.language import Message, noted, say
from grader.sandbox import interpreter, seccomp, users
from grader.sandbox.box import Box, Launch, Promises, base_environment
from grader.sandbox.descriptors import holding

MAPPED = False
PROMISES = Promises(
    files=noted("the interpreter, read-only, and the box; elsewhere names and sizes can be asked for, contents cannot"),
    network=noted("none: nothing can be connected to or addressed"),
    processes=noted("as root a limit of its own for each box, else one for all that the user runs"),
    memory=noted("private memory a process, watched from outside for all together"),
    disk=noted("watched from outside"),
    tree_kill=noted("an attendant kills what is left, until nothing is"),
    seccomp=noted("on"),
)

_INSIDE = Path(__file__).parents[1] / "inside"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
# What says nothing of persons. Programs expect that such a file is not there, but not that it may not be read.
_SETTINGS = tuple(
    f"/etc/{name}"
    for name in ("ld.so.cache", "localtime", "alternatives", "fonts", "nsswitch.conf", "os-release", "debian_version")
)
_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_CREATE_RULESET, _VERSION = 444, 1  # landlock_create_ruleset(2), on all machines
_SIGNALS_SINCE = 6  # the version that confines signals


def unavailable() -> Message | None:
    """Why this machine cannot do it, as far as can be said without a trial."""
    if seccomp.program(shared=True) is None:
        return say("No filter of system calls is known for this machine ({machine}).", machine=os.uname().machine)
    version = abi()
    if version == 0:
        return say(
            "The kernel has no Landlock, or the container hides it: it needs Linux 5.13, with landlock among its lsm= modules."
        )
    if os.geteuid() != 0 and version < _SIGNALS_SINCE:
        return say(
            "Landlock here is of version {version}, which lets programs kill the user's other processes: it needs Linux 6.12, "
            "or to be started by root.",
            version=version,
        )
    return _why_not_as_root() if os.geteuid() == 0 else None


def abi() -> int:
    """The version of Landlock that the kernel has; 0 for none."""
    version: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, version)


def _why_not_as_root() -> Message | None:
    if not users.plenty():
        return say("Root in this container has too few user ids to give away: start the grader as an ordinary user.")
    hidden = next((path for path in (*interpreter.folders(), _INSIDE) if not _open_to_all(path)), None)
    return _hidden(hidden) if hidden else None


def _hidden(path: Path) -> Message:
    return say(
        "The box of root becomes another user, who cannot read {path}. Install the grader in a folder that everybody can enter, "
        "or start it as an ordinary user.",
        path=str(path),
    )


def _open_to_all(path: Path) -> bool:
    """Whether every user can come to a file or folder, and read it."""
    return bool(path.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in path.parents)


def launch(argv: Sequence[str], box: Box) -> Launch:
    """The attendant's command for `argv`. `box.mapped` must be False."""
    described = holding(json.dumps({"argv": list(argv), **request(box)}).encode())
    return Launch(
        argv=[sys.executable, "-S", "-E", "-X", "frozen_modules=off", str(_INSIDE / "attendant.py"), str(described)],
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        directory=Path("/"),
        descriptors=(described,),
        attended=True,
    )


def _check_readable(box: Box) -> None:
    hidden = [mount.source for mount in box.mounts if not mount.writable and not _open_to_all(mount.source)]
    if hidden:
        raise SandboxUnavailable(_hidden(hidden[0]))


def request(box: Box) -> dict[str, object]:
    """What a program that confines itself must know. The box's folders are given to its user."""
    home, calls, user = box.at(box.home), seccomp.program(shared=True), users.fresh()
    assert calls is not None
    if user is not None:
        _check_readable(box)
        users.hand_over(box, user)
    return {
        "directory": home,
        "environment": {**base_environment(home, home + "/.tmp"), **box.environment},
        "user": user,
        "limits": _limits(box),
        "rules": list(_rules(box)),
        "filter": calls.hex(),
    }


def _limits(box: Box) -> dict[str, int]:
    """For an ordinary user the kernel counts all that the user runs: what runs already is granted on top."""
    others = 0 if os.geteuid() == 0 else _tasks_of(os.getuid())
    return dataclasses.replace(box.limits, processes=box.limits.processes + others).resources()


def _tasks_of(user: int) -> int:
    """Processes and threads of a user that can be seen from here."""
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            found += len(list((path / "task").iterdir())) if path.stat().st_uid == user else 0
    return found


def _rules(box: Box) -> Iterator[tuple[str, str]]:
    for folder in (*map(Path, _SYSTEM), *interpreter.folders()):
        yield from _readable(folder.resolve())
    for path in (*_SETTINGS, *_MACHINE):
        yield path, "read"
    for path in _DEVICES:
        yield path, "device"
    for mount in box.mounts:
        yield str(mount.source), "write" if mount.writable else "read"
        if mount.source.suffix == ".py":
            yield str(mount.source.parent), "list"  # Python imports from folders that it can list


def _readable(path: Path) -> Iterator[tuple[str, str]]:
    """All of a folder but what is private in it. A rule cannot be taken back for a part, so its neighbours are named.
    Links among them are left out: a rule would hold for what they lead to, which may be the way to it."""
    own = interpreter.hidden()
    if path in own:
        return
    if not any(place.is_relative_to(path) for place in own):
        yield str(path), "read"
        return
    yield str(path), "list"
    for child in sorted(path.iterdir()):
        if not child.is_symlink():
            yield from _readable(child)
