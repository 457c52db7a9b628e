"""What all rows share: the options, a working folder, the data. Measurements are made once for each session."""

from __future__ import annotations

import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.options import Options
from grader import data

SLICE = (2400, 1168)  # training and test images of --quick: as many as the profile fast takes


@dataclass(frozen=True, slots=True)
class Session:
    """One call of the benchmark. It can be hashed, so that what is measured for it can be cached."""

    options: Options
    folder: Path

    def new_folder(self, name: str) -> Path:
        """An empty folder that no other measurement uses."""
        number = sum(1 for path in self.folder.iterdir() if path.name.startswith(f"{name}-"))
        path = self.folder / f"{name}-{number + 1}"
        path.mkdir()
        return path


@functools.cache
def dataset(session: Session) -> Path:
    """The file that everything in this session trains on: MNIST as it is, or a slice of it for --quick."""
    if not session.options.quick:
        return session.options.mnist
    path = session.folder / "mnist-slice.npz"
    data.save(data.slice_for(data.load(str(session.options.mnist)), *SLICE), path)
    return path


def size(session: Session, real: int, quick: int) -> int:
    """How many there are of something."""
    return quick if session.options.quick else real


def say(text: str) -> None:
    """Progress, with the time of day."""
    print(f"bench {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
