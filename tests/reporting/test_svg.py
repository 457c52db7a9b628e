"""Pictures of series that nobody would wish for."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grader.records import Band, Curve, Floats, Ints
from grader.reporting import svg
from grader.reporting.figures import curve_figure, ridge_figure
from grader.reporting.svg import LEFT, RIGHT, WIDTH, curve_picture, min_max, ridge_picture

from .factories import curve, histogram, nan_histogram, ridge

PATH = re.compile(r"(?:M-?\d+ -?\d+(?:l-?\d+(?:[ -]-?\d+)*|h0|v\d+H\d+V\d+)?z?)*")


def steps(n: int) -> Ints:
    return np.arange(n, dtype=np.int64)


def test_a_line_breaks_at_nan_and_the_hole_is_marked() -> None:
    picture = curve_picture(steps(6), np.array([1.0, 2.0, np.nan, np.nan, 3.0, 4.0]))
    assert picture.line.count("M") == 2
    assert picture.holes.count("M") == 1
    middle = svg.LEFT + (svg.WIDTH - svg.RIGHT - svg.LEFT) * 2 / 5
    assert picture.hole_x is not None and abs(picture.hole_x - middle) <= 2


def test_a_line_breaks_where_steps_do_not_grow() -> None:
    assert curve_picture(np.array([0, 1, 2, 0, 1, 2]), np.arange(6.0)).line.count("M") == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_series_without_a_finite_value_is_all_hole(bad: float) -> None:
    picture = curve_picture(steps(5), np.full(5, bad))
    assert picture.line == "" and picture.low is None
    assert picture.hole_x == svg.LEFT - 1


def test_one_point_and_no_point_are_fine() -> None:
    assert curve_picture(steps(1), np.array([3.0])).line.startswith("M")
    assert curve_picture(steps(0), np.empty(0)).line == ""


def test_a_few_huge_values_squeeze_the_axis_and_nothing_else_does() -> None:
    values = np.linspace(1.0, 2.0, 50)
    assert not curve_picture(steps(50), values).squeezed
    values[3] = 1e20
    picture = curve_picture(steps(50), values)
    assert picture.squeezed and picture.high == 1e20


def test_the_largest_floats_are_named_as_they_are() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = curve_picture(steps(2), np.array([-1.7e308, 1.7e308]))
    assert (picture.low, picture.high) == (-1.7e308, 1.7e308)


def test_long_series_are_thinned_and_keep_their_extremes() -> None:
    values = np.sin(np.arange(20_000) / 100.0)
    values[12_345] = 9.0
    kept = min_max(values, svg.MOST_POINTS)
    assert len(kept) <= svg.MOST_POINTS
    assert {0, 12_345, 19_999} <= set(kept.tolist())
    assert len(curve_picture(steps(20_000), values).line) < 4_000


def test_alternating_nan_stays_small() -> None:
    values = np.where(np.arange(20_000) % 2 == 0, np.nan, 1.0)
    picture = curve_picture(steps(20_000), values)
    assert len(picture.line) + len(picture.holes) < 10_000


def test_a_band_lies_between_its_bounds() -> None:
    band = Band(steps=steps(3), values=np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 10.0]]))
    picture = curve_picture(steps(3), np.array([5.0, 5.0, 5.0]), band)
    assert (picture.low, picture.high) == (0.0, 10.0)
    assert picture.band.endswith("z")
    assert picture.band.startswith(f"M{svg.LEFT} {svg.TOP}l") and f" {svg.CURVE_PLOT} " in picture.band


def test_a_band_of_nan_is_said_and_not_drawn() -> None:
    nothing = Band(steps=steps(3), values=np.full((2, 3), np.nan))
    figure = curve_figure(replace(curve(n=3), band=nothing), "a")
    assert figure.picture.band == ""
    assert "not finite here either (2 seeds)" in figure.sentence


def test_a_curve_that_turns_nan_where_the_reference_does_is_like_it() -> None:
    made = curve(n=4)
    values = np.array([[5.0, np.nan, np.nan, np.nan], [6.0, np.nan, np.nan, np.nan]])
    both = replace(made, values=np.array([5.5, np.nan, np.nan, np.nan]), band=Band(steps=made.steps, values=values))
    figure = curve_figure(both, "a")
    assert not figure.differs and "does not stay finite here either (with 2 of 2 seeds)" in figure.sentence
    assert curve_figure(replace(both, values=np.array([5.5, 5.0, 5.0, 5.0])), "a").differs
    some = replace(both, band=Band(steps=made.steps, values=np.array([values[0], [6.0, 4.0, 3.0, 2.0]])))
    assert not curve_figure(some, "a").differs and "(with 1 of 2 seeds)" in curve_figure(some, "a").sentence
    assert not curve_figure(replace(some, values=np.array([5.5, 4.0, np.nan, 2.0])), "a").differs
    assert curve_figure(replace(both, values=np.array([9.0, np.nan, np.nan, np.nan])), "a").differs


def test_a_figure_says_where_nan_begins() -> None:
    figure = curve_figure(curve(n=10, bad=4), "a")
    assert figure.mark == "NaN from step 114"
    assert "4 of 10 values not finite" in figure.sentence
    assert figure.table[-1][1] == "NaN"


def test_a_ridge_shows_at_most_twelve_steps_with_first_and_last() -> None:
    figure = ridge_figure(ridge(), "a")
    rows = figure.picture.rows
    assert len(rows) == 12
    assert (rows[0].step, rows[-1].step) == (0, 180)
    assert int(figure.table[0][3]) == int(histogram(1.5)[:, 2].sum())


def test_the_references_range_is_a_bar_below_each_row_on_the_same_scale() -> None:
    usual = np.array([[-3.0, 3.2], [np.nan, np.nan], [-30.0, 32.0], [0.5, 0.5]])
    picture = ridge_picture(steps(4), tuple(histogram(1.0) for _ in range(4)), usual)
    bars = re.findall(r"M(\d+) (\d+)h(\d+)", picture.usual)
    assert [int(y) for _, y, _ in bars] == [row.y + 4 for n, row in enumerate(picture.rows) if n != 1]
    assert [int(x) for x, _, _ in bars][1] == LEFT and int(bars[1][2]) == WIDTH - RIGHT - LEFT
    assert int(bars[2][2]) == 2
    assert int(bars[0][2]) == pytest.approx((WIDTH - RIGHT - LEFT) / 10, abs=2)


def test_a_ridge_of_nan_empty_and_infinite_histograms_says_so() -> None:
    infinite = histogram(1.0)
    infinite[-1, 1] = np.inf
    picture = ridge_picture(steps(4), (nan_histogram(), np.empty((0, 3)), infinite, histogram(1.0)))
    assert [row.word for row in picture.rows] == ["NaN", "empty", "infinite", ""]
    assert [bool(row.path) for row in picture.rows] == [False, False, False, True]


@given(
    arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.randoms(use_true_random=False),
)
def test_any_series_makes_whole_number_paths_without_a_warning(values: Floats, random: object) -> None:
    shuffled = np.array([random.randint(-(2**62), 2**62) for _ in values], dtype=np.int64)  # type: ignore[attr-defined]
    band = Band(steps=shuffled, values=np.stack([values, -values])) if len(values) else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for at in (steps(len(values)), shuffled):
            drawn = Curve(run="r", tag="t", role=None, steps=at, values=values, band=band)
            picture = curve_figure(drawn, "a").picture
            for path in (picture.line, picture.band, picture.holes):
                assert PATH.fullmatch(path), path


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=st.floats()))
def test_any_histogram_makes_a_path_or_a_word(buckets: Floats) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = replace(ridge(), steps=steps(2), buckets=(buckets, histogram(1.0)))
        for row in ridge_figure(drawn, "a").picture.rows:
            assert PATH.fullmatch(row.path), row.path
            assert bool(row.path) != bool(row.word)
