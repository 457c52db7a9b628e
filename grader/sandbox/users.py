"""User ids for boxes: started by root, the grader gives each box a user of its own.

The kernel counts processes by user and lets a user signal itself, so boxes that shared one would get in each other's way.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from grader.sandbox.box import Box

# No system gives out ids of this range (systemd's "Users, Groups, UIDs and GIDs" lists those that are given out). It has
# room for each process id there can be, and the boxes that one process has at a time.
_FIRST, _BOXES, _LAST = 1_880_000_000, 60, 2_147_000_000
_FIRST_IN_SMALL, _SMALL = 61_000, 4_000  # where a container maps few ids: almost surely another for each box
_counter = itertools.count()


def fresh() -> int | None:
    """The user and group that the next box runs as. None unless started by root: it then stays the same user."""
    if os.geteuid() != 0:
        return None
    number = os.getpid() * _BOXES + next(_counter) % _BOXES
    return _FIRST + number if plenty() else _FIRST_IN_SMALL + number % _SMALL


def hand_over(box: Box, user: int) -> None:
    """Give the writable folders to the user that the box runs as."""
    for folder in box.writable():
        os.chown(folder, user, user, follow_symlinks=False)


def plenty() -> bool:
    """Whether all user and group ids can be given away here, or a container has only some."""
    return all(any(first + count > _LAST for first, count in _mapped(kind)) for kind in ("uid", "gid"))


def _mapped(kind: str) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/self/{kind}_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        yield first, count
