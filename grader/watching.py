"""A notebook that is graded whenever it is saved: what its text tells at once, the run in the background."""

from __future__ import annotations

import hashlib
import multiprocessing.process
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.errors import GraderError
from grader.language import current, shown, speak
from grader.processes import FORKED, end_with_parent
from grader.reporting.text import inert

_POLL_SECONDS = 0.3  # two looks that see the same make a save: some editors write in several steps
_TRIES = 20


def watch(path: Path, at_once: Callable[[], str], grade: Callable[[], object]) -> None:
    """Until Ctrl-C: whenever the content of `path` has changed, print what `at_once` says and start `grade`, which must
    be able to travel to another process; a run that is under way is ended by the next save."""
    running: multiprocessing.process.BaseProcess | None = None
    folder = tempfile.mkdtemp(prefix="gr-watch-")
    Path(folder).chmod(0o755)  # what runs confined has to get through
    try:
        for _ in saves(path):
            _end(running)
            print(at_once(), flush=True)
            running = FORKED.Process(target=_alone, args=(grade, folder, current()))
            running.start()
    except KeyboardInterrupt:
        pass  # how a watch ends
    finally:
        _end(running)
        _remove(Path(folder))


def _remove(folder: Path) -> None:
    """Remove a folder in which what was just killed may still write for a moment."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_POLL_SECONDS)


def saves(path: Path) -> Iterator[None]:
    """Once for what is there now, then once for each change of the content, when it has come to rest."""
    done = last = None
    while True:
        now = _digest(path)
        if now is not None and now == last and now != done:
            done = now
            yield
        last = now
        time.sleep(_POLL_SECONDS)


def _digest(path: Path) -> bytes | None:
    """None while there is no file: editors replace it."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _end(running: multiprocessing.process.BaseProcess | None) -> None:
    """End a run at once; what it has started ends with it."""
    if running is not None and running.pid is not None:  # else Ctrl-C came while it was being started
        running.kill()
        running.join()


def _alone(grade: Callable[[], object], folder: str, language: str) -> None:
    """Grade in a process and session of its own, which Ctrl-C does not reach; what it leaves lies in `folder`."""
    os.setsid()
    speak(language)
    end_with_parent()
    tempfile.tempdir = folder
    try:
        grade()
    except GraderError as error:
        print(f"grader: {inert(shown(error.message))}", file=sys.stderr)
