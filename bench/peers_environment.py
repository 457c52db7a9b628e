"""An environment of its own for each peer, with versions pinned here and TensorFlow as the project has it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.session import Session, say

_SAME = ("tensorflow", "keras", "numpy", "tensorboard", "ipykernel", "nbclient", "matplotlib")
_STAMP = "bench-requirements.txt"


@dataclass(frozen=True, slots=True)
class Peer:
    """A released tool: what to call it, and what to install."""

    name: str
    requirement: str


NBGRADER = Peer("nbgrader", "nbgrader==0.9.6")
OTTER = Peer("otter", "otter-grader[grading]==7.0.0")
PEERS = (NBGRADER, OTTER)


def environment(session: Session, peer: Peer) -> Path:
    """The peer's environment, made when it is not there or holds something else."""
    folder = session.options.peers / peer.name
    wanted = [peer.requirement, *(f"{name}=={version(name)}" for name in _SAME)]
    stamp = folder / _STAMP
    if not stamp.is_file() or stamp.read_text().splitlines() != wanted:
        say(f"installing {peer.requirement} into {folder}")
        _install(folder, wanted)
        stamp.write_text("\n".join(wanted) + "\n")
    return folder


def _install(folder: Path, wanted: list[str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = Path(sys.prefix, "bin", "uv")
    if uv.is_file():
        commands = (
            [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [str(uv), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *wanted],
        )
    else:
        commands = (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted],
        )
    for command in commands:
        subprocess.run(command, check=True)
