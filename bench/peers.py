"""Row 10: released graders on the same notebook, each by the command that its users type.

Both execute the whole notebook, and both are given one test that always passes: what they are asked is not compared,
only the time that the answer takes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import nbgrader_flow, otter_flow
from bench.bare import bare, note
from bench.peers_environment import NBGRADER, OTTER, Peer, environment
from bench.records import Row, Usage, middle, seconds, times
from bench.session import Session, say
from bench.warm import gradings


def side_by_side(session: Session) -> Row:
    """The peers' times beside the bare execution and a warm, fast grading."""
    found = {"nbgrader": _measured(session, NBGRADER), "otter": _measured(session, OTTER)}
    plain, ours = bare(session, "seed"), median(one.wall_seconds for one in gradings(session, "fast"))
    return Row(
        number=10,
        what="nbgrader `autograde` and otter `run` on the same notebook",
        against=f"bare execution: {seconds(plain.wall_seconds)}{note(session, 'seed')}; warm grading, fast: "
        f"{seconds(ours)}",
        measured="; ".join(
            f"{name} {seconds(used.wall_seconds)} wall, {seconds(used.cpu_seconds)} CPU" for name, used in found.items()
        ),
        ratio="; ".join(f"{name} {times(used.wall_seconds / ours)} a warm grading" for name, used in found.items()),
    )


def _measured(session: Session, peer: Peer) -> Usage:
    prefix = environment(session, peer)
    return middle(_once(session, peer, prefix) for _ in range(session.options.long_runs))


def _once(session: Session, peer: Peer, prefix: Path) -> Usage:
    say(f"{peer.requirement} on the notebook")
    return _FLOWS[peer](session, prefix)


_FLOWS: dict[Peer, Callable[[Session, Path], Usage]] = {NBGRADER: nbgrader_flow.autograde, OTTER: otter_flow.run}
