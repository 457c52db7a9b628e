"""How foreign code is confined: one table of mechanisms, one way to launch, one way to wait.

A `Box` says what a process may see; a mechanism turns a command and a box into a `Launch`. The paths in a command are
written with `Box.at(target)`, because a mechanism without a file system view of its own shows files where they lie.
"""

from __future__ import annotations

from grader.errors import SandboxUnavailable
from grader.sandbox import bubblewrap, landlock, unconfined
from grader.sandbox.box import Box, Launch, Limits, Mechanism, Mount, Program
from grader.sandbox.warm import WarmWorker
from grader.sandbox.watch import Completed, run

MECHANISMS: dict[str, Mechanism] = {"bubblewrap": bubblewrap, "landlock": landlock, "none": unconfined}

__all__ = [
    "MECHANISMS",
    "Box",
    "Completed",
    "Launch",
    "Limits",
    "Mechanism",
    "Mount",
    "Program",
    "WarmWorker",
    "choose",
    "run",
]


def choose(*, allow_unconfined: bool) -> str:
    """The name of the best mechanism that works on this machine now.

    Raises SandboxUnavailable when only running unconfined is left and the caller does not allow that.
    """
    reason = bubblewrap.unavailable()
    if reason is None:
        return "bubblewrap"
    if allow_unconfined:
        return "none"
    raise SandboxUnavailable(
        f"{reason} Other people's notebooks are not run without it. Install it, or, if you trust every one of these "
        "notebooks with your files and your network, say so with --without-sandbox."
    )
