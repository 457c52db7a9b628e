"""Our own failures, each with an exit code and a message that ends with what to do next.

    GraderError            3   the harness could not grade
    ├── UsageError         2   wrong use: a path that is not there, an option that makes no sense
    ├── SandboxUnavailable 3   foreign code would have to run unconfined
    ├── DataUnavailable    3   the data that were asked for cannot be had
    ├── BrokenReference    3   assignment.toml or the reference runs are broken
    ├── ProbeFailed        3   a probe process broke for a reason of ours
    └── UnreadableSubmission   one submission that cannot be graded; the class goes on

What goes wrong in the student's world is a `Fault` in a record, never one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is light to import stays so
    from grader.records import Message


class GraderError(Exception):
    """The harness could not do its work."""

    exit_code = 3


class UsageError(GraderError):
    """The command was used wrongly."""

    exit_code = 2


class SandboxUnavailable(GraderError):
    """Other people's code would have to run unconfined."""


class DataUnavailable(GraderError):
    """The data that were asked for cannot be had."""


class BrokenReference(GraderError):
    """The assignment or the reference runs cannot be read."""


class ProbeFailed(GraderError):
    """A probe process broke for a reason of ours."""


class UnreadableSubmission(GraderError):
    """What was handed in is no notebook that can be graded: one clear sentence for its owner."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message
