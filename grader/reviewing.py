"""The dialogue of `grader review` in a terminal: an answer and its evidence, the points, a comment, the next one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grader.language import tr
from grader.records import Decision
from grader.reporting.overview import Subject
from grader.reporting.text import inert, one_line
from grader.reporting.view import count_points
from grader.reporting.words import points
from grader.reviews import evidence, points_from

_WIDTH = 100
_STOP = frozenset({"q", "quit"})


def ask(subjects: Sequence[Subject], out: Path, by: str, on: str, record: Callable[[dict[str, Decision]], None]) -> int:
    """Ask for one decision after the other and hand each to `record` at once; how many were made. An empty line leaves a
    subject for later; `q`, or the end of the input, leaves all that are left."""
    made = 0
    for number, subject in enumerate(subjects, start=1):
        print(f"\n{'─' * _WIDTH}\n[{tr('{done} of {total}', done=number, total=len(subjects))}]")
        print("\n".join(shown(subject, out)))
        try:
            given = _points(subject.criterion.points)
            if given is None:
                continue
            comment = input(tr("Comment for the student (Enter: none):") + " ").strip()
        except EOFError:
            break
        record({subject.key: Decision(points=given, most=subject.criterion.points, by=by, on=on, comment=comment)})
        made += 1
    return made


def shown(subject: Subject, out: Path) -> Iterator[str]:
    """A subject as plain text: whose, where, what the student wrote, what the logs say. Nothing in it is active."""
    criterion = subject.criterion
    yield f"{one_line(tr(criterion.title))} ({count_points(criterion.points)}): {one_line(subject.submission)}"
    cell = ", " + tr("cell {cell}", cell=subject.cell) if subject.cell is not None else ""
    yield f"{one_line(str(out / subject.submission / 'report.html'))}{cell}"
    if subject.text:
        yield from ("", *_wrapped(subject.text, "    "))
    lines = list(evidence(subject))
    if lines:
        yield from ("", tr("What the logs say") if subject.text else tr("Why a person is asked"))
        yield from (line for text in lines for line in _wrapped(text, "  "))
    yield ""


def _wrapped(text: str, indent: str) -> Iterator[str]:
    for line in inert(text).expandtabs(4).split("\n"):
        yield from textwrap.wrap(line, _WIDTH, initial_indent=indent, subsequent_indent=indent) or [""]


def _points(most: int) -> float | None:
    """The points that are typed, None for later. Raises EOFError for the end."""
    while True:
        typed = input(tr("Points, 0 to {most} (Enter: later, q: stop):", most=most) + " ").strip()
        if typed.lower() in _STOP:
            raise EOFError
        if not typed:
            return None
        given = points_from(typed)
        if given is not None and given <= most:
            return given
        print(tr("A number from 0 to {most} is needed.", most=points(most)))
