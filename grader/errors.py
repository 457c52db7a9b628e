"""Our own failures, each with an exit code and a message that ends with what to do next.

    GraderError            3   the harness could not grade
    ├── UsageError         2   wrong use: a path that is not there, an option that makes no sense
    ├── SandboxUnavailable 3   foreign code would have to run unconfined
    ├── DataUnavailable    3   the data that were asked for cannot be had
    ├── BrokenReference    3   assignment.toml or the reference runs are broken
    ├── ProbeFailed        3   a probe process broke for a reason of ours
    ├── CannotWrite        3   a disk is full, or a folder of ours cannot be written
    ├── InUse              3   another command is at work on the same results
    ├── SetAside           3   one submission that ended the whole harness again and again; the class goes on
    └── UnreadableSubmission   one submission that cannot be graded; the class goes on

What goes wrong in the student's world is a `Fault` in a record, never one of these.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TypeGuard

from grader.language import Message, listed, noted, say


class GraderError(Exception):
    """The harness could not do its work."""

    exit_code = 3

    def __init__(self, message: Message | str) -> None:
        super().__init__(message)
        self.message = message


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


class CannotWrite(GraderError):
    """A disk is full, or a folder of ours cannot be written. It stops a class: the next submission would fare no better,
    and none of them is to blame."""

    @classmethod
    def because_of(cls, error: OSError, place: Path) -> CannotWrite:
        """One sentence for what the system said while `place`, or the file that it names itself, was written."""
        where = error.filename if isinstance(error.filename, str) else place
        trouble = say(_TROUBLE.get(error.errno or 0, _OTHER), where=str(where), said=str(error.strerror))
        return cls(listed((trouble, GO_ON), " "))


GO_ON = say("Then give the same command again: what was finished is kept.")
_OTHER = noted("{where} could not be written ({said}). Mend that, or choose another folder.")
_FULL = noted("The disk is full: there is no room for {where}. Make room.")
_FORBIDDEN = noted("{where} may not be written ({said}). Change that, or choose another folder.")
_TROUBLE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EIO: noted(
        "The disk failed while {where} was written or read ({said}). Look after it, or choose another folder."
    ),
}


_ALWAYS_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_of_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error may be about a disk as such, where we write: one that is odd, for a file of somebody else's."""
    return isinstance(error, OSError) and error.errno in _TROUBLE


def is_full_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error is about a disk that takes no more: nothing that is handed in can bring that about by being read."""
    return isinstance(error, OSError) and error.errno in _ALWAYS_OURS


class InUse(GraderError):
    """Another command is at work on the same results."""


class SetAside(GraderError):
    """A submission during which the whole harness ended again and again."""


class UnreadableSubmission(GraderError):
    """What was handed in is no notebook that can be graded: one clear sentence for its owner."""

    message: Message
