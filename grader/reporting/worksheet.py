"""The worksheet of a criterion that a person decides: all answers one after another, each beside what the logs say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grader.language import shown, tr
from grader.records import Decision, Grade, Judgement, Status
from grader.reporting.class_groups import Member, member
from grader.reporting.class_view import report_href, worksheet_path
from grader.reporting.conclusion_view import ClaimView, claim_view
from grader.reporting.overview import Overview, Sketch, Subject, placed, shown_table
from grader.reporting.svg import TOP, class_picture
from grader.reporting.text import clip
from grader.reporting.view import decision_words
from grader.reporting.words import number, role_words

_ALL_WORDS = 1_200_000  # characters of all answers on one page
_FEWEST_WORDS = 1_500
_NOTE = 300  # characters of a sentence
_LABEL = 18  # the height of a run's name, in units of the drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The curve of a run, with its name at the place where it ends."""

    run: str
    path: str
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The losses of the runs that an answer speaks of, from the first point to the last."""

    title: str
    lines: tuple[Line, ...]
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One student's answer. `decision` says what a person gave, and who."""

    anchor: str
    member: Member
    place: str
    text: str
    notes: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: Lines | None
    claims: tuple[ClaimView, ...]
    decision: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worksheet:
    """One criterion. `claim` is what an answer has to say; `missing` are those who have no answer, and lost its points for that."""

    path: str
    name: str
    title: str
    claim: str
    points: int
    answers: tuple[Answer, ...]
    waiting: int
    missing: tuple[Member, ...]


def worksheets(grades: Sequence[Grade], overviews: Iterable[Overview]) -> tuple[Worksheet, ...]:
    """One for each criterion that has been, or has to be, decided by a person, in the rubric's order."""
    judged: dict[str, dict[str, Judgement]] = defaultdict(dict)  # by criterion and submission
    for grade in grades:
        for judgement in grade.criteria if grade.error is None else ():
            judged[judgement.criterion.id][grade.id] = judgement
    asked: dict[str, list[_Asked]] = defaultdict(list)
    for overview in overviews:
        for subject in overview.subjects:
            if subject.submission in judged[subject.criterion.id]:
                asked[subject.criterion.id].append((subject, overview.sketches))
    return tuple(_worksheet(asked[name], by_submission) for name, by_submission in judged.items() if asked[name])


_Asked = tuple[Subject, tuple[Sketch, ...]]


def _worksheet(subjects: Sequence[_Asked], judged: Mapping[str, Judgement]) -> Worksheet:
    criterion = subjects[0][0].criterion
    decisions = [judged[subject.submission].decision for subject, _ in subjects]
    limit = max(_FEWEST_WORDS, _ALL_WORDS // len(subjects))
    asked = {subject.submission for subject, _ in subjects}
    lost = [name for name, j in judged.items() if j.status in (Status.FAILED, Status.BLOCKED) and name not in asked]
    path = worksheet_path(criterion.id)
    return Worksheet(
        path=path,
        name=path.rsplit("/", 1)[-1],
        title=tr(criterion.title),
        claim=tr(next(iter(judged.values())).claim),
        points=criterion.points,
        answers=tuple(
            _answer(n, s, d, limit) for n, (s, d) in enumerate(zip(subjects, decisions, strict=True), start=1)
        ),
        waiting=decisions.count(None),
        missing=tuple(member(name, criterion.id) for name in lost),
    )


def _answer(n: int, asked: _Asked, decision: Decision | None, limit: int) -> Answer:
    subject, sketches = asked
    head, *rows = shown_table(subject) or ((),)
    return Answer(
        anchor=f"answer-{n}",
        member=Member(name=subject.submission, href=report_href(subject.submission, subject.criterion.id)),
        place=tr("cell {cell}", cell=subject.cell) if subject.cell is not None else "",
        text=clip(subject.text, limit),
        notes=tuple(clip(shown(note), _NOTE) for note in subject.notes),
        head=head,
        rows=tuple(rows),
        lines=_lines([row[0] for row in rows], sketches),
        claims=tuple(claim_view(claim.text, clip(shown(claim.logs), _NOTE), claim.agrees) for claim in subject.claims),
        decision=decision_words(decision) if decision else "",
        comment=decision.comment if decision else "",
    )


def _lines(runs: Sequence[str], sketches: Sequence[Sketch]) -> Lines | None:
    """The validation losses of these runs, the train losses where there are none; None without either."""
    for role in ("validation_loss", "train_loss"):
        own = [sketch for sketch in sketches if sketch.role == role and sketch.run in runs]
        if own:
            return _drawn(role_words(role), own)
    return None


def _drawn(title: str, own: Sequence[Sketch]) -> Lines:
    drawn = class_picture([placed(sketch) for sketch in own], [True] * len(own), max(s.points for s in own), None)
    ends = [(tip, sketch.run, line) for tip, sketch, line in zip(drawn.tips, own, drawn.lines, strict=True) if tip]
    lines: list[Line] = []
    for (x, y), run, path in sorted(ends, key=lambda end: end[0][1]):
        free = lines[-1].y + _LABEL if lines else TOP + _LABEL
        lines.append(Line(run=run, path=path, x=x, y=max(y - 6, free)))
    return Lines(
        title=title,
        lines=tuple(lines),
        low=number(drawn.low) if drawn.low is not None else "",
        high=number(drawn.high) if drawn.high is not None and drawn.high != drawn.low else "",
    )
