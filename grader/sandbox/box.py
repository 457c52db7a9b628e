"""What a confined process may see and use, and how it is started: the records of the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from grader.language import Message

MIB = 1 << 20
_DATA_SHARE = 0.9  # of the memory limit may be one process's private data; the watchdog counts the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds for everything that runs in one box. `cpu_seconds` and `file_mib` hold for each process,
    `memory_mib` (resident, shared pages counted once), `processes` (with threads), `disk_mib` and `files` (with folders)
    for all together."""

    memory_mib: int
    processes: int
    disk_mib: int
    file_mib: int
    files: int
    cpu_seconds: int

    def resources(self) -> dict[str, int]:
        """Those that a process can be given by `setrlimit`, by their names in `resource`."""
        return {
            "RLIMIT_DATA": int(self.memory_mib * MIB * _DATA_SHARE),
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_FSIZE": self.file_mib * MIB,
            "RLIMIT_CPU": self.cpu_seconds,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`source` on the host is seen as `target` in the box."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a process sees beside the interpreter and its packages. `home` is the target that it starts in; it must be
    one of the writable mounts. `mapped` is False for a mechanism without a file system view of its own."""

    mounts: tuple[Mount, ...]
    home: str
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)
    mapped: bool = True

    def at(self, target: str) -> str:
        """Where the process finds `target`: a mount's target, or a path below one."""
        if self.mapped:
            return target
        for mount in self.mounts:
            if target == mount.target or target.startswith(mount.target + "/"):
                return str(mount.source) + target.removeprefix(mount.target)
        raise ValueError(target)

    def writable(self) -> tuple[Path, ...]:
        return tuple(mount.source for mount in self.mounts if mount.writable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of the scripts in `grader/inside`, by its module's name, and its arguments (paths by `Box.at`)."""

    name: str
    arguments: tuple[str, ...]

    def command(self, box: Box) -> list[str]:
        """How a fresh interpreter runs it."""
        script = box.at(f"/inside/{self.name}.py")
        return [sys.executable, "-X", "frozen_modules=off", script, *self.arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command ready to be started. `descriptors` must be inherited by it and closed afterwards. An `attended` one looks
    after what it starts: it is ended by closing its standard input, and is gone when all of that is gone. `user` is the one that it has
    become inside, where the grader was started by root. From `first`, where there is one, comes a JSON object with the
    `child-pid` of the box's first process, as soon as that is there; to be closed by whoever launches."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    descriptors: tuple[int, ...] = ()
    attended: bool = False
    user: int | None = None
    first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What a way to confine promises, each in a few words."""

    files: str
    network: str
    processes: str
    memory: str
    disk: str
    tree_kill: str
    seccomp: str


class Mechanism(Protocol):
    """A way to confine, satisfied by a module. `MAPPED` says whether boxes have a file system view of their own,
    `PROMISES` what they hold."""

    MAPPED: bool
    PROMISES: Promises

    def unavailable(self) -> Message | None:
        """Why this machine cannot do it, as a sentence with the next step; None when it can."""

    def launch(self, argv: Sequence[str], box: Box) -> Launch:
        """The command that starts `argv` in `box`."""


def base_environment(home: str, temporary: str) -> dict[str, str]:
    """The whole environment of foreign code: nothing of ours is inherited. One thread, no GPU, no downloads."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "LOGNAME": "student",
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "IPYTHONDIR": f"{temporary}/ipython",
        "MPLCONFIGDIR": f"{temporary}/matplotlib",
        "KERAS_HOME": f"{temporary}/keras",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PIP_NO_INDEX": "1",
        "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
