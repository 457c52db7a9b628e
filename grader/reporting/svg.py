"""Series as SVG path strings: pure functions from arrays to small records, which a template draws.

Coordinates are whole numbers in the units of the drawing's viewBox; paths move relatively, which keeps pages small.
Values come from a student's log: empty, single, huge, infinite or NaN, at steps in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from grader.language import tr
from grader.records import Band, Floats, Ints

Bools = NDArray[np.bool_]

WIDTH = 640
LEFT, RIGHT, TOP = 118, 12, 14
CURVE_PLOT = 170  # height of a curve's plot
ROW, RISE = 20, 32  # a ridge's rows are this far apart, and this high
MOST_POINTS = 300
MOST_BAND_POINTS = 100
MOST_PIECES = 120  # of a line that NaN or falling steps break
MOST_ROWS = 12
_OUTLIER = 200.0  # a largest value this many times the median squeezes the axis
_LARGEST = 1e300  # beyond it, differences overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePicture:
    """A line over a band. `line`, `band` and `holes` (stretches that are not finite) are path strings, maybe empty;
    `hole_x` is where the first hole begins. `low` and `high` are the values at the plot's floor and ceiling, None when
    nothing is finite; `squeezed` says that the vertical axis is logarithmic because of far larger values."""

    line: str
    band: str
    holes: str
    hole_x: int | None
    low: float | None
    high: float | None
    squeezed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeRow:
    """One step of a ridge: its outline over the baseline `y`, or an empty path and a word that says why."""

    step: int
    y: int
    path: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgePicture:
    """Histograms over time, the first on top. `low` and `high` are the values at the left and right edge; `usual` is a path
    of bars below the baselines, where most of the reference's values lay."""

    rows: tuple[RidgeRow, ...]
    usual: str
    height: int
    low: float | None
    high: float | None
    zero_x: int | None
    squeezed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Values to coordinates: linear between `low` and `high`, or through asinh(v / unit) when `unit` is set."""

    low: float
    high: float
    unit: float | None
    start: int
    end: int

    def __call__(self, values: Floats) -> Floats:
        low, high = self._bend(np.array([self.low, self.high]))
        share = (self._bend(values) - low) / (high - low) if high > low else np.full(len(values), 0.5)
        placed: Floats = np.rint(self.start + np.clip(share, 0.0, 1.0) * (self.end - self.start))
        return placed

    def _bend(self, values: Floats) -> Floats:
        within = np.clip(values, -_LARGEST, _LARGEST)
        if self.unit is None:
            return within
        with np.errstate(over="ignore"):
            return np.arcsinh(np.clip(within / self.unit, -_LARGEST, _LARGEST))


def scale(values: Floats, start: int, end: int) -> Scale | None:
    """The scale that shows these values, None when none of them is finite. A few far larger values bend it."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    typical = float(np.median(np.minimum(np.abs(finite), _LARGEST)))
    largest = max(abs(low), abs(high))
    unit = typical if typical > 1e-300 and largest > _OUTLIER * typical else None
    return Scale(low=low, high=high, unit=unit, start=start, end=end)


# --- curves ---------------------------------------------------------------------------------------------------------


def curve_picture(steps: Ints, values: Floats, band: Band | None = None) -> CurvePicture:
    """A series [n] over the reference's band. Nothing is joined over NaN, infinity or a step that does not grow."""
    finite = np.isfinite(values)
    low, high = (band.low, band.high) if band is not None else (np.empty(0), np.empty(0))
    at = steps.astype(np.float64)
    x = scale(np.concatenate((at, band.steps if band is not None else [])), LEFT, WIDTH - RIGHT)
    y = scale(np.concatenate((values, low, high)), TOP + CURVE_PLOT, TOP)
    holes = _holes(x(at), ~finite) if x is not None else ()
    return CurvePicture(
        line=_line(x, y, steps, values) if x and y else "",
        band=_band(x, y, band.steps.astype(np.float64), low, high) if x and y and band is not None else "",
        holes="".join(f"M{left} {TOP}v{CURVE_PLOT}H{right}V{TOP}z" for left, right in holes),
        hole_x=holes[0][0] if holes else None,
        low=y.low if y else None,
        high=y.high if y else None,
        squeezed=bool(y and y.unit is not None),
    )


