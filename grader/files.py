"""Files of ours that are there as a whole or not at all, and names of other people's. Only light modules are imported here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place for what takes the place of a file when all of it is there; otherwise nothing is left of it."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"  # two processes may write the same file
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:  # whoever makes what is written may fail, too
        temporary.unlink(missing_ok=True)
        raise


def below(folder: Path, without: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """All files below a folder, links among them, by their place in it and as paths, in an order that does not depend on the
    file system. Folders called as in `without` are left out. Paths are strings: of a class there are many thousands."""
    root = str(folder)
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in without)
        for path in (os.path.join(where, name) for name in sorted(names)):  # noqa: PTH118
            yield path[len(root) :].lstrip("/"), path


def printable(name: str) -> str:
    """A name that somebody else has chosen, for a sentence."""
    return "".join(c if c.isprintable() else "?" for c in name)
