"""How far apart correct notebooks end by chance: one run's gain over another, against the reference's seeds.

A correct notebook is one more seed. With n seeds of mean m and standard deviation s, the gain of another one lies below
m - t(1 - p, n - 1) * s * sqrt(1 + 1/n) with the chance p: the prediction interval of a normal sample (Hahn and Meeker,
Statistical Intervals, 1991, section 4.5). p is half of one in a thousand, since a notebook is compared twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from grader.homework.roles import tail_means
from grader.records import Floats, Reference

CHANCE = 0.0005  # of failing a correct notebook in one comparison
_FEWEST_SEEDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What reference seeds say of a gain: `usual`, its mean; `least`, what a correct notebook falls below by chance only;
    `noise`, by how much two runs of the worse kind differ by chance."""

    usual: float
    least: float
    noise: float


def spread(reference: Reference, better: str, worse: str, witness: str) -> Spread | None:
    """None where the reference was not run on these data, or with too few seeds."""
    bands = [reference.bands.get((run, witness)) for run in (better, worse)]
    if bands[0] is None or bands[1] is None or len(bands[0].values) < _FEWEST_SEEDS:
        return None
    ends = [tail_means(band.values) for band in bands if band is not None]
    gains = ends[1] - ends[0]
    usual, factor = float(gains.mean()), far(len(gains))
    return Spread(
        usual=usual, least=usual - factor * _deviation(gains), noise=factor * math.sqrt(2.0) * _deviation(ends[1])
    )


@cache
def far(seeds: int) -> float:
    """How many standard deviations off the mean of so many seeds another one is only by CHANCE. Found once for a class."""
    return t_quantile(1.0 - CHANCE, seeds - 1) * math.sqrt(1.0 + 1.0 / seeds)


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, found by halving an interval (its density is integrated by Simpson's rule)."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < probability else (low, middle)
    return high


def _t_below(value: float, freedom: int) -> float:
    """P(T <= value) for value >= 0, by substituting tan: the density becomes a power of a cosine."""
    angle = math.atan(value / math.sqrt(freedom))
    x = np.linspace(0.0, angle, 2001)
    y = np.cos(x) ** (freedom - 1)
    area = (y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum()) * (x[1] - x[0]) / 3
    whole = math.sqrt(math.pi) * math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2))
    return 0.5 + float(area) / whole


def _deviation(values: Floats) -> float:
    return float(values.std(ddof=1))


def chance_of_failing(reference: Reference, better: str, worse: str, witness: str) -> float | None:
    """How probably a correct notebook is failed by this comparison, if gains are normal with the seeds' own mean and
    deviation: it must fall below `least`, and stay below `noise`."""
    found = spread(reference, better, worse, witness)
    if found is None:
        return None
    deviation = (found.usual - found.least) / far(len(reference.bands[better, witness].values))
    return NormalDist(found.usual, deviation).cdf(min(found.least, found.noise))
