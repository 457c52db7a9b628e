"""Taking files out of a box: plain files only, no link followed, bounded. Only called when nobody writes any more."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_DEEPEST = 8


def event_files(folder: Path) -> Iterator[Path]:
    """Plain files with event-file names below a folder, no link followed, a few folders deep."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(folders) if len(Path(path).relative_to(folder).parts) < _DEEPEST else []
        for name in sorted(names):
            file = Path(path, name)
            if "tfevents" in name and not file.is_symlink() and file.is_file():
                yield file


def take(source: Path, target: Path, most: int) -> None:
    """Copy one plain file, at most `most` bytes of it. Links, pipes and files with a second name are left behind."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as copy:
            while most > 0 and (chunk := file.read(min(most, 1 << 20))):
                copy.write(chunk)
                most -= len(chunk)


def take_events(source: Path, target: Path, *, files: int, most: int) -> None:
    """Copy the event files below a folder, with their places below it."""
    for index, file in enumerate(event_files(source)):
        if index < files:
            take(file, target / file.relative_to(source), most)
