"""The plain table: a line a criterion, read back by Python's own csv module, without formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from reporting.factories import grade, tainted, ungraded

from grader.exports.criteria_csv import render

from .making import result


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_a_class_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("criteria.csv", render([result(), result(ungraded())]))


def test_a_line_for_each_criterion_with_the_columns_of_the_head() -> None:
    head, *lines = rows(render([result(), result(ungraded())]))
    assert len(lines) == len(grade().criteria) + 1
    assert all(len(line) == len(head) for line in lines)
    table = [dict(zip(head, line, strict=True)) for line in lines]
    assert (table[3]["criterion"], table[3]["status"], table[3]["points"]) == (
        "fit.validation_scalars",
        "partial",
        "3.33",
    )
    assert (table[-1]["status"], table[-1]["points"]) == ("ungraded", "")


@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "\t=1", "＝1", "@SUM(A1)", "-2+3"])
def test_what_looks_like_a_formula_gets_an_apostrophe(formula: str) -> None:
    for line in rows(render([result(tainted(formula).grade)]))[1:]:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for cell in line)
