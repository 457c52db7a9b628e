"""Who handed in what, before anything is run: one line a submission, then what was left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader.errors import UnreadableSubmission
from grader.formats.notebooks import read_file
from grader.language import tr, tr_n
from grader.reporting.text import first_of, one_line
from grader.stages.intake import Candidate, Intake, notebooks_of

_MOST_NAMED = 5  # notebooks of one submission
_WIDEST = 40  # columns of ids that are lined up


def roll(intake: Intake) -> str:
    """The lines, without a newline at the end: `  Иванова Анна_4711  class.zip/…/hw.ipynb  (attempt 2, late)`."""
    return "\n".join(_lines(intake))


def _lines(intake: Intake) -> Iterator[str]:
    systems = sorted({candidate.student.system for candidate in intake.candidates if candidate.student})
    count = tr_n("{n} submission", "{n} submissions", len(intake.candidates))
    yield tr("{count}, as {systems} names them:", count=count, systems=" + ".join(systems)) if systems else f"{count}:"
    twins = _twins(intake)
    width = min(_WIDEST, max((len(candidate.id) for candidate in intake.candidates), default=0))
    for candidate in intake.candidates:
        notes = ", ".join(_notes(candidate, twins))
        told = one_line(_file(candidate) + (f" ({notes})" if notes else ""))
        yield f"  {one_line(candidate.id):<{width}}  {told}"
    if intake.left_out:
        yield tr("Left out:")
        yield from (f"  {one_line(line)}" for line in intake.left_out)


def _file(candidate: Candidate) -> str:
    """Where it came from, with the notebook where it lies open in a folder, and how many other files there are."""
    inside = [path for path in notebooks_of(candidate) if candidate.path in path.parents]
    within = str(inside[0].relative_to(candidate.path)) if len(inside) == 1 else ""
    return str(Path(candidate.source, within)) + (tr(" + {n} more", n=len(candidate.also)) if candidate.also else "")


def _notes(candidate: Candidate, twins: Mapping[str, str]) -> Iterator[str]:
    if candidate.student is not None and candidate.student.attempt > 1:
        yield tr("attempt {n}", n=candidate.student.attempt)
    if candidate.student is not None and candidate.student.late:
        yield tr("late")
    if candidate.earlier:
        yield tr("not {earlier}", earlier=", ".join(candidate.earlier))
    if candidate.logs is not None:
        yield tr("with {logs}", logs=candidate.logs.name)
    if candidate.id in twins:
        yield tr("the same notebook as {id}", id=twins[candidate.id])
    together = notebooks_of(candidate)
    if len(together) > 1:
        yield tr_n(
            "{n} notebook of one student, of which one counts: {names}",
            "{n} notebooks of one student, of which one counts: {names}",
            len(together),
            names=first_of([path.name for path in together], _MOST_NAMED),
        )


def _twins(intake: Intake) -> Mapping[str, str]:
    """Of each submission whose open notebook is, byte for byte, that of one before it: the first such one."""
    first: dict[bytes, str] = {}
    found = {}
    for candidate in intake.candidates:
        digest = _digest(notebooks_of(candidate))
        if digest is not None and first.setdefault(digest, candidate.id) != candidate.id:
            found[candidate.id] = first[digest]
    return found


def _digest(notebooks: tuple[Path, ...]) -> bytes | None:
    """None where there is not exactly one notebook, or one that cannot be read."""
    if len(notebooks) != 1:
        return None
    try:
        return hashlib.sha256(read_file(notebooks[0])).digest()
    except UnreadableSubmission:
        return None
