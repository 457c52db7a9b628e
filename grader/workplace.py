"""Where this process keeps files for a while: one folder, held for as long as the process lives.

A process that is killed cannot clean up after itself. The next one does: a folder is held by a lock (flock) that the
system takes away with its owner, so what nobody holds any more is removed. Only light modules are imported here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_PREFIX = "gr-work-"
_SHORT = 60  # characters of a path below which sockets can be made; 107 bytes are all that one may have
_AFTER_MULTIPROCESSING = -200  # which has a folder of its own in this one, and removes it at -100


@contextmanager
def temporary_files() -> Iterator[None]:
    """Everything temporary is made in this process's own folder while the context lasts."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder())
    try:
        yield
    finally:
        tempfile.tempdir = before


@cache
def folder() -> Path:
    """This process's own folder. It is made when it is first asked for, and removed when the process ends."""
    from multiprocessing import util

    parent = _short_folder()
    _sweep(parent)
    while True:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        if _hold(made) is not None and made.is_dir():  # else it was swept before it was held
            break
    made.chmod(0o711)  # the sandbox's user has to get through
    util.Finalize(None, remove, exitpriority=_AFTER_MULTIPROCESSING)
    return made


def remove() -> None:
    """Remove this process's own folder, if it has one."""
    if folder.cache_info().currsize:
        shutil.rmtree(folder(), ignore_errors=True)


def _short_folder() -> Path:
    """Sockets need short paths: where all that is temporary lies, or /tmp where that is too deep."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= _SHORT or not os.access("/tmp", os.W_OK) else "/tmp")


def _hold(made: Path) -> int | None:
    """A descriptor that holds a folder until this process ends; None when another holds it, or it is gone. Programs that
    are started do not inherit it."""
    try:
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(parent: Path) -> None:
    """Remove the folders of processes that are gone."""
    for left in parent.glob(_PREFIX + "*"):
        descriptor = _hold(left)
        if descriptor is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)
