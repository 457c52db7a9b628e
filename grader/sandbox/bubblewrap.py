"""Confinement by bubblewrap: own mounts, processes and network; of the host only the interpreter, read-only.

Started by root it becomes another, unprivileged user inside: with a user namespace alone the kernel would still see
root (limits on processes would not hold, and root's files could be read). Started by an ordinary user, a user
namespace of its own is used and no further one can be made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from grader.language import Message, listed, noted, say
from grader.sandbox import interpreter, seccomp, users
from grader.sandbox.box import MIB, Box, Launch, Limits, Mount, Promises, base_environment
from grader.sandbox.descriptors import holding

MAPPED = True
PROMISES = Promises(
    files=noted("the interpreter, read-only, and the box; nothing else is there"),
    network=noted("none: a network of its own without any way out"),
    processes=noted("a limit of its own for each box; the host's cannot be seen"),
    memory=noted("private memory a process, watched from outside for all together"),
    disk=noted("watched from outside; /tmp and /dev/shm have a size"),
    tree_kill=noted("the kernel kills all with the first process"),
    seccomp=noted("on") if seccomp.program(shared=False) else noted("off: no filter is known for this machine"),
)

_INSIDE_USER = 1000  # as which an ordinary user is seen inside
_SMALL_MIB = 64  # /tmp and /dev/shm


@cache
def unavailable() -> Message | None:
    """Why this machine cannot do it; None after a trial run that worked."""
    if shutil.which("bwrap") is None:
        return say("The sandbox needs the Debian package bubblewrap (apt-get install bubblewrap).")
    trial = ["bwrap", *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    why = say("bubblewrap is installed but cannot make a sandbox on this machine ({said}).", said=said)
    return listed((why, *_advice()), " ")


def _advice() -> Iterator[Message]:
    """What would allow it, where one setting of the kernel is what forbids it."""
    for path, forbids, allows in _SETTINGS:
        with contextlib.suppress(OSError):
            if Path("/proc/sys", path).read_text().strip() == forbids:
                setting = f"{path.replace('/', '.')}={allows}"
                yield say("User namespaces are forbidden here: sudo sysctl {setting} allows them.", setting=setting)
                return


_SETTINGS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu since 23.10
    ("kernel/unprivileged_userns_clone", "0", "1"),  # Debian before 11
    ("user/max_user_namespaces", "0", "10000"),
)


def launch(argv: Sequence[str], box: Box) -> Launch:
    """The bwrap command for `argv`. Paths of the host travel by a descriptor, not in the visible command line."""
    user = users.fresh()
    if user is not None:
        users.hand_over(box, user)
    descriptors: list[int] = []
    options = [
        *_system(descriptors, user),
        *_interpreter(),
        *_mounts(box.mounts),
        *["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(_SMALL_MIB * MIB)],
        *["--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", box.home],
        *_namespaces(),
        *["--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"],
        *_filter(descriptors),
        *_environment(box),
    ]
    first, says = os.pipe()
    listed = holding(("\0".join(options) + "\0").encode(errors="surrogateescape"))
    command = [
        "bwrap",
        "--info-fd",
        str(says),
        "--args",
        str(listed),
        "--",
        *_become(user),
        *_prlimit(box.limits),
        *argv,
    ]
    return Launch(
        argv=command,
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        directory=Path("/"),
        descriptors=(*descriptors, listed, says),
        user=user,
        first=first,
    )


def _is_root() -> bool:
    return os.geteuid() == 0


def _namespaces() -> list[str]:
    spaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if _is_root():
        kept = [word for cap in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP") for word in ("--cap-add", cap)]
        return [*spaces, "--cap-drop", "ALL", *kept]
    inside = ["--uid", str(_INSIDE_USER), "--gid", str(_INSIDE_USER)]
    return [*spaces, "--unshare-user", "--disable-userns", *inside, "--cap-drop", "ALL"]


def _become(user: int | None) -> list[str]:
    if user is None:
        return []
    drop = ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]
    return ["/usr/bin/setpriv", "--reuid", str(user), "--regid", str(user), *drop]


def _prlimit(limits: Limits) -> list[str]:
    """Set inside: a limit on processes that is set outside would stop bwrap itself."""
    options = [f"--{name.removeprefix('RLIMIT_').lower()}={value}" for name, value in limits.resources().items()]
    return ["/usr/bin/prlimit", *options, "--"]


def _system(descriptors: list[int], user: int | None) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    yield from _directory("/etc")
    for name in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"):
        yield from ("--ro-bind-try", name, name)
    inside = _INSIDE_USER if user is None else user
    for name, line in (
        ("/etc/passwd", f"student:x:{inside}:{inside}::/:/bin/sh\n"),
        ("/etc/group", f"student:x:{inside}:\n"),
    ):
        descriptors.append(holding(line.encode()))
        yield from ("--perms", "0444", "--ro-bind-data", str(descriptors[-1]), name)
    yield from ("--perms", "1777", "--size", str(_SMALL_MIB * MIB), "--tmpfs", "/tmp")


def _interpreter() -> Iterator[str]:
    """The running interpreter, its environment and its packages, without what is private among them."""
    shown = interpreter.folders()
    for folder in shown:
        yield from _parents(folder)
        yield from ("--ro-bind", str(folder), str(folder))
    for own in interpreter.hidden():
        if any(own.is_relative_to(folder) for folder in [*shown, Path("/usr")]):
            yield from (
                ("--perms", "0000", "--tmpfs", str(own)) if own.is_dir() else ("--ro-bind", "/dev/null", str(own))
            )


def _mounts(mounts: Sequence[Mount]) -> Iterator[str]:
    for mount in mounts:
        yield from _parents(Path(mount.target))
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target)


def _parents(path: Path) -> Iterator[str]:
    """Readable parent folders: those that bwrap makes by itself as root could not be entered."""
    for parent in reversed(path.parents):
        if str(parent) not in ("/", "/usr", "/tmp"):
            yield from _directory(str(parent))


def _directory(path: str) -> tuple[str, ...]:
    return ("--perms", "0755", "--dir", path)


def _environment(box: Box) -> Iterator[str]:
    for name, value in {**base_environment(box.home, "/tmp"), **box.environment}.items():
        yield from ("--setenv", name, value)


def _filter(descriptors: list[int]) -> Iterator[str]:
    """System calls are refused to all that runs inside, bwrap's own first process included."""
    calls = seccomp.program(shared=False)
    if calls is not None:
        descriptors.append(holding(calls))
        yield from ("--seccomp", str(descriptors[-1]))
