"""The instructor's pages: what is odd, why points are lost, who waits, and how large all that may get."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from grader.records import Band, Floats, Report, Status, say
from grader.reporting import class_curves
from grader.reporting.class_groups import groups
from grader.reporting.html import class_pages
from grader.reporting.overview import Overview, Sketch, overview, overview_json, read_overview
from grader.reporting.worksheet import worksheets

from .factories import class_reports, curve, exhibit, finding, grade, judgement, report, tainted, ungraded

RELU = ("relu", "validation_loss")


def series(end: float, n: int = 10) -> Floats:
    return np.linspace(14.0, end, n)


def band(*ends: float) -> dict[tuple[str, str], Band]:
    return {RELU: Band(steps=np.arange(10), values=np.array([series(end) for end in ends]))}


def overviews(ends: Sequence[float]) -> tuple[Overview, ...]:
    return tuple(
        Overview(
            id=f"s{n}", sketches=(Sketch(run="relu", role=RELU[1], points=10, values=tuple(series(end).tolist())),)
        )
        for n, end in enumerate(ends)
    )


def odd(ends: Sequence[float], bands: dict[tuple[str, str], Band]) -> list[str]:
    return [one.member.name for one in class_curves.odd_ones(class_curves.pictures(overviews(ends), bands))]


# --- odd curves -----------------------------------------------------------------------------------------------------

CLASS = [2.0, 2.1, 1.9, 2.05, 1.95, 2.02]


def test_what_neither_the_reference_nor_the_class_explains_is_odd() -> None:
    assert odd([*CLASS, 9.0], band(1.9, 2.0, 2.1)) == ["s6"]


def test_what_the_class_does_is_not_odd_though_the_reference_does_not_do_it() -> None:
    assert odd([*CLASS, 2.2], band(5.0, 5.1, 5.2)) == []


def test_what_the_reference_does_is_not_odd_though_the_class_does_not_do_it() -> None:
    assert odd([*CLASS, 5.1], band(5.0, 5.1, 5.2)) == []


def test_a_small_class_is_judged_by_the_reference_alone_and_without_one_not_at_all() -> None:
    assert odd([2.0, 2.0, 9.0], band(1.9, 2.0, 2.1)) == ["s2"]
    assert odd([2.0, 2.0, 9.0], {}) == []


def test_curves_that_are_equal_to_the_last_bit_make_nobody_odd_for_a_trifle() -> None:
    assert odd([2.0] * 8 + [2.001], {}) == []
    assert odd([0.10237], band(0.102368, 0.102368)) == []
    assert odd([2.0] * 8 + [3.0], {}) == ["s8"]


def test_nan_is_odd_where_the_others_are_finite_and_the_other_way_round() -> None:
    assert odd([*CLASS, math.nan], band(1.9, 2.0, 2.1)) == ["s6"]
    assert odd([math.nan] * 6 + [2.0], band(math.nan, math.nan)) == ["s6"]
    assert odd([math.nan] * 6 + [2.0], {}) == ["s6"]
    assert odd([math.nan, 2.0], {}) == []
    assert odd([*CLASS, math.nan], band(1.9, 2.0, math.nan)) == ["s6"]


def test_an_odd_curve_does_not_flatten_the_others() -> None:
    (picture,) = class_curves.pictures(overviews([*CLASS, 1e12]), band(1.9, 2.0, 2.1))
    assert float(picture.high) < 20
    assert picture.odd[0].line and picture.odd[0].line not in picture.lines


def test_equal_curves_are_drawn_once() -> None:
    (picture,) = class_curves.pictures(overviews([2.0] * 100), band(2.0, 2.1))
    assert picture.lines.count("M") == 1


def test_a_curve_is_where_it_is_whatever_its_steps_are_called() -> None:
    by_epoch, by_step = (replace(curve("relu", RELU[1], n=10), steps=np.arange(10) * k) for k in (1, 469))
    shown = [overview(report(exhibit=exhibit(curves=(one,)))) for one in (by_epoch, by_step)]
    assert shown[0].sketches == shown[1].sketches


# --- what is kept of a submission -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made", [report(), Report(grade=ungraded()), tainted("a\udcff\x1b“b”")], ids=["usual", "ungraded", "nasty"]
)
def test_an_overview_comes_back_as_it_was(made: Report) -> None:
    shown = overview(made)
    back = read_overview(overview_json(shown))
    assert overview_json(back) == overview_json(shown)  # of the curves too, whose NaN is not equal to itself
    assert replace(back, sketches=()) == replace(shown, sketches=())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "grader.overview/2"}', '{"format": "grader.overview/1"}'])
def test_what_is_no_overview_is_told_from_one(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_overview(text)


def test_a_fingerprint_that_is_too_large_makes_no_overview() -> None:
    text = overview_json(overview(report()))
    with pytest.raises(OverflowError):
        read_overview(json.dumps({**json.loads(text), "code": [1 << 70]}))


# --- groups ---------------------------------------------------------------------------------------------------------


def lost(name: str, code: str, status: Status = Status.FAILED) -> Report:
    judged = judgement("fit.patched", status, 0, findings=(finding(code=code, message=say("why {name}", name=name)),))
    return report(grade=grade(name, criteria=(judged,)))


def test_causes_come_by_how_many_they_cost_each_with_its_students() -> None:
    made = [lost("a", "rare"), lost("b", "common"), lost("c", "common"), lost("d", "other", Status.BLOCKED)]
    shown = groups([one.grade for one in made], [overview(one) for one in made])
    assert [(cause.code, [one.name for one in cause.members]) for cause in shown.causes] == [
        ("common", ["b", "c"]),
        ("rare", ["a"]),
    ]
    assert shown.causes[0].members[0].href == "b/report.html#criterion-fit.patched"


def test_one_reason_that_costs_every_criterion_is_one_cause() -> None:
    said = (finding(code="notebook.not_started"),)
    judged = tuple(judgement(name, Status.FAILED, 0, findings=said) for name in ("fit.patched", "relu.runs"))
    made = overview(report(grade=grade("a", criteria=judged)))
    assert [(cause.criterion, cause.code) for cause in made.causes] == [("fit.patched", "notebook.not_started")]


def test_a_rate_never_rounds_up_to_all() -> None:
    made = [
        grade(f"s{n}", criteria=(judgement(status=Status.FAILED if n == 0 else Status.PASSED),)) for n in range(300)
    ]
    (rate,) = groups(made, ()).rates
    assert (rate.percent, rate.words) == (99, "299 passed, 1 failed")
    assert sum(part.width for part in rate.bar) == pytest.approx(100, abs=0.02)


def test_a_worksheet_holds_every_answer_and_says_who_has_none() -> None:
    made = [*class_reports()[:3], lost("petrov", "conclusion.missing")]
    without = judgement("relu.conclusion", Status.FAILED, most=7, title="Two ReLUs: the conclusion")
    made[3] = replace(made[3], grade=grade("petrov", criteria=(without,)), exhibit=exhibit(conclusions=()))
    (sheet,) = (s for s in worksheets([one.grade for one in made], [overview(one) for one in made]) if "relu" in s.path)
    assert [answer.member.name for answer in sheet.answers] == ["student-1", "student-2", "student-3"]
    assert (sheet.waiting, [one.name for one in sheet.missing]) == (2, ["petrov"])
    assert sheet.answers[0].decision == "Decided by Petrova on 2026-11-25: 5 of 7."


def test_an_answer_stands_beside_the_curves_that_it_speaks_of_and_their_names_do_not_overlap() -> None:
    runs = ("relu", "relu_smart_dense", "raw")
    made = report(exhibit=exhibit(curves=tuple(curve(run, RELU[1], n=10) for run in runs)))
    (sheet,) = (s for s in worksheets([made.grade], [overview(made)]) if "relu" in s.path)
    lines = sheet.answers[0].lines
    assert lines is not None
    assert [line.run for line in lines.lines] == ["relu", "relu_smart_dense"]
    assert lines.lines[0].path == lines.lines[1].path
    assert abs(lines.lines[0].y - lines.lines[1].y) >= 18


# --- bounds ---------------------------------------------------------------------------------------------------------


def named(shown: Overview, name: str) -> Overview:
    return replace(shown, id=name, subjects=tuple(replace(one, submission=name) for one in shown.subjects))


def test_the_pages_of_three_hundred_stay_small() -> None:
    long = replace(exhibit().conclusions[0], text="слово " * 5000)
    twelve = [replace(one, exhibit=exhibit(conclusions=(long,))) for one in class_reports()[:12]]
    small = [overview(one) for one in twelve]
    grades = [replace(twelve[n % 12].grade, id=f"student-{n}") for n in range(300)]
    shown = [named(small[n % 12], f"student-{n}") for n in range(300)]
    pages = dict(class_pages(grades, lambda: shown, {}, title="Class"))
    sizes = {name: len(page.encode()) for name, page in pages.items()}
    assert sizes["index.html"] < 1_500_000
    assert sizes["review/curves.html"] < 1_000_000
    assert sizes["review/relu.conclusion.html"] < 4_000_000
    assert len(re.findall(r'id="answer-\d+"', pages["review/relu.conclusion.html"])) == 300
    assert max(len(overview_json(one)) for one in small) < 100_000
