"""No confinement: limits per process only. For a student's own notebook on the student's own machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from grader.sandbox.box import MIB, Box, Launch, Promises, base_environment

MAPPED = False
PROMISES: Promises = (
    ("files", "none"),
    ("network", "none"),
    ("processes", "none"),
    ("memory", "watched from outside"),
    ("disk", "watched from outside"),
    ("tree kill", "only what stays in the program's session"),
    ("seccomp", "off"),
)


def unavailable() -> str | None:
    return None


def launch(argv: Sequence[str], box: Box) -> Launch:
    """`argv` in the folder of the box, with a clean environment. `box.mapped` must be False."""
    limits = box.limits
    bounds = [f"--fsize={limits.file_mib * MIB}", f"--cpu={limits.cpu_seconds}", "--core=0", "--"]
    prlimit = shutil.which("prlimit")
    home = box.at(box.home)
    return Launch(
        argv=[*([prlimit, *bounds] if prlimit else []), *argv],
        environment={**base_environment(home, home + "/.tmp"), **box.environment},
        directory=next(mount.source for mount in box.mounts if mount.target == box.home),
    )
