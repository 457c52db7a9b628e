"""Curves and gradients by run, ready to draw: a picture, a sentence that says what it shows, and its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.language import shown, tr, tr_n
from grader.records import Band, Curve, Exhibit, Ridge, RunSummary
from grader.reporting.svg import (
    CurvePicture,
    RidgePicture,
    curve_picture,
    ridge_picture,
    row_word,
    sample,
)
from grader.reporting.words import number, role_words

Table = tuple[tuple[str, ...], ...]

_MOST_CURVES = 12  # of one run
_MOST_RIDGES = 16
_MOST_RUNS = 16
_TABLE_ROWS = 12
_ODD_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFigure:
    """`mark` is the word at the place where the line stops being finite; `first` and `last` are the outermost steps;
    `differs` is False where the reference does the same."""

    anchor: str
    title: str
    tag: str
    sentence: str
    picture: CurvePicture
    mark: str
    low: str
    high: str
    first: str
    last: str
    differs: bool
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeFigure:
    anchor: str
    title: str
    tag: str
    sentence: str
    picture: RidgePicture
    low: str
    high: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """All pictures of one run; the two counts are of those left out because there are too many. `origin` says where a run
    stops being finite."""

    anchor: str
    run: str
    state: str
    origin: str
    curves: tuple[CurveFigure, ...]
    curves_left: int
    ridges: tuple[RidgeFigure, ...]
    ridges_left: int


def run_anchors(names: Sequence[str]) -> dict[str, str]:
    """The places of the runs on the page, by their names, in the order in which they come."""
    return {name: f"run-{n}" for n, name in enumerate(names[:_MOST_RUNS], start=1)}


def run_figures(exhibit: Exhibit, runs: Mapping[str, RunSummary], anchors: Mapping[str, str]) -> tuple[RunFigures, ...]:
    """The pictures by run."""
    return tuple(_run(anchor, name, exhibit, runs) for name, anchor in anchors.items())


def _run(anchor: str, name: str, exhibit: Exhibit, runs: Mapping[str, RunSummary]) -> RunFigures:
    curves = [curve for curve in exhibit.curves if curve.run == name]
    ridges = [ridge for ridge in exhibit.ridges if ridge.run == name]
    return RunFigures(
        anchor=anchor,
        run=name,
        state=_state(name, runs),
        origin=shown(exhibit.origins[name]) if name in exhibit.origins else "",
        curves=tuple(curve_figure(c, f"{anchor}-curve-{n}") for n, c in enumerate(curves[:_MOST_CURVES], start=1)),
        curves_left=max(0, len(curves) - _MOST_CURVES),
        ridges=tuple(ridge_figure(r, f"{anchor}-ridge-{n}") for n, r in enumerate(ridges[:_MOST_RIDGES], start=1)),
        ridges_left=max(0, len(ridges) - _MOST_RIDGES),
    )


def _state(name: str, runs: Mapping[str, RunSummary]) -> str:
    """Said without blame: the run with the spoiled batch norm has to be NaN."""
    if name not in runs:
        return ""
    return tr("finite throughout") if runs[name].finite else tr("NaN or infinity among its scalars")


# --- curves ---------------------------------------------------------------------------------------------------------


def curve_figure(curve: Curve, anchor: str) -> CurveFigure:
    picture = curve_picture(curve.steps, curve.values, curve.band)
    known = [curve.steps, curve.band.steps] if curve.band is not None else [curve.steps]
    steps = np.concatenate(known)
    return CurveFigure(
        anchor=anchor,
        title=_role_title(curve.role) if curve.role else tr("Scalar"),
        tag=curve.tag,
        sentence=" ".join(
            filter(None, (_course(curve), _holes(curve), _reference(curve.band), _axis(picture.squeezed)))
        ),
        picture=picture,
        mark=_mark(curve),
        low=number(picture.low) if picture.low is not None else "",
        high=number(picture.high) if picture.high is not None and picture.high != picture.low else "",
        first=str(steps.min()) if len(steps) else "",
        last=str(steps.max()) if len(steps) and steps.max() != steps.min() else "",
        differs=differs(curve),
        table=_curve_table(curve),
    )


def differs(curve: Curve) -> bool:
    """Whether a curve does something else than the reference's seeds: more than a tenth of its points lie further outside of
    their band than that is wide, are not finite where all of them are, or are where none is. The band is of a few seeds, so
    that any other one leaves it now and then."""
    band = curve.band
    if band is None or not len(curve.values):
        return True
    fine, finite = np.isfinite(band.values), np.isfinite(curve.values)
    low = band.at(curve.steps, np.where(fine, band.values, np.inf).min(axis=0))
    high = band.at(curve.steps, np.where(fine, band.values, -np.inf).max(axis=0))
    share = band.at(curve.steps, fine.mean(axis=0))
    with np.errstate(invalid="ignore", over="ignore"):
        outside = (curve.values < 2 * low - high) | (curve.values > 2 * high - low)
    odd = np.where(finite, (share == 0) | outside, share == 1)
    return bool(odd.mean() > _ODD_SHARE)


def _role_title(role: str) -> str:
    words = role_words(role)
    return words[:1].upper() + words[1:]


def _course(curve: Curve) -> str:
    n, finite = len(curve.values), curve.values[np.isfinite(curve.values)]
    if not n:
        return tr("No point was written.")
    if n == 1:
        return tr("1 point, at step {step}: {value}.", step=int(curve.steps[0]), value=number(float(curve.values[0])))
    points = tr_n("{n} point", "{n} points", n)
    span = tr(
        "{points}, steps {first} to {last}", points=points, first=int(curve.steps.min()), last=int(curve.steps.max())
    )
    if not len(finite):
        return tr("{span}: not one finite value.", span=span)
    return tr(
        "{span}: from {begin} to {end}, lowest {low}, highest {high}.",
        span=span,
        begin=number(float(curve.values[0])),
        end=number(float(curve.values[-1])),
        low=number(float(finite.min())),
        high=number(float(finite.max())),
    )


def _holes(curve: Curve) -> str:
    bad = int((~np.isfinite(curve.values)).sum())
    if not bad:
        return ""
    return tr_n(
        "{mark}; {bad} of {n} value not finite.",
        "{mark}; {bad} of {n} values not finite.",
        len(curve.values),
        mark=_mark(curve),
        bad=bad,
    )


def _mark(curve: Curve) -> str:
    """`NaN from step 50`, or nothing where all is finite."""
    bad = np.flatnonzero(~np.isfinite(curve.values))
    if not len(bad):
        return ""
    step, value = int(curve.steps[bad[0]]), number(float(curve.values[bad[0]]))
    if bad[-1] == len(curve.values) - 1 and _joined(bad):
        return tr("{value} from step {step}", value=value, step=step)
    return tr("{value} at step {step}", value=value, step=step)


def _joined(index: np.typing.NDArray[np.intp]) -> bool:
    return bool((np.diff(index) == 1).all())


def _reference(band: Band | None) -> str:
    if band is None:
        return ""
    seeds = tr_n("{n} seed", "{n} seeds", len(band.values))
    if not np.isfinite(band.values).any():
        return tr("The reference solution is not finite here either ({seeds}).", seeds=seeds)
    bad = int((~np.isfinite(band.values[:, -1])).sum())
    if bad:
        return tr_n(
            "The reference solution does not stay finite here either (with {bad} of {n} seed).",
            "The reference solution does not stay finite here either (with {bad} of {n} seeds).",
            len(band.values),
            bad=bad,
        )
    return tr(
        "The reference solution ends between {low} and {high} ({seeds}).",
        low=number(float(band.low[-1])),
        high=number(float(band.high[-1])),
        seeds=seeds,
    )


def _axis(squeezed: bool) -> str:
    return tr("A few values are far larger than the rest, so the axis is squeezed (logarithmic).") if squeezed else ""


def _curve_table(curve: Curve) -> Table:
    """Step, value and the reference's range, at most twelve rows."""
    ranges = _ranges(curve.band)
    return tuple(
        (str(curve.steps[i]), number(float(curve.values[i])), ranges(int(curve.steps[i])))
        for i in sample(len(curve.values), _TABLE_ROWS)
    )


