"""Processes forked from one that has imported what they need: to import takes far longer than to fork.

The context is `multiprocessing`'s fork server. Runners of notebooks come from it, and the processes that judge; neither
ever runs a student's code.
"""

from __future__ import annotations

import multiprocessing

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["grader.runner", "grader.homework", "grader.reporting.html", "grader.reporting.machine"])
