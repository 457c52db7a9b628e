"""What reference seeds explain: the interval is the textbook's, and a correct notebook is all but never failed."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from grader import store
from grader.assignment import load_assignment
from grader.homework.experiments import WITNESSES
from grader.homework.spread import CHANCE, chance_of_failing, far, spread, t_quantile
from grader.places import reference_folder
from grader.records import Band, Reference

COMPARISONS = (("relu_smart_dense", "relu"), ("relu_bn_fixed", "relu"))


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [(0.975, 1, 12.706), (0.975, 7, 2.365), (0.995, 23, 2.807), (0.9995, 23, 3.768), (0.95, 120, 1.658)],
)
def test_quantiles_are_those_of_the_tables(probability: float, freedom: int, quantile: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(quantile, rel=5e-4)


def test_a_correct_notebook_falls_below_the_least_gain_as_seldom_as_said() -> None:
    """By simulation: seeds and one more run are drawn from one distribution, over and over."""
    rng, seeds, times = np.random.default_rng(5), 8, 40_000
    gains = rng.normal(1.0, 0.6, size=(times, seeds + 1))
    known, new = gains[:, :seeds], gains[:, seeds]
    least = known.mean(axis=1) - far(seeds) * known.std(axis=1, ddof=1)
    assert (new < least).mean() == pytest.approx(CHANCE, abs=4 * np.sqrt(CHANCE / times))


@pytest.mark.parametrize("data", ["embedded", "mnist"])
def test_a_correct_notebook_is_failed_at_most_once_in_a_thousand(data: str) -> None:
    reference = store.read_reference(load_assignment(reference_folder()), "fast", data)
    chances = [chance_of_failing(reference, *pair, WITNESSES[0]) for pair in COMPARISONS]
    assert all(chance is not None for chance in chances)
    assert sum(chance for chance in chances if chance is not None) <= 0.001


def test_few_seeds_make_the_interval_wide_and_none_at_all_makes_none() -> None:
    assert far(4) > far(8) > far(24) > NormalDist().inv_cdf(1 - CHANCE)
    steps, values = np.arange(3), np.ones((2, 3))
    two = {(run, "train_loss"): Band(steps=steps, values=values) for run in ("a", "b")}
    assert spread(Reference(profile="fast", data="own", bands=two), "a", "b", "train_loss") is None
