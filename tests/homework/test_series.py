"""What histograms say of the values that they were made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grader.homework.series import counts, middle
from grader.records import Floats

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
