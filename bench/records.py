"""What is measured, and what becomes a row of the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process used, in seconds of wall and CPU time with all children that were waited for, and the highest
    resident memory of any one of them."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table. `met` is None where there is no target; `failed` says that nothing could be measured."""

    number: int
    what: str
    against: str = ""
    measured: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None
    failed: bool = False


def middle(usages: Iterable[Usage]) -> Usage:
    """The medians of several runs, each field by itself."""
    found = list(usages)
    return Usage(
        wall_seconds=median(usage.wall_seconds for usage in found),
        cpu_seconds=median(usage.cpu_seconds for usage in found),
        peak_mib=median(usage.peak_mib for usage in found),
    )


def seconds(value: float) -> str:
    """`955 s`, `12.3 s`, `0.24 s`: three figures are more than a shared machine is worth."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def times(value: float) -> str:
    """`48x`, `2.9x`."""
    return f"{value:.0f}x" if value >= 20 else f"{value:.1f}x"