def _ranges(band: Band | None) -> Callable[[int], str]:
    """The reference's range at a step, in words."""
    if band is None:
        return lambda step: ""
    steps, low, high = band.steps, band.low, band.high

    def at(step: int) -> str:
        found = np.flatnonzero(steps == step)
        if not len(found):
            return ""
        return _span(low[found[0]], high[found[0]])

    return at


def _span(low: float, high: float) -> str:
    return tr("{low} to {high}", low=number(float(low)), high=number(float(high)))


# --- ridges ---------------------------------------------------------------------------------------------------------


def ridge_figure(ridge: Ridge, anchor: str) -> RidgeFigure:
    picture = ridge_picture(ridge.steps, ridge.buckets, ridge.usual)
    return RidgeFigure(
        anchor=anchor,
        title=shown(ridge.variable) if ridge.variable else ridge.tag,
        tag=ridge.tag,
        sentence=" ".join(filter(None, (_spread(ridge), _axis(picture.squeezed)))),
        picture=picture,
        low=number(picture.low) if picture.low is not None else "",
        high=number(picture.high) if picture.high is not None else "",
        table=tuple(_ridge_row(ridge, i) for i in sample(len(ridge.buckets))),
    )


def _spread(ridge: Ridge) -> str:
    n = len(ridge.buckets)
    if not n:
        return tr("No histogram was written.")
    span = tr_n(
        "{n} histogram, steps {first} to {last}",
        "{n} histograms, steps {first} to {last}",
        n,
        first=int(ridge.steps.min()),
        last=int(ridge.steps.max()),
    )
    bad = [step for step, buckets in zip(ridge.steps, ridge.buckets, strict=True) if row_word(buckets)]
    if len(bad) == n:
        return tr("{span}: every one is {what}.", span=span, what=row_word(ridge.buckets[0]))
    if not bad:
        return f"{span}."
    return tr(
        "{span}; {bad} of them cannot be drawn, the first at step {step}.", span=span, bad=len(bad), step=int(bad[0])
    )


def _ridge_row(ridge: Ridge, i: int) -> tuple[str, ...]:
    """Step, smallest and largest value, how many values, the reference's range: what a histogram says in one line."""
    step, buckets = str(ridge.steps[i]), ridge.buckets[i]
    word, usual = row_word(buckets), _usual_words(ridge, i)
    if word:
        return (step, word, word, "", usual)
    filled = buckets[buckets[:, 2] > 0]
    with np.errstate(over="ignore"):
        total = float(filled[:, 2].sum())
    return (step, number(float(filled[0, 0])), number(float(filled[-1, 1])), number(total), usual)


def _usual_words(ridge: Ridge, i: int) -> str:
    return "" if ridge.usual is None else _span(*ridge.usual[i])
