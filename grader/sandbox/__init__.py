"""How foreign code is confined: one table of mechanisms, one way to launch, one way to wait.

A `Box` says what a process may see; a mechanism turns a command and a box into a `Launch`. The paths in a command are
written with `Box.at(target)`, because a mechanism without a file system view of its own shows files where they lie.
"""

from __future__ import annotations

from grader.errors import SandboxUnavailable
from grader.language import listed, say
from grader.sandbox.box import Box, Launch, Limits, Mechanism, Mount, Program
from grader.sandbox.mechanisms import MECHANISMS, TIERS
from grader.sandbox.trial import failure
from grader.sandbox.warm import WarmWorker
from grader.sandbox.watch import Completed, run

__all__ = [
    "MECHANISMS",
    "TIERS",
    "Box",
    "Completed",
    "Launch",
    "Limits",
    "Mechanism",
    "Mount",
    "Program",
    "WarmWorker",
    "choose",
    "failure",
    "run",
]


def choose(*, allow_unconfined: bool) -> str:
    """The name of the best mechanism that was tried on this machine, by this process, and held.

    Raises SandboxUnavailable when only running unconfined is left and the caller does not allow that.
    """
    reasons = []
    for name in TIERS:
        reason = failure(name)
        if reason is None:
            return name
        reasons.append(reason)
    if allow_unconfined:
        return "none"
    advice = say(
        "Other people's notebooks are not run without a sandbox. Make one of the two work, or, if you trust every one of these "
        "notebooks with your files and your network, say so with --without-sandbox."
    )
    raise SandboxUnavailable(listed((*reasons, advice), " "))
