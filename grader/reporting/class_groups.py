"""The class by criterion and by cause: who waits for a person, how often each criterion is met, why points are lost, and
who is nearly the same as whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from grader.language import decimal, shown, tr, tr_n
from grader.records import Criterion, Grade, Judgement, Message, Status
from grader.reporting import likeness
from grader.reporting.class_view import report_href, worksheet_path
from grader.reporting.overview import Overview
from grader.reporting.text import clip
from grader.reporting.view import count_points
from grader.reporting.words import STATUS_WORDS

MOST_PAIRS = 60
FEW = 12  # names that a list shows at once
_NAME = 60  # characters of a name in a list
_SENTENCE = 300  # characters of why points are lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A student in a list, and where to look."""

    name: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A criterion for which a person is asked: to read answers, or to tell what the grader could not."""

    title: str
    points: str
    href: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The part of a bar that belongs to a status, in percent of it."""

    status: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a criterion is met. `words` is the bar in words; `percent` and `earned` sort."""

    title: str
    points: int
    percent: int
    mean: str
    earned: float
    bar: tuple[Stretch, ...]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseGroup:
    """All who lost points for the same reason, in the words that most of them were told."""

    title: str
    code: str
    message: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    one: Member
    other: Member
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    waiting: tuple[Waiting, ...]
    rates: tuple[Rate, ...]
    causes: tuple[CauseGroup, ...]
    pairs: tuple[PairView, ...]
    pairs_left: int


def groups(grades: Sequence[Grade], overviews: Collection[Overview]) -> Groups:
    judged = _by_criterion(grades)
    titles = {criterion.id: tr(criterion.title) for criterion in judged}
    found = likeness.pairs(overviews)
    return Groups(
        waiting=tuple(one for criterion, all_of_it in judged.items() for one in _waiting(criterion, all_of_it)),
        rates=tuple(_rate(criterion, all_of_it) for criterion, all_of_it in judged.items()),
        causes=_causes(overviews, titles),
        pairs=tuple(map(_pair, found[:MOST_PAIRS])),
        pairs_left=max(0, len(found) - MOST_PAIRS),
    )


def member(submission: str, criterion: str = "") -> Member:
    return Member(name=clip(submission, _NAME), href=report_href(submission, criterion))


def _by_criterion(grades: Iterable[Grade]) -> Mapping[Criterion, list[Judgement]]:
    """The judgements on each criterion, in the rubric's order."""
    found: dict[str, list[Judgement]] = defaultdict(list)
    for grade in grades:
        for judgement in grade.criteria if grade.error is None else ():
            found[judgement.criterion.id].append(judgement)
    return {judgements[0].criterion: judgements for judgements in found.values()}


def _waiting(criterion: Criterion, judgements: Sequence[Judgement]) -> Iterable[Waiting]:
    by_status = Counter(judgement.status for judgement in judgements)
    unread, open_still = by_status[Status.REVIEW], by_status[Status.UNDECIDED]
    decided = sum(judgement.decision is not None for judgement in judgements)
    parts = (
        tr_n("{n} answer to be read", "{n} answers to be read", unread) if unread else "",
        tr("{n} that the grader could not tell", n=open_still) if open_still else "",
        tr("{n} decided", n=decided) if decided else "",
    )
    if unread or open_still or decided:
        yield Waiting(
            title=tr(criterion.title),
            points=count_points(criterion.points),
            href=worksheet_path(criterion.id),
            text=", ".join(filter(None, parts)),
        )


def _percent(part: int, whole: int) -> int:
    """To the nearest; 0 and 100 are none and all."""
    return part and (100 if part == whole else min(99, max(1, round(100 * part / whole))))


def _rate(criterion: Criterion, judgements: Sequence[Judgement]) -> Rate:
    by_status, total = Counter(judgement.status for judgement in judgements), len(judgements)
    widths = [(status, 100 * by_status[status] / total) for status in STATUS_WORDS if by_status[status]]
    starts = [sum(width for _, width in widths[:i]) for i in range(len(widths))]
    earned = sum(judgement.points for judgement in judgements) / total
    return Rate(
        title=tr(criterion.title),
        points=criterion.points,
        percent=_percent(by_status[Status.PASSED], total),
        mean=decimal(f"{earned:.1f}"),
        earned=round(earned, 1),
        bar=tuple(
            Stretch(status=status.value, x=round(x, 2), width=round(width, 2))
            for x, (status, width) in zip(starts, widths, strict=True)
        ),
        words=", ".join(
            tr("{n} {kind}", n=by_status[status], kind=tr(STATUS_WORDS[status]).lower()) for status, _ in widths
        ),
    )


def _causes(overviews: Iterable[Overview], titles: Mapping[str, str]) -> tuple[CauseGroup, ...]:
    """The commonest first; of those that are equally common, in the rubric's order."""
    members: dict[tuple[str, str], list[Member]] = defaultdict(list)
    messages: dict[tuple[str, str], Counter[Message]] = defaultdict(Counter)
    for overview in overviews:
        for cause in overview.causes:
            members[cause.criterion, cause.code].append(member(overview.id, cause.criterion))
            messages[cause.criterion, cause.code][cause.message] += 1
    rank = {criterion: i for i, criterion in enumerate(titles)}
    order = sorted(members, key=lambda name: (-len(members[name]), rank.get(name[0], len(rank)), name[1]))
    return tuple(
        CauseGroup(
            title=titles.get(criterion, criterion),
            code=code,
            message=clip(shown(messages[criterion, code].most_common(1)[0][0]), _SENTENCE),
            members=tuple(members[criterion, code]),
        )
        for criterion, code in order
    )


def _pair(pair: likeness.Pair) -> PairView:
    parts = (
        tr("{percent} % of the code", percent=int(100 * pair.code)) if pair.code else "",
        tr("{percent} % of the answers", percent=int(100 * pair.words)) if pair.words else "",
        tr_n("{n} submitted curve, value by value", "{n} submitted curves, value by value", pair.series)
        if pair.series
        else "",
    )
    return PairView(one=member(pair.one), other=member(pair.other), text="; ".join(filter(None, parts)))
