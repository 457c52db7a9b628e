"""What histograms say of the values that they were made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grader.homework.series import bad_points, counts, first_bad_step, is_nan, middle, size, sizes
from grader.records import Floats, Histograms

VALUES = arrays(np.float64, st.integers(2, 300), elements=st.floats(-1e6, 1e6, allow_subnormal=False))


def buckets_of(values: Floats) -> Floats:
    edges = np.linspace(values.min(), values.max(), 31)
    return np.stack([edges[:-1], edges[1:], counts(values)], axis=1)


@given(VALUES, st.floats(0.1, 1.0))
def test_the_middle_of_a_histogram_is_that_of_its_values_up_to_a_bucket(values: Floats, share: float) -> None:
    low, high = middle(buckets_of(values), share)
    width = (values.max() - values.min()) / 30 + 1e-9 * np.abs(values).max()
    ends = [np.quantile(values, (1 + sign * share) / 2, method=way) for sign, way in ((-1, "lower"), (1, "higher"))]
    assert low >= ends[0] - width - 1e-12
    assert high <= ends[1] + width + 1e-12
    assert low <= high


def test_what_is_not_finite_or_empty_has_no_middle() -> None:
    for buckets in (np.empty((0, 3)), np.full((30, 3), np.nan), np.zeros((30, 3))):
        assert np.isnan(middle(buckets, 0.9)).all()


EDGES = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf])
ROW = st.tuples(EDGES, EDGES, st.integers(0, 1000))
BUCKETS = st.lists(st.lists(ROW, max_size=3).map(lambda rows: np.array(rows, np.float64).reshape(-1, 3)), max_size=5)


@given(BUCKETS)
def test_a_whole_series_is_looked_at_as_each_of_its_histograms(found: list[Floats]) -> None:
    steps = 10 * np.arange(len(found))
    series = Histograms(tag="x", steps=steps, buckets=tuple(found), times=np.zeros(len(found)))
    bad = [is_nan(buckets) for buckets in found]
    assert list(bad_points(series)) == bad
    assert list(sizes(series)) == [size(buckets) for buckets in found]
    assert first_bad_step(series) == next((step for step, is_bad in zip(steps, bad, strict=True) if is_bad), None)
