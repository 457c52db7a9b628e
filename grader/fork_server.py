"""Imported by the fork server alone: it says nothing when whoever asked for a process is gone before it has one."""

from __future__ import annotations

import sys
from types import TracebackType

_usual = sys.excepthook


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The standard library's server ends with a traceback then. Ctrl-C can come at that instant: nothing is wrong, and the
    next process that is asked for starts another server."""
    if not issubclass(kind, (EOFError, ConnectionError, KeyboardInterrupt)):
        _usual(kind, error, trace)


sys.excepthook = _told
