"""Comparing logged series with what was expected: histograms and scalars, as TensorFlow writes them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from grader.records import Floats, Histograms

_BUCKETS = 30  # tf.summary.histogram's default


def close(actual: Floats | float, expected: Floats | float, tolerance: float, scale: float = 0.0) -> bool:
    """All values within `tolerance` of the larger of |expected| and `scale`. NaN equals nothing; shapes must agree."""
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if a.shape != e.shape:
        return False
    return bool(np.all(np.abs(a - e) <= tolerance * np.maximum(np.abs(e), scale)))


def counts(values: Floats, buckets: int = _BUCKETS) -> Floats:
    """Counts per bucket as `tf.summary.histogram` finds them: equal widths from minimum to maximum [buckets]."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.concatenate([np.zeros(buckets - 1), [float(values.size)]])
    index = np.floor((values.ravel() - low) / ((high - low) / buckets)).astype(int)
    return np.bincount(np.clip(index, 0, buckets - 1), minlength=buckets).astype(np.float64)


def size(buckets: Floats) -> int:
    """How many values a histogram holds; 0 where one of them is NaN."""
    return int(buckets[:, 2].sum()) if len(buckets) else 0


def middle(buckets: Floats, share: float) -> tuple[float, float]:
    """The range that the middle `share` of a histogram's values lie in, as far as its buckets tell; NaN where it has none."""
    total = float(buckets[:, 2].sum()) if len(buckets) and not is_nan(buckets) else 0.0
    if not total:
        return float("nan"), float("nan")
    edges = np.append(buckets[:, 0], buckets[-1, 1])
    below = np.concatenate([[0.0], np.cumsum(buckets[:, 2])]) / total
    low, high = np.interp([(1 - share) / 2, (1 + share) / 2], below, edges)
    return float(low), float(high)


def is_histogram_of(buckets: Floats, values: Floats, tolerance: float, usual: float = 0.0) -> bool:
    """Whether a histogram [k, 3] was made of these values: number, range and shape agree.

    Values near the edge of a bucket may fall on either side after rounding, so up to 2 % of them (two at least) may be
    counted one bucket off. `usual` is the size that such values usually have: a sum that nearly cancels is only as exact
    as its terms, so the tolerance is never taken of less than that.
    """
    if not len(buckets) or size(buckets) != values.size:
        return False
    low, high = float(values.min()), float(values.max())
    exact = tolerance * max(abs(low), abs(high), usual)
    if not (abs(buckets[0, 0] - low) <= exact and abs(buckets[-1, 1] - high) <= exact):
        return False
    if low == high or high - low <= exact:
        return True
    moved = np.abs(np.cumsum(buckets[:, 2] - counts(values, len(buckets)))).sum()
    return bool(moved <= max(2.0, 0.02 * values.size))


def is_nan(buckets: Floats) -> bool:
    """Whether one of the values was NaN (then all edges are) or infinite (then an edge is)."""
    return bool(len(buckets)) and not bool(np.isfinite(buckets[:, :2]).all())


@lru_cache(maxsize=256)
def bad_points(series: Histograms) -> tuple[bool, ...]:
    """For each histogram of a series whether one of its values was NaN or infinite."""
    if not series.buckets or np.isfinite(np.concatenate(series.buckets)[:, :2]).all():
        return (False,) * len(series.buckets)
    return tuple(map(is_nan, series.buckets))


@lru_cache(maxsize=256)
def sizes(series: Histograms) -> tuple[int, ...]:
    """How many values each histogram of a series holds; 0 where one of them is NaN."""
    if len({len(buckets) for buckets in series.buckets}) == 1:
        return tuple(map(int, np.stack(series.buckets)[:, :, 2].sum(axis=1)))
    return tuple(map(size, series.buckets))


def first_bad_step(series: Histograms) -> int | None:
    """The step of the first histogram with a value that is NaN or infinite."""
    bad = bad_points(series)
    return int(series.steps[bad.index(True)]) if True in bad else None
