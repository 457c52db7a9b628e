"""Processes forked from one that has imported what they need: to import takes far longer than to fork.

The context is `multiprocessing`'s fork server. Runners of notebooks come from it, and the processes that judge; neither
ever runs a student's code.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from queue import Empty, SimpleQueue
from typing import TypeVar

_LOOKS_SECONDS = 0.5  # between looks for Ctrl-C
Ended = TypeVar("Ended")
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["grader.fork_server", "grader.runner", "grader.homework", "grader.reporting.html", "grader.reporting.machine"]
)


def begin() -> None:
    """Start the fork server, which then imports while the command prepares what it asks of it."""
    forkserver.ensure_running()


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Up to `count` threads, which are waited for, but not after Ctrl-C: what they wait for themselves may take minutes, and
    it ends with this process."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def as_they_end(futures: Collection[Future[Ended]]) -> Iterator[Future[Ended]]:
    """Futures in the order in which they end. A signal that comes just before a wait for ever would be seen only after it
    (Python looks for signals before it waits, not while): so the wait ends now and then."""
    ended: SimpleQueue[Future[Ended]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    for _ in futures:
        yield _next(ended)


def _next(ended: SimpleQueue[Future[Ended]]) -> Future[Ended]:
    while True:
        with suppress(Empty):
            return ended.get(timeout=_LOOKS_SECONDS)


def end_with_parent() -> None:
    """Let this forked process end when the one that asked for it is gone, however that went. The fork server would not
    notice, and a death signal would come from it."""
    threading.Thread(target=_follow, daemon=True).start()


def end_if_orphan() -> None:
    """End this forked process if the one that asked for it is gone already."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
