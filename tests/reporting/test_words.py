"""Numbers never cross a meaning by rounding, and points carry no empty decimals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.records import Status
from grader.reporting.view import mend_first, waiting_sentence
from grader.reporting.words import number, place, points, seconds

from .factories import finding, grade, judgement


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (None, "not finite"),
        (0.0, "0"),
        (1.0, "1"),
        (0.99996, "0.9999"),
        (99.96, "99.96"),
        (99.996, "99.99"),
        (-99.996, "-99.99"),
        (2.30258, "2.303"),
        (1.234e-7, "1.234e-07"),
        (4690, "4690"),
        (1000.5, "1000.5"),
        (-4690.04, "-4690.0"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_have_four_digits_and_keep_their_meaning(value: float | None, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_only_a_whole_number_looks_whole(value: float) -> None:
    shown = number(value)
    assert math.isclose(float(shown), value, rel_tol=1e-3)
    if abs(value) < 1e4 and "." not in shown and "e" not in shown:
        assert value == int(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(84.0, "84"), (84 + 1e-12, "84"), (84 - 1e-12, "84"), (20 / 3, "6.67"), (99.999, "99.99"), (0, "0"), (7.5, "7.5")],
)
def test_points_are_whole_when_they_are(value: float, shown: str) -> None:
    assert points(value) == shown


def test_short_times_are_not_zero() -> None:
    assert (seconds(0.004), seconds(12.34)) == ("under 0.1 s", "12.3 s")


def test_a_place_names_cell_and_log() -> None:
    assert place(finding()) == "cell 4, line 3; run relu, tag val_loss, step 469"
    assert place(finding(cell=None, run=None, tag=None, step=0)) == "step 0"
    assert place(finding(cell=None, run=None, tag=None, step=None)) is None


def test_what_blocks_most_is_mended_first() -> None:
    small = judgement("a", Status.FAILED, most=3, title="Small")
    waiting = judgement("b", Status.BLOCKED, most=30, blocked_by="a", title="Waiting")
    big = judgement("c", Status.FAILED, most=20, title="Big", findings=(finding(message="Something else."),))
    ours = judgement("d", Status.UNDECIDED, most=50, title="Ours")
    first = mend_first(grade(criteria=(big, ours, small, waiting)))
    assert [(mend.link.text, mend.gain) for mend in first] == [("Small", "33 points"), ("Big", "20 points")]


def test_one_cause_of_several_losses_is_named_once_with_all_that_it_costs() -> None:
    same = [judgement(name, Status.FAILED, most=4, findings=(finding(message="Not begun."),)) for name in "ab"]
    other = judgement("c", Status.FAILED, most=5, findings=(finding(message="Something else."),))
    first = mend_first(grade(criteria=(*same, other)))
    assert [(mend.message, mend.gain) for mend in first] == [
        ("Not begun.", "8 points"),
        ("Something else.", "5 points"),
    ]


def test_criteria_that_block_each_other_do_not_hang() -> None:
    pair = (judgement("a", Status.FAILED, blocked_by="b"), judgement("b", Status.BLOCKED, blocked_by="a"))
    assert mend_first(grade(criteria=pair))[0].gain == "20 points"


def test_what_waits_for_a_person_is_named_with_its_points() -> None:
    assert (
        waiting_sentence(grade())
        == "Up to 7 more points will be given by a person, who reads: Two ReLUs: the conclusion (7)."
    )
    assert waiting_sentence(grade(criteria=())) is None