def _line(x: Scale, y: Scale, steps: Ints, values: Floats) -> str:
    pieces = _evenly(_pieces(np.isfinite(values), steps), MOST_PIECES)
    total = sum(len(piece) for piece in pieces)
    drawn = []
    for piece in pieces:
        kept = piece[min_max(values[piece], max(1, MOST_POINTS * len(piece) // total))]
        at, height = x(steps[kept].astype(np.float64)), y(values[kept])
        drawn.append(_path(at, height) if len(kept) > 1 else _dot(at[0], height[0]))
    return "".join(drawn)


def _pieces(finite: Bools, steps: Ints) -> list[Ints]:
    """Indices of the stretches that may be joined: finite, at growing steps."""
    index = np.flatnonzero(finite)
    if not len(index):
        return []
    breaks = (np.diff(index) > 1) | (np.diff(steps[index]) <= 0)
    return np.split(index, np.flatnonzero(breaks) + 1)


def min_max(values: Floats, most: int) -> Ints:
    """Indices of at most about `most` values that keep the shape: both extremes of each bucket, the first and last."""
    n = len(values)
    if n <= max(most, 2):
        return np.arange(n)
    edges = np.linspace(0, n, max(1, (most - 2) // 2) + 1).astype(int)
    parts = [(a, values[a:b]) for a, b in pairwise(edges) if b > a]
    extremes = [a + index(part) for a, part in parts for index in (np.argmin, np.argmax)]
    return np.unique([0, *extremes, n - 1])


def _band(x: Scale, y: Scale, steps: Floats, low: Floats, high: Floats) -> str:
    """A closed outline around each stretch of finite bounds."""
    finite = np.isfinite(low) & np.isfinite(high)
    drawn = []
    for piece in _evenly(_pieces(finite, np.arange(len(steps))), MOST_PIECES):
        parts = np.array_split(piece, min(len(piece), MOST_BAND_POINTS))
        at = x(np.array([steps[part].mean() for part in parts]))
        above = y(np.array([high[part].max() for part in parts]))
        below = y(np.array([low[part].min() for part in parts]))
        if len(at) == 1:
            at, above, below = np.array([at[0] - 3, at[0] + 3]), above.repeat(2), below.repeat(2)
        drawn.append(_path(np.concatenate((at, at[::-1])), np.concatenate((above, below[::-1]))) + "z")
    return "".join(drawn)


def _holes(x: Floats, bad: Bools) -> tuple[tuple[int, int], ...]:
    """Left and right of each stretch that is not finite, at least two units wide, in the order of writing."""
    stretches = _evenly(_pieces(bad, np.arange(len(bad))), MOST_PIECES)
    spans = ((x[part].min(), x[part].max()) for part in stretches)
    return tuple((int(left) - 1, int(right) + 1) for left, right in spans)


# --- the curves of a class ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPicture:
    """Many lines over a band. `lines` are path strings in the order of the series; `tips` is where each ends (None where
    nothing of it is finite)."""

    lines: tuple[str, ...]
    tips: tuple[tuple[int, int] | None, ...]
    band: str
    low: float | None
    high: float | None
    squeezed: bool


def class_picture(
    series: Sequence[tuple[Floats, Floats]],
    usual: Sequence[bool],
    end: float,
    band: tuple[Floats, Floats, Floats] | None,
) -> ClassPicture:
    """Series of (places, values), from place 0 to `end`, over a band of (places, lowest, highest). The band and the usual
    series have all the room; what lies beyond is drawn at the edge."""
    at = np.concatenate([places for places, _ in series] or [np.empty(0)])
    values = np.concatenate([values for _, values in series] or [np.empty(0)])
    shaping = [values for (_, values), one in zip(series, usual, strict=True) if one]
    x = Scale(low=0.0, high=end, unit=None, start=LEFT, end=WIDTH - RIGHT)
    framed = scale(np.concatenate([*shaping, *(band[1:] if band else ()), np.empty(0)]), TOP + CURVE_PLOT, TOP)
    y = framed or scale(values, TOP + CURVE_PLOT, TOP)
    heights = y(values).tolist() if y else [math.nan] * len(values)
    across = x(at).tolist()
    ends = [0, *accumulate(len(places) for places, _ in series)]
    drawn = [_broken(across[a:b], heights[a:b]) for a, b in pairwise(ends)]
    return ClassPicture(
        lines=tuple(line for line, _ in drawn),
        tips=tuple(tip for _, tip in drawn),
        band=_band(x, y, *band) if y and band else "",
        low=y.low if y else None,
        high=y.high if y else None,
        squeezed=bool(y and y.unit is not None),
    )


def _broken(x: list[float], y: list[float]) -> tuple[str, tuple[int, int] | None]:
    """A path through the points that are finite, not joined over the others, and its last point."""
    drawn: list[str] = []
    before: tuple[int, int] | None = None
    last = None
    for across, height in zip(x, y, strict=True):
        if math.isnan(height):
            before = None
            continue
        last = (int(across), int(height))
        drawn.append(f"l{last[0] - before[0]} {last[1] - before[1]}" if before else f"M{last[0]} {last[1]}h1")
        before = last if before else (last[0] + 1, last[1])
    return "".join(drawn), last


# --- ridges ---------------------------------------------------------------------------------------------------------


def sample(n: int, most: int = MOST_ROWS) -> list[int]:
    """At most `most` indices of n, evenly spread, with the first and the last."""
    return sorted({int(i) for i in np.linspace(0, n - 1, min(n, most)).round()}) if n else []


def ridge_picture(steps: Ints, buckets: Sequence[Floats], usual: Floats | None = None) -> RidgePicture:
    """Histograms [k, 3] of (left, right, count) at these steps, at most twelve, each as high as its own peak, over the
    reference's ranges [n, 2]."""
    chosen = sample(len(buckets))
    edges = np.concatenate([buckets[i][:, :2].ravel() for i in chosen]) if chosen else np.empty(0)
    ranges = usual[chosen] if usual is not None else np.empty((0, 2))
    x = scale(np.concatenate([edges, ranges.ravel()]), LEFT, WIDTH - RIGHT)
    ends = accumulate(2 * len(buckets[i]) for i in chosen)
    placed = x(edges) if x is not None else edges
    rows = [
        _row(placed[end - 2 * len(buckets[i]) : end], int(steps[i]), buckets[i], TOP + RISE + n * ROW)
        for n, (i, end) in enumerate(zip(chosen, ends, strict=True))
    ]
    return RidgePicture(
        rows=tuple(rows),
        usual=_bars(x, ranges, [row.y for row in rows]) if x is not None else "",
        height=TOP + RISE + max(len(rows) - 1, 0) * ROW + 40,
        low=x.low if x else None,
        high=x.high if x else None,
        zero_x=int(x(np.zeros(1))[0]) if x and x.low < 0 < x.high else None,
        squeezed=bool(x and x.unit is not None),
    )


def _bars(x: Scale, ranges: Floats, baselines: Sequence[int]) -> str:
    """A bar below each baseline, two units long at least; none where the reference is not finite."""
    ends = x(ranges.ravel()).reshape(-1, 2)
    bars = [(row, y + 4) for row, y in zip(ends, baselines, strict=False) if np.isfinite(row).all()]
    return "".join(f"M{int(left)} {y}h{max(int(right - left), 2)}" for (left, right), y in bars)


def _row(edges: Floats, step: int, buckets: Floats, y: int) -> RidgeRow:
    word = row_word(buckets)
    return RidgeRow(step=step, y=y, path="" if word else _outline(edges, buckets[:, 2], y), word=word)


def row_word(buckets: Floats) -> str:
    """Why a histogram cannot be drawn, or nothing."""
    if not len(buckets):
        return tr("empty")
    if not np.isfinite(buckets).all():
        return "NaN" if np.isnan(buckets).any() else tr("infinite")
    return "" if buckets[:, 2].max() > 0 else tr("empty")


def _outline(edges: Floats, counts: Floats, y: int) -> str:
    """A closed outline over the baseline, of counts [k] between edges (left, right, left, right...) [2k]. The root of
    the density keeps small tails visible beside a tall peak."""
    left, right = edges[::2], edges[1::2]
    counts = np.maximum(counts, 0.0)
    density = np.sqrt(counts / counts.max() / np.maximum(right - left, 1.0))
    height = np.rint(y - RISE * density / density.max())
    middle = np.rint((left + right) / 2)
    base = float(y)
    at = np.concatenate(([left[0] - 1], middle, [right[-1] + 1]))
    return _path(at, np.concatenate(([base], height, [base]))) + "z"


# --- paths ----------------------------------------------------------------------------------------------------------


def _path(x: Floats, y: Floats) -> str:
    """A move to the first point, then lines, each relative to the point before it."""
    moves = zip(_steps(x), _steps(y), strict=True)
    lines = " ".join([f"{dx} {dy}" for dx, dy in moves if dx or dy])
    return f"M{int(x[0])} {int(y[0])}" + (f"l{lines}" if lines else "h0")


def _steps(values: Floats) -> list[int]:
    steps: list[int] = (values[1:] - values[:-1]).astype(int).tolist()
    return steps


def _dot(x: float, y: float) -> str:
    """A small diamond: a line through a single point would be invisible."""
    return f"M{int(x) - 3} {int(y)}l3-3 3 3-3 3z"


def _evenly(parts: list[Ints], most: int) -> list[Ints]:
    return [parts[i] for i in sample(len(parts), most)]
