"""What the figures were measured on and with."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

from bench.options import Options
from bench.peers_environment import PEERS
from bench.session import SLICE

_PACKAGES = ("tensorflow", "keras", "numpy", "nbclient", "ipykernel")


def lines(options: Options) -> list[str]:
    """Date, machine, versions and how often things were run, as lines of a list."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [
        f"date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        f"machine: {_processor()}, {len(os.sched_getaffinity(0))} cores, {_memory_gib():.0f} GiB; "
        f"load {os.getloadavg()[1]:.1f} at the end",
        f"versions: grader {version('grader')}, Python {platform.python_version()}, {packages}; "
        f"peers: {', '.join(peer.requirement for peer in PEERS)}",
        f"medians of {options.runs} runs, and of {options.long_runs} of what takes minutes",
        _data(options),
    ]


def _data(options: Options) -> str:
    if options.quick:
        return f"--quick: all on {SLICE[0]} training and {SLICE[1]} test images, small classes; no target applies"
    return "data: MNIST from a file; bare and peers train on all of it"


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
