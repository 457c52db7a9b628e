"""Curves and gradients by run, ready to draw: a picture, a sentence that says what it shows, and its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grader.records import Band, Curve, Exhibit, Floats, Grade, Ridge
from grader.reporting.svg import (
    CurvePicture,
    RidgePicture,
    curve_picture,
    ridge_picture,
    row_word,
    sample,
)
from grader.reporting.words import count, number

Table = tuple[tuple[str, ...], ...]

_MOST_CURVES = 12  # of one run
_MOST_RIDGES = 16
_MOST_RUNS = 16
_TABLE_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFigure:
    """`mark` is the word at the place where the line stops being finite; `first` and `last` are the outermost steps."""

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
    """All pictures of one run; the two counts are of those left out because there are too many."""

    anchor: str
    run: str
    state: str
    curves: tuple[CurveFigure, ...]
    curves_left: int
    ridges: tuple[RidgeFigure, ...]
    ridges_left: int


def run_figures(exhibit: Exhibit, grade: Grade) -> tuple[RunFigures, ...]:
    """The pictures by run, in the order in which the runs come."""
    names = dict.fromkeys([*(curve.run for curve in exhibit.curves), *(ridge.run for ridge in exhibit.ridges)])
    return tuple(_run(f"run-{n}", name, exhibit, grade) for n, name in enumerate(list(names)[:_MOST_RUNS], start=1))


def _run(anchor: str, name: str, exhibit: Exhibit, grade: Grade) -> RunFigures:
    curves = [curve for curve in exhibit.curves if curve.run == name]
    ridges = [ridge for ridge in exhibit.ridges if ridge.run == name]
    return RunFigures(
        anchor=anchor,
        run=name,
        state=_state(name, grade),
        curves=tuple(curve_figure(c, f"{anchor}-curve-{n}") for n, c in enumerate(curves[:_MOST_CURVES], start=1)),
        curves_left=max(0, len(curves) - _MOST_CURVES),
        ridges=tuple(ridge_figure(r, f"{anchor}-ridge-{n}") for n, r in enumerate(ridges[:_MOST_RIDGES], start=1)),
        ridges_left=max(0, len(ridges) - _MOST_RIDGES),
    )


def _state(name: str, grade: Grade) -> str:
    """Said without blame: the run with the spoiled batch norm has to be NaN."""
    if name not in grade.runs:
        return ""
    return "finite throughout" if grade.runs[name].finite else "NaN or infinity among its scalars"


# --- curves ---------------------------------------------------------------------------------------------------------


def curve_figure(curve: Curve, anchor: str) -> CurveFigure:
    picture = curve_picture(curve.steps, curve.values, curve.band)
    known = [curve.steps, curve.band.steps] if curve.band is not None else [curve.steps]
    steps = np.concatenate(known)
    return CurveFigure(
        anchor=anchor,
        title=_role_title(curve.role) if curve.role else "Scalar",
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
        table=_curve_table(curve),
    )


def _role_title(role: str) -> str:
    words = role.replace("_", " ")
    return words[:1].upper() + words[1:]


def _course(curve: Curve) -> str:
    n, finite = len(curve.values), curve.values[np.isfinite(curve.values)]
    if not n:
        return "No point was written."
    if n == 1:
        return f"1 point, at step {curve.steps[0]}: {number(float(curve.values[0]))}."
    span = f"{count(n, 'point')}, steps {curve.steps.min()} to {curve.steps.max()}"
    if not len(finite):
        return f"{span}: not one finite value."
    ends = f"from {number(float(curve.values[0]))} to {number(float(curve.values[-1]))}"
    return f"{span}: {ends}, lowest {number(float(finite.min()))}, highest {number(float(finite.max()))}."


def _holes(curve: Curve) -> str:
    bad = int((~np.isfinite(curve.values)).sum())
    return f"{_mark(curve)}; {bad} of {count(len(curve.values), 'value')} not finite." if bad else ""


def _mark(curve: Curve) -> str:
    """`NaN from step 50`, or nothing where all is finite."""
    bad = np.flatnonzero(~np.isfinite(curve.values))
    if not len(bad):
        return ""
    step, value = curve.steps[bad[0]], float(curve.values[bad[0]])
    return f"{number(value)} {'from' if bad[-1] == len(curve.values) - 1 and _joined(bad) else 'at'} step {step}"


def _joined(index: np.typing.NDArray[np.intp]) -> bool:
    return bool((np.diff(index) == 1).all())


def _reference(band: Band | None) -> str:
    if band is None:
        return ""
    seeds = count(len(band.values), "seed")
    if not np.isfinite(band.values).any():
        return f"The reference solution is not finite here either ({seeds})."
    last = f"between {number(float(band.low[-1]))} and {number(float(band.high[-1]))}"
    return f"The reference solution ends {last} ({seeds})."


def _axis(squeezed: bool) -> str:
    return "A few values are far larger than the rest, so the axis is squeezed (logarithmic)." if squeezed else ""


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
        return f"{number(float(low[found[0]]))} to {number(float(high[found[0]]))}" if len(found) else ""

    return at


# --- ridges ---------------------------------------------------------------------------------------------------------


def ridge_figure(ridge: Ridge, anchor: str) -> RidgeFigure:
    picture = ridge_picture(ridge.steps, ridge.buckets)
    return RidgeFigure(
        anchor=anchor,
        title=ridge.variable or ridge.tag,
        tag=ridge.tag,
        sentence=" ".join(filter(None, (_spread(ridge), _axis(picture.squeezed)))),
        picture=picture,
        low=number(picture.low) if picture.low is not None else "",
        high=number(picture.high) if picture.high is not None else "",
        table=tuple(_ridge_row(int(ridge.steps[i]), ridge.buckets[i]) for i in sample(len(ridge.buckets))),
    )


def _spread(ridge: Ridge) -> str:
    n = len(ridge.buckets)
    if not n:
        return "No histogram was written."
    span = f"{count(n, 'histogram')}, steps {ridge.steps.min()} to {ridge.steps.max()}"
    bad = [step for step, buckets in zip(ridge.steps, ridge.buckets, strict=True) if row_word(buckets)]
    if len(bad) == n:
        return f"{span}: every one is {row_word(ridge.buckets[0])}."
    return f"{span}" + (f"; {len(bad)} of them cannot be drawn, the first at step {bad[0]}." if bad else ".")


def _ridge_row(step: int, buckets: Floats) -> tuple[str, ...]:
    """Step, smallest and largest value, how many values: what a histogram says in one line."""
    word = row_word(buckets)
    if word:
        return (str(step), word, word, "")
    filled = buckets[buckets[:, 2] > 0]
    with np.errstate(over="ignore"):
        total = float(filled[:, 2].sum())
    return (
        str(step),
        number(float(filled[0, 0])),
        number(float(filled[-1, 1])),
        number(total),
    )
