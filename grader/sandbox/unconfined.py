"""No confinement: limits per process only. For a student's own notebook on the student's own machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from grader.language import Message, noted
from grader.sandbox.box import MIB, Box, Launch, Promises, base_environment

MAPPED = False
PROMISES = Promises(
    files=noted("none"),
    network=noted("none"),
    processes=noted("none"),
    memory=noted("watched from outside"),
    disk=noted("watched from outside"),
    tree_kill=noted("only what stays in the program's session"),
    seccomp=noted("off"),
)


def unavailable() -> Message | None:
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
