"""Row 8: memory of the command's own process in small and large classes, and of a submission's processes."""

from __future__ import annotations

from statistics import median

from bench.many import graded
from bench.records import Row
from bench.session import Session, size
from bench.warm import gradings

_PARENT_MIB = 200
_WORKER_MIB = 1229  # 1.2 GiB
_MOST_GROWTH = 1.1  # what still counts as flat


def bounds(session: Session) -> Row:
    """The parent is the process of the command; its classes are those of row 9. A worker's peak is the grade's own."""
    sizes = 10, size(session, 1000, 100)
    small, large = (median(one.peak_mib for one in graded(session, count)) for count in sizes)
    worker = max(one.peak_mib for one in gradings(session, "fast"))
    flat = large <= small * _MOST_GROWTH
    return Row(
        number=8,
        what=f"peak memory: parent with {sizes[0]} and {sizes[1]} submissions (as in row 9); one fast grading's worker",
        against="",
        measured=f"parent {small:.0f} and {large:.0f} MiB; worker {worker} MiB",
        ratio=f"{large / small:.2f} growth",
        target=f"parent at most {_PARENT_MIB} MiB and flat (growth at most {_MOST_GROWTH}); worker at most 1.2 GiB",
        met=flat and max(small, large) <= _PARENT_MIB and worker <= _WORKER_MIB,
    )
