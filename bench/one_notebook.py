"""Rows 1, 2 and 7: one notebook, graded by a warm worker."""

from __future__ import annotations

from statistics import median

from bench.bare import bare, note
from bench.records import Row, seconds, times
from bench.session import Session
from bench.warm import gradings

_MOST_SHARE = 0.10


def fast(session: Session) -> Row:
    """Row 1: the profile that everybody uses."""
    return _against_bare(session, number=1, profile="fast", least=50, reach=80)


def full(session: Session) -> Row:
    """Row 2: the profile that trains on all that the bare execution trains on."""
    return _against_bare(session, number=2, profile="full", least=3, reach=5)


def _against_bare(session: Session, *, number: int, profile: str, least: float, reach: float) -> Row:
    graded, plain = gradings(session, profile), bare(session, "seed")
    wall, cpu = median(one.wall_seconds for one in graded), median(one.cpu_seconds for one in graded)
    ratios = plain.wall_seconds / wall, plain.cpu_seconds / cpu
    return Row(
        number=number,
        what=f"grade one notebook, {profile}, warm",
        against=f"bare execution: {seconds(plain.wall_seconds)} wall, {seconds(plain.cpu_seconds)} CPU"
        + note(session, "seed"),
        measured=f"{seconds(wall)} wall, {seconds(cpu)} CPU",
        ratio=f"{times(ratios[0])} wall, {times(ratios[1])} CPU",
        target=f"{least:g}x, reach {reach:g}x",
        met=min(ratios) >= least,
    )


def harness_share(session: Session) -> Row:
    """Row 7. Of wall time it is what is left beside the cells and probes, so the kernel's start is in it and it is an
    upper bound; of CPU time it is that of all processes without TensorFlow: parent, runner, judges, sandbox."""
    graded = gradings(session, "fast")
    wall = median(1 - one.student_seconds / one.wall_seconds for one in graded)
    cpu = median(one.harness_cpu_seconds / one.cpu_seconds for one in graded)
    left = median(one.wall_seconds - one.student_seconds for one in graded)
    spent = median(one.harness_cpu_seconds for one in graded)
    return Row(
        number=7,
        what="the harness's own share of a fast grading (wall: all but cells and probes, so with the kernel's start; "
        "CPU: all processes without TensorFlow)",
        against="the whole grading",
        measured=f"{seconds(left)} wall, {seconds(spent)} CPU",
        ratio=f"{wall:.1%} wall, {cpu:.1%} CPU",
        target=f"at most {_MOST_SHARE:.0%}",
        met=max(wall, cpu) <= _MOST_SHARE,
    )
