"""Files of ours that are there as a whole or not at all, and names of other people's. Only light modules are imported here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place for what takes the place of a file when all of it is there; otherwise nothing is left of it."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"  # two processes may write the same file
    try:
        yield temporary
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def printable(name: str) -> str:
    """A name that somebody else has chosen, for a sentence."""
    return "".join(c if c.isprintable() else "?" for c in name)
