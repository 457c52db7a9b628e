"""What a page shows of a verdict: records in, words and links out, still without any markup."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from grader.language import noted, shown, tr, tr_n
from grader.records import Criterion, Decision, Finding, Grade, Judgement, Message, Report, Severity, Status, Student
from grader.reporting.text import clip
from grader.reporting.words import (
    SEVERITY_WORDS,
    STATUS_WORDS,
    cell_place,
    of_points,
    points,
    points_of,
    seconds,
)

_MEND_FIRST = 3
_SHORT = 600  # characters of an expected or actual value
_MOST_FINDINGS = 40  # of one criterion


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A word and the place on the same page that it leads to; an empty `anchor` leads nowhere."""

    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A finding in words. `places` are where it was seen, linked to the cell and to the run's pictures."""

    kind: str
    word: str
    message: str
    expected: str | None
    actual: str | None
    hint: str | None
    places: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionView:
    """A criterion in words; `cause` is the criterion that blocks it, `decision` says who decided it, if a person did."""

    anchor: str
    id: str
    title: str
    claim: str
    status: str
    word: str
    points: str
    lost: str | None
    cause: Link | None
    findings: tuple[FindingView, ...]
    more: int
    decision: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    title: str
    points: str
    criteria: tuple[CriterionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """One thing to mend first: what it is, what to try, and the points that wait behind it."""

    link: Link
    gain: str
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The top of the page. The three widths, in percent, are those of the bar: earned, to be read, lost."""

    score: str
    most: int
    total: str
    sentence: str
    waiting: str | None
    undecided: str | None
    earned_width: float
    review_width: float
    mend: tuple[Mend, ...]


# --- the verdict ----------------------------------------------------------------------------------------------------


def lost_points(judgement: Judgement) -> float:
    """Points that are gone: not those that a person still gives, nor those that are ours to settle."""
    open_still = judgement.status in (Status.PASSED, Status.REVIEW, Status.UNDECIDED)
    return 0.0 if open_still else judgement.criterion.points - judgement.points


def verdict(grade: Grade) -> Verdict:
    most = max(grade.max_score, 1)
    return Verdict(
        score=points(grade.score),
        most=grade.max_score,
        total=of_points(grade.score, grade.max_score),
        sentence=_sentence(grade),
        waiting=waiting_sentence(grade),
        undecided=undecided_sentence(grade),
        earned_width=round(100 * grade.score / most, 2),
        review_width=round(100 * grade.awaiting_review / most, 2),
        mend=mend_first(grade),
    )


def _sentence(grade: Grade) -> str:
    kinds = [(sum(j.status is s for j in grade.criteria), tr(word).lower()) for s, word in STATUS_WORDS.items()]
    return tr_n(
        "{n} criterion: {kinds}.",
        "{n} criteria: {kinds}.",
        len(grade.criteria),
        kinds=", ".join(tr("{n} {kind}", n=n, kind=word) for n, word in kinds if n),
    )


def waiting_sentence(grade: Grade) -> str | None:
    """What a person still has to read, and the points that this may add."""
    waiting = [j.criterion for j in grade.criteria if j.status is Status.REVIEW]
    if not waiting:
        return None
    return tr_n(
        "Up to {n} more point will be given by a person, who reads: {names}.",
        "Up to {n} more points will be given by a person, who reads: {names}.",
        grade.awaiting_review,
        names="; ".join(f"{tr(criterion.title)} ({criterion.points})" for criterion in waiting),
    )


def undecided_sentence(grade: Grade) -> str | None:
    """The points that the grader could not decide on, and that are still open."""
    if not grade.undecided:
        return None
    return tr(
        "{points} more are open: the grader could not tell, which is not your mistake. Your instructor looks at it.",
        points=count_points(grade.undecided),
    )


def mend_first(grade: Grade) -> tuple[Mend, ...]:
    """The criteria that cost most, each counted with what it blocks and with those that the same finding costs; at most three."""
    at_fault = [j for j in grade.criteria if j.status in (Status.FAILED, Status.PARTIAL)]
    costs = [(sum(_behind(j, grade.criteria) for j in same), same[0]) for same in _alike(at_fault)]
    worst = sorted((cost for cost in costs if cost[0] > 0), key=lambda cost: -cost[0])[:_MEND_FIRST]
    return tuple(_mend(judgement, gain) for gain, judgement in worst)


def _alike(judgements: Iterable[Judgement]) -> Iterable[Sequence[Judgement]]:
    """Those with the same first finding together, each that has none by itself."""
    groups: dict[object, list[Judgement]] = {}
    for judgement in judgements:
        groups.setdefault(_first(judgement) or judgement.criterion.id, []).append(judgement)
    return groups.values()


def _first(judgement: Judgement) -> Finding | None:
    """The gravest finding."""
    return min(judgement.findings, key=lambda f: list(Severity).index(f.severity), default=None)


def _behind(judgement: Judgement, criteria: Sequence[Judgement], seen: frozenset[str] = frozenset()) -> float:
    """The points that a criterion loses by itself and through those that wait for it."""
    own = judgement.criterion.id
    waiting = [j for j in criteria if j.blocked_by == own and j.criterion.id not in seen | {own}]
    return lost_points(judgement) + sum(_behind(j, criteria, seen | {own}) for j in waiting)


def _mend(judgement: Judgement, gain: float) -> Mend:
    first = _first(judgement)
    return Mend(
        link=Link(text=tr(judgement.criterion.title), anchor=criterion_anchor(judgement.criterion.id)),
        gain=count_points(gain),
        message=shown(first.message) if first else _comment(judgement) or tr(judgement.claim),
        hint=text_of(first.hint) if first else None,
    )


def _comment(judgement: Judgement) -> str:
    return judgement.decision.comment if judgement.decision else ""


def count_points(value: float) -> str:
    if value == int(value):
        return tr_n("{won} point", "{won} points", int(value), won=int(value))  # a curve's points have another word
    return tr("{part} points", part=points(value))  # in Russian a fraction has a form of its own


# --- criteria -------------------------------------------------------------------------------------------------------


def criterion_anchor(criterion: str) -> str:
    return f"criterion-{criterion}"


def part_title(criterion: Criterion) -> str:
    return tr(part_words(criterion))


def part_words(criterion: Criterion) -> str:
    """What a criterion's part is called: as the rubric says, else `batch_norm` as `Batch norm`."""
    words = criterion.part.replace("_", " ")
    return criterion.heading or words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """The places on a page that findings lead to: those of the pictures by the run's name, and those in the notebook."""

    runs: Mapping[str, str]
    notebook: frozenset[str]

    def of_finding(self, finding: Finding) -> str:
        """The line that a finding names, else its cell; empty where the page shows neither."""
        cell = cell_anchor(finding.cell or 0)
        wanted = (line_anchor(finding.cell or 0, finding.line or 0), cell)
        return next((anchor for anchor in wanted if anchor in self.notebook), "")


def cell_anchor(cell: int) -> str:
    return f"cell-{cell}"


def line_anchor(cell: int, line: int) -> str:
    return f"cell-{cell}-line-{line}"


def parts(report: Report, anchors: Anchors) -> tuple[PartView, ...]:
    """The criteria by part, in the rubric's order."""
    grouped = groupby(report.grade.criteria, key=lambda judgement: judgement.criterion.part)
    titles = {j.criterion.id: tr(j.criterion.title) for j in report.grade.criteria}
    return tuple(_part(list(group), titles, anchors) for _, group in grouped)


def _part(judgements: list[Judgement], titles: dict[str, str], anchors: Anchors) -> PartView:
    earned = sum(judgement.points for judgement in judgements)
    most = sum(judgement.criterion.points for judgement in judgements)
    criteria = tuple(_criterion(judgement, titles, anchors) for judgement in judgements)
    return PartView(title=part_title(judgements[0].criterion), points=points_of(earned, most), criteria=criteria)


def _criterion(judgement: Judgement, titles: dict[str, str], anchors: Anchors) -> CriterionView:
    criterion, lost = judgement.criterion, lost_points(judgement)
    shown = judgement.findings[:_MOST_FINDINGS]
    return CriterionView(
        anchor=criterion_anchor(criterion.id),
        id=criterion.id,
        title=tr(criterion.title),
        claim=tr(judgement.claim),
        status=judgement.status.value,
        word=tr(STATUS_WORDS[judgement.status]),
        points=points_of(judgement.points, criterion.points),
        lost=count_points(lost) if lost > 0 else None,
        cause=criterion_link(judgement.blocked_by, titles),
        findings=tuple(finding_view(finding, anchors) for finding in shown),
        more=len(judgement.findings) - len(shown),
        decision=decision_words(judgement.decision) if judgement.decision else "",
        comment=judgement.decision.comment if judgement.decision else "",
    )


def decision_words(decision: Decision) -> str:
    """`Decided by Petrova on 2026-11-25: 5 of 7.`"""
    earned = points_of(decision.points, decision.most)
    return tr("Decided by {by} on {on}: {points}.", by=decision.by, on=decision.on, points=earned)


def criterion_link(criterion: str | None, titles: dict[str, str]) -> Link | None:
    """A criterion's title with its place on the page; its bare id when the rubric does not know it."""
    if criterion is None:
        return None
    anchor = criterion_anchor(criterion) if criterion in titles else ""
    return Link(text=titles.get(criterion, criterion), anchor=anchor)


def remarks(report: Report, anchors: Anchors) -> tuple[FindingView, ...]:
    """What costs nothing, the gravest first."""
    order = list(Severity)
    found = sorted(report.grade.remarks, key=lambda finding: order.index(finding.severity))
    return tuple(finding_view(finding, anchors) for finding in found)


def finding_view(finding: Finding, anchors: Anchors) -> FindingView:
    return FindingView(
        kind=finding.severity.value,
        word=tr(SEVERITY_WORDS[finding.severity]),
        message=shown(finding.message),
        expected=_short(finding.expected),
        actual=_short(finding.actual),
        hint=text_of(finding.hint),
        places=tuple(_places(finding, anchors)),
    )


def _places(finding: Finding, anchors: Anchors) -> Iterable[Link]:
    where = cell_place(finding)
    if where is not None:
        yield Link(text=where, anchor=anchors.of_finding(finding))
    if finding.run is not None:
        yield Link(text=f"{tr('run')} {finding.run}", anchor=anchors.runs.get(finding.run, ""))
    if finding.tag is not None:
        yield Link(text=f"{tr('tag')} {finding.tag}")
    if finding.step is not None:
        yield Link(text=f"{tr('step')} {finding.step}")


def _short(text: Message | str | None) -> str | None:
    return None if text is None else clip(shown(text), _SHORT)


def text_of(message: Message | None) -> str | None:
    return None if message is None else shown(message)


def board_command(grade: Grade) -> str:
    """The command that opens a submission's runs in TensorBoard, from the folder of the class."""
    return f"grader tensorboard . {shlex.quote(grade.id)}"


def _whose(student: Student) -> Iterable[tuple[str, str]]:
    """Who handed it in, as the course system's download says."""
    if student.name:
        yield tr("Student"), student.name
    yield tr("Identifier in {system}", system=student.system), student.key
    late = tr("{attempt}, handed in late", attempt=student.attempt)
    yield tr("Attempt"), late if student.late else str(student.attempt)


# --- environment ----------------------------------------------------------------------------------------------------


# What is not the name of a program.
_ENVIRONMENT = {"sandbox": noted("sandbox"), "data": noted("data"), "seed": noted("seed")}


def facts(grade: Grade) -> tuple[tuple[str, str], ...]:
    """Where and at what cost the notebook ran, as name and value."""
    resources = grade.resources
    return (
        *(_whose(grade.student) if grade.student else ()),
        (tr("Source"), grade.source),
        (tr("SHA-256 of the notebook"), grade.sha256),
        (tr("Profile"), grade.profile),
        *((tr(_ENVIRONMENT.get(name, name)), str(value)) for name, value in grade.environment.items()),
        (tr("Wall time"), seconds(resources.wall_seconds)),
        (tr("CPU time"), seconds(resources.cpu_seconds)),
        (tr("Peak memory"), tr("{n} MiB", n=resources.peak_memory_mib)),
    )
