"""As whom a scenario is played: as who runs the tests, or, when that is root, as an ordinary user too.

Where the interpreter or the checkout lies in a folder that only root can enter, the scenario is played in a view of its
own, a mount namespace in which an empty folder that everybody can enter has taken that folder's place, with nothing in
it but the interpreter and the checkout. The machine itself is not changed, and nothing is copied.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from grader.places import reference_folder
from grader.sandbox import interpreter

ROOT = Path(__file__).parents[2]
USER = 62_000  # an ordinary user; nobody else on a machine has this id


def people() -> list[str]:
    return ["root", "user"] if os.geteuid() == 0 else ["user"]


def prefix(who: str) -> list[str]:
    """What must stand before a command so that this person runs it."""
    if os.geteuid() != 0:
        return []
    become = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--"] if who == "user" else []
    return [*_view(), *become]


def _view() -> list[str]:
    needed = [*interpreter.folders(), ROOT, reference_folder()]
    closed = sorted({folder for path in needed for folder in _first_closed(path)})
    if not closed:
        return []
    script = "\n".join(["set -e", "stage=$(mktemp -d)", *_mounts(closed, needed), 'rmdir $stage/* $stage; exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


def _first_closed(path: Path) -> Iterator[Path]:
    """The uppermost folder on the way to `path` that not everybody can enter."""
    on_the_way = [*reversed(path.parents), path]
    yield from [folder for folder in on_the_way if not folder.stat().st_mode & 0o001][:1]


def _mounts(closed: list[Path], needed: list[Path]) -> Iterator[str]:
    for number, path in enumerate(needed):
        yield f"mkdir $stage/{number}; mount --bind {shlex.quote(str(path))} $stage/{number}"
    for folder in closed:
        yield f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}"
    for number, path in enumerate(needed):
        place = shlex.quote(str(path))
        yield f"mkdir -p {place}; mount --bind $stage/{number} {place}; umount $stage/{number}"
