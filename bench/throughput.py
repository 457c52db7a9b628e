"""Row 3: a batch of different notebooks, two at a time."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, median

from bench import command
from bench.bare import bare, note
from bench.notebooks import THREE, first
from bench.records import Row, seconds, times
from bench.session import Session, say, size

_LEAST = 90.0


def batch(session: Session) -> Row:
    """The whole command, with its start, against bare executions one after the other."""
    count = size(session, real=24, quick=4)
    chosen = first(session, count)
    wall = median(_graded(session, chosen) for _ in range(session.options.long_runs))
    plain = mean(bare(session, name).wall_seconds for name in THREE) * count
    return Row(
        number=3,
        what=f"batch of {count} different notebooks, fast, --jobs 2, with the command's start",
        against=f"{count} bare executions in a row: {seconds(plain)} ({count} x mean of {', '.join(THREE)}"
        f"{note(session, *THREE)})",
        measured=f"{seconds(wall)}, {seconds(wall / count)} each",
        ratio=f"{times(plain / wall)} throughput",
        target=f"{_LEAST:.0f}x",
        met=plain / wall >= _LEAST,
    )


def _graded(session: Session, chosen: list[Path]) -> float:
    say(f"a batch of {len(chosen)}")
    return command.grade(session, chosen, session.new_folder("out"), "--jobs", "2").wall_seconds
