"""Row 9: a large class of tiny submissions, where all that takes time is the grader itself.

Their evidence lies there already, so the real command runs and nothing in it is replaced: intake, extraction, the
evidence's keys, judging, pages and writing are what is measured, and the start of the command.
"""

from __future__ import annotations

import functools
import itertools
import shutil
from pathlib import Path
from statistics import median

from bench import command
from bench.command import Commanded
from bench.notebooks import tiny
from bench.records import Row, seconds
from bench.session import Session, say, size
from bench.stored_class import prepare

_MOST_SECONDS = 0.050
_MOST_BEND = 1.3  # by how much a submission may cost more in the larger half than in the smaller, noise included


@functools.cache
def _class(session: Session) -> tuple[tuple[Path, ...], Path]:
    """The notebooks, and the folder of their evidence."""
    say("a class of tiny submissions")
    evidence = session.new_folder("evidence")
    made = prepare(session, [tiny(session.new_folder("tiny"))], size(session, 1000, 100), evidence)
    return tuple(made), evidence


@functools.cache
def graded(session: Session, count: int) -> tuple[Commanded, ...]:
    """Several gradings of the first `count` tiny submissions, each into an empty folder."""
    made, evidence = _class(session)
    folder = session.new_folder("class")
    for notebook in made[:count]:
        shutil.copyfile(notebook, folder / notebook.name)
    return tuple(_graded(session, folder, evidence) for _ in range(session.options.runs))


def _graded(session: Session, folder: Path, evidence: Path) -> Commanded:
    out, before = session.new_folder("out"), len(list(evidence.glob("??/*")))
    (out / ".evidence").symlink_to(evidence)
    done = command.grade(session, [folder], out)
    assert len(list(evidence.glob("??/*"))) == before, "a submission was executed"
    return done


def tiny_submissions(session: Session) -> Row:
    """Seconds for each submission of the largest class, and whether the cost of one grows with their number."""
    sizes = [size(session, real, real // 10) for real in (100, 300, 1000)]
    walls = [median(one.wall_seconds for one in graded(session, count)) for count in sizes]
    points = list(zip(sizes, walls, strict=True))
    low, high = ((t2 - t1) / (n2 - n1) for (n1, t1), (n2, t2) in itertools.pairwise(points))
    each = walls[-1] / sizes[-1]
    return Row(
        number=9,
        what=f"{sizes[-1]} tiny submissions by the real command, their evidence placed beforehand (nothing is patched)",
        against="; ".join(f"{count}: {seconds(wall)}" for count, wall in points),
        measured=f"{each * 1000:.0f} ms each; one more costs {low * 1000:.0f} ms, then {high * 1000:.0f} ms",
        ratio=f"{high / low:.2f} growth",
        target=f"at most {_MOST_SECONDS * 1000:.0f} ms each, linear (growth at most {_MOST_BEND})",
        met=each <= _MOST_SECONDS and high <= low * _MOST_BEND,
    )
