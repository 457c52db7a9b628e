"""All curves of a run on one picture, over the reference's band, and those that are odd by name.

A curve is where its last third is, on average. It is odd when neither the reference nor the class explains that: when it
lies further from the mean of the reference's seeds than four of their standard deviations (docs/spread.md: 3.85 is passed
once in two thousand), and further from the class's median than 3.5 times the median absolute deviation / 0.6745 (Iglewicz
and Hoaglin, How to Detect and Handle Outliers, 1993). Where the reference was not run the class alone tells; a class of
fewer than five does not tell. A curve that ends in NaN is odd where the reference, or else most of the class, is finite,
and the other way round.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from grader.language import tr, tr_n
from grader.records import Band, Floats
from grader.reporting.class_groups import Member, member
from grader.reporting.overview import Overview, Sketch, placed, stretches
from grader.reporting.svg import ClassPicture, class_picture
from grader.reporting.words import number, role_words

_DEVIATIONS = 4.0
_MODIFIED_Z = 3.5
_FEWEST = 5  # curves of a class that tells what is usual
_LEAST_REACH = 0.01  # of the middle: nobody is odd for less
MOST_DRAWN = 12  # odd curves that are drawn apart
_MOST_NAMED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOne:
    """An odd curve: whose, which, why, and its line with the place of its number (none, where it is not drawn apart)."""

    member: Member
    what: str
    why: str
    line: str = ""
    tip: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPicture:
    """One role of one run for the whole class. `lines` holds all curves that are not drawn apart, equal ones once."""

    anchor: str
    run: str
    title: str
    sentence: str
    picture: ClassPicture
    lines: str
    low: str
    high: str
    points: int
    odd: tuple[OddOne, ...]
    odd_left: int


def pictures(overviews: Collection[Overview], bands: Mapping[tuple[str, str], Band]) -> tuple[RunPicture, ...]:
    """One picture for each role of each run, runs and roles in the order in which the class has them."""
    found: dict[tuple[str, str], list[tuple[str, Sketch]]] = defaultdict(list)
    for shown in overviews:
        for sketch in shown.sketches:
            found[sketch.run, sketch.role].append((shown.id, sketch))
    runs = list(dict.fromkeys(run for run, _ in found))
    order = sorted(found, key=lambda name: runs.index(name[0]))
    return tuple(
        _picture(f"picture-{n}", found[name], bands.get(name), len(overviews)) for n, name in enumerate(order, start=1)
    )


def odd_ones(shown: Iterable[RunPicture]) -> tuple[OddOne, ...]:
    """All that are named, those of one student together."""
    named = [one for picture in shown for one in picture.odd]
    order = list(dict.fromkeys(one.member for one in named))
    return tuple(sorted(named, key=lambda one: order.index(one.member)))


def _picture(anchor: str, own: Sequence[tuple[str, Sketch]], band: Band | None, total: int) -> RunPicture:
    sketches = [sketch for _, sketch in own]
    points = len(band.steps) if band is not None else int(median(sketch.points for sketch in sketches))
    why = _judge([end(s.values) for s in sketches], band)
    drawn = class_picture(
        [_placed(s, points) for s in sketches], [not reason for reason in why], float(points), _band(band)
    )
    odd = tuple(_odd(own[i], reason, drawn, i) for i, reason in enumerate(why) if reason)
    apart = {one.line for one in odd[:MOST_DRAWN]}
    first = sketches[0]
    return RunPicture(
        anchor=anchor,
        run=first.run,
        title=role_words(first.role).capitalize(),
        sentence=_sentence(sketches, total, len(odd), band),
        picture=drawn,
        lines="".join(line for line in dict.fromkeys(drawn.lines) if line not in apart),
        low=number(drawn.low) if drawn.low is not None else "",
        high=number(drawn.high) if drawn.high is not None and drawn.high != drawn.low else "",
        points=points,
        odd=odd[:_MOST_NAMED],
        odd_left=max(0, len(odd) - _MOST_NAMED),
    )


def _placed(sketch: Sketch, points: int) -> tuple[Floats, Floats]:
    """A curve by its points, or drawn together to the reference's width where it has more: who logs twice as often has trained
    no longer."""
    places, values = placed(sketch)
    return places * min(1.0, points / sketch.points), values


def _band(band: Band | None) -> tuple[Floats, Floats, Floats] | None:
    if band is None or not len(band.steps):
        return None
    rows = np.array([stretches(row) for row in band.values])
    n = rows.shape[1]
    return (np.arange(n) + 0.5) * (len(band.steps) / n), rows.min(axis=0), rows.max(axis=0)


def _odd(own: tuple[str, Sketch], why: str, drawn: ClassPicture, i: int) -> OddOne:
    name, sketch = own
    what = f"{sketch.run}, {role_words(sketch.role)}"
    return OddOne(member=member(name), what=what, why=why, line=drawn.lines[i], tip=drawn.tips[i])


def _sentence(sketches: Sequence[Sketch], total: int, odd: int, band: Band | None) -> str:
    nan = sum(not math.isfinite(end(sketch.values)) for sketch in sketches)
    parts = [
        tr_n("{n} curve", "{n} curves", len(sketches)),
        tr_n("of {n} submission", "of {n} submissions", total),
        tr("{n} of them odd", n=odd) if odd else tr("none of them odd"),
        *([tr("{n} of them NaN or infinite at the end", n=nan)] if nan else []),
    ]
    whose = f"{parts[0]} {', '.join(parts[1:])}."
    if band is None:
        return f"{whose} {tr('The reference was not run on these data.')}"
    seeds = tr_n("{n} seed", "{n} seeds", len(band.values))
    return f"{whose} {tr('The band is the reference solution ({seeds}).', seeds=seeds)}"


# --- what is odd ----------------------------------------------------------------------------------------------------


def end(values: Sequence[float]) -> float:
    """The mean of the last third of a series, NaN where it is not finite: where training has got to."""
    tail = values[-max(1, len(values) // 3) :]
    return sum(tail) / len(tail) if len(tail) else math.nan


def _judge(ends: Sequence[float], band: Band | None) -> list[str]:
    """Why each end is odd; an empty text where it is not."""
    seeds = np.array([end(stretches(row).tolist()) for row in band.values]) if band is not None else np.empty(0)
    known: Sequence[float] = seeds.tolist() or ends
    finite = 2 * sum(map(math.isfinite, known)) >= len(known)
    usual = list(_usual([e for e in ends if math.isfinite(e)], seeds[np.isfinite(seeds)])) if finite else []
    tells = len(seeds) > 0 or len(ends) >= _FEWEST
    return [_why(e, usual, finite) if tells else "" for e in ends]


_Usual = tuple[Callable[[float], bool], str]


def _usual(ends: Sequence[float], seeds: Floats) -> Iterator[_Usual]:
    """What is usual by the reference and by the class, each as a test and in words."""
    if len(seeds):
        reach = _DEVIATIONS * float(seeds.std(ddof=1)) if len(seeds) > 1 else 0.0
        low, high = float(seeds.min()), float(seeds.max())
        yield (
            _around(float(seeds.mean()), reach, low, high),
            tr("the reference {low} to {high}", low=number(low), high=number(high)),
        )
    if len(ends) >= _FEWEST:
        centre = median(ends)
        reach = _MODIFIED_Z * median(abs(e - centre) for e in ends) / 0.6745
        yield _around(centre, reach, centre, centre), tr("the middle of the class {value}", value=number(centre))


def _around(centre: float, reach: float, low: float, high: float) -> Callable[[float], bool]:
    """Whether a value lies within reach of the centre, or between two others."""
    least = _LEAST_REACH * abs(centre)
    return lambda value: min(low - least, centre - reach) <= value <= max(high + least, centre + reach)


def _why(value: float, usual: Sequence[_Usual], finite: bool) -> str:
    if math.isfinite(value) != finite:
        if finite:
            return tr("ends in NaN or infinity, the others do not")
        return tr("ends at {value}, the others in NaN", value=number(value))
    if not usual or not math.isfinite(value) or any(explains(value) for explains, _ in usual):
        return ""
    return tr("ends at {value}", value=number(value)) + "; " + ", ".join(words for _, words in usual)
