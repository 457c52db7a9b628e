"""The worksheet of a criterion that a person decides: all answers one after another, each beside what the logs say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.records import Decision, Grade, Judgement, Status
from grader.reporting.class_groups import Member, member
from grader.reporting.class_view import report_href, worksheet_path
from grader.reporting.conclusion_view import ClaimView, claim_view
from grader.reporting.overview import Overview, Subject
from grader.reporting.text import clip
from grader.reporting.view import decision_words

_ALL_WORDS = 1_200_000  # characters of all answers on one page
_FEWEST_WORDS = 1_500


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
    claims: tuple[ClaimView, ...]
    decision: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worksheet:
    """One criterion. `missing` are those who have no answer, and lost its points for that."""

    path: str
    name: str
    title: str
    points: int
    answers: tuple[Answer, ...]
    waiting: int
    missing: tuple[Member, ...]


def worksheets(grades: Sequence[Grade], overviews: Sequence[Overview]) -> tuple[Worksheet, ...]:
    """One for each criterion that has been, or has to be, decided by a person, in the rubric's order."""
    judged: dict[str, dict[str, Judgement]] = defaultdict(dict)  # by criterion and submission
    for grade in grades:
        for judgement in grade.criteria if grade.error is None else ():
            judged[judgement.criterion.id][grade.id] = judgement
    subjects: dict[str, list[Subject]] = defaultdict(list)
    for subject in (subject for shown in overviews for subject in shown.subjects):
        if subject.submission in judged[subject.criterion.id]:
            subjects[subject.criterion.id].append(subject)
    return tuple(_worksheet(subjects[name], by_submission) for name, by_submission in judged.items() if subjects[name])


def _worksheet(subjects: Sequence[Subject], judged: Mapping[str, Judgement]) -> Worksheet:
    criterion = subjects[0].criterion
    decisions = [judged[subject.submission].decision for subject in subjects]
    limit = max(_FEWEST_WORDS, _ALL_WORDS // len(subjects))
    asked = {subject.submission for subject in subjects}
    lost = [name for name, j in judged.items() if j.status in (Status.FAILED, Status.BLOCKED) and name not in asked]
    path = worksheet_path(criterion.id)
    return Worksheet(
        path=path,
        name=path.rsplit("/", 1)[-1],
        title=criterion.title,
        points=criterion.points,
        answers=tuple(
            _answer(n, s, d, limit) for n, (s, d) in enumerate(zip(subjects, decisions, strict=True), start=1)
        ),
        waiting=decisions.count(None),
        missing=tuple(member(name, criterion.id) for name in lost),
    )


def _answer(n: int, subject: Subject, decision: Decision | None, limit: int) -> Answer:
    head, *rows = subject.table or ((),)
    return Answer(
        anchor=f"answer-{n}",
        member=Member(name=subject.submission, href=report_href(subject.submission, subject.criterion.id)),
        place=f"cell {subject.cell}" if subject.cell is not None else "",
        text=clip(subject.text, limit),
        notes=subject.notes,
        head=head,
        rows=tuple(rows),
        claims=tuple(claim_view(claim.text, claim.logs, claim.agrees) for claim in subject.claims),
        decision=decision_words(decision) if decision else "",
        comment=decision.comment if decision else "",
    )
