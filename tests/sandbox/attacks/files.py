"""Reads and changes what lies outside."""

import os
from pathlib import Path

from common import answer, attempt, order


def open_for_writing(path):
    """Nothing is written: should it be allowed, no harm is done."""
    open(path, "a").close()


def read_everything_about_processes():
    found = ""
    for process in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline"):
            if attempt(open, f"/proc/{process}/{name}") == "done":
                found += Path("/proc", process, name).read_bytes().decode(errors="replace")
    return found


def texts_of_processes():
    found = []
    attempt(lambda: found.append(read_everything_about_processes()))
    return "".join(found)


asked = order()
os.symlink(asked["secret"], "link")
answer(
    read={path: attempt(open, path) for path in [*asked["read"], "link"]},
    listed={path: attempt(os.listdir, path) for path in asked["list"]},
    written={path: attempt(open_for_writing, path) for path in asked["write"]},
    made={path: attempt(os.mkdir, path + "/made") for path in asked["list"]},
    removed=attempt(os.unlink, asked["secret"]),
    renamed=attempt(os.rename, asked["secret"], "taken"),
    linked=attempt(os.link, asked["secret"], "linked"),
    truncated=attempt(os.truncate, asked["secret"], 0),
    changed=[attempt(os.chmod, asked["secret"], 0o777), attempt(os.utime, asked["secret"], (0, 0))],
    processes=texts_of_processes(),
    own=attempt(open_for_writing, "own"),
)
