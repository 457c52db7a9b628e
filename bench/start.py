"""Rows 4 and 5: the command from nothing, and the same command again."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from statistics import median

from bench import command
from bench.command import Commanded
from bench.records import Row, seconds
from bench.session import Session, say
from bench.warm import gradings

_MOST_EXTRA_SECONDS = 15.0
_MOST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class _Pair:
    """A command and the same command again; `executed` says that the second one made evidence anew."""

    first: Commanded
    second: Commanded
    executed: bool


@functools.cache
def _pairs(session: Session) -> tuple[_Pair, ...]:
    return tuple(_pair(session) for _ in range(session.options.runs))


def _pair(session: Session) -> _Pair:
    say("cold start, and the same command again")
    out, notebook = session.new_folder("out"), session.options.notebook
    first = command.grade(session, [notebook], out)
    before = command.evidence_of(out)
    second = command.grade(session, [notebook], out)
    return _Pair(first, second, executed=command.evidence_of(out) != before)


def cold_start(session: Session) -> Row:
    """Row 4: what the start of the command adds to a grading."""
    pairs, graded = _pairs(session), gradings(session, "fast")
    cold, warm = median(pair.first.wall_seconds for pair in pairs), median(one.wall_seconds for one in graded)
    imports = max(pair.first.imports for pair in pairs)
    return Row(
        number=4,
        what="cold start: `grader grade` of one notebook, fast",
        against=f"warm grading: {seconds(warm)}",
        measured=f"{seconds(cold)}, TensorFlow imported {imports}x "
        "(processes that have its library mapped while their parent has not)",
        ratio=f"{cold - warm:+.1f} s",
        target=f"at most {_MOST_EXTRA_SECONDS:.0f} s more, one import",
        met=cold - warm <= _MOST_EXTRA_SECONDS and imports == 1,
    )


def unchanged(session: Session) -> Row:
    """Row 5: nothing has changed, so nothing is executed; what is left is the start of the command, and judging."""
    pairs, graded = _pairs(session), gradings(session, "fast")
    first = median(pair.first.wall_seconds for pair in pairs)
    second = median(pair.second.wall_seconds for pair in pairs)
    share = median(pair.second.wall_seconds / pair.first.wall_seconds for pair in pairs)
    warm = median(one.again_seconds for one in graded)
    executed = any(pair.executed for pair in pairs)
    return Row(
        number=5,
        what="the same command on an unchanged submission again",
        against=f"its first grading: {seconds(first)}",
        measured=f"{seconds(second)}, {'evidence made anew' if executed else 'nothing executed'} "
        f"(judging and writing alone: {seconds(warm)})",
        ratio=f"{share:.1%}",
        target=f"{_MOST_SHARE:.0%}, nothing executed",
        met=share <= _MOST_SHARE and not executed,
    )
