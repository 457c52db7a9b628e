"""Processes forked from one that has imported what they need: to import takes far longer than to fork.

The context is `multiprocessing`'s fork server. Runners of notebooks come from it, and the processes that judge; neither
ever runs a student's code.
"""

from __future__ import annotations

import multiprocessing
import os
import threading

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["grader.runner", "grader.homework", "grader.reporting.html", "grader.reporting.machine"])


def end_with_parent() -> None:
    """Let this forked process end when the one that asked for it is gone, however that went. The fork server would not
    notice, and a death signal would come from it."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
