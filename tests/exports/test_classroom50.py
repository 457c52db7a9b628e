"""Classroom 50: exactly the keys of its contract, whole points that add up, and no file where there is no grade."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting.factories import NASTY, grade, tainted, ungraded

from grader.errors import GraderError, UsageError
from grader.exports.classroom50 import render, whole

from .making import failed_by_harness, result

VARIABLES = {
    "CLASSROOM": "dl-2026",
    "ASSIGNMENT": "batch-norm",
    "SUBMISSION_TAG": "submit/20261123T140000Z-0123abc",
    "COMMIT_URL": "https://example.org/commit/1",
    "RELEASE_URL": "https://example.org/release/1",
    "REVIEW_URL": "https://example.org/review/1",
}
NOW = datetime(2026, 11, 23, 17, 0, 0, 999, tzinfo=timezone(timedelta(hours=3)))

# https://github.com/foundation50/classroom50/wiki/Advanced-Autograding: eleven keys, four a test, whole points.
RULES = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 11,
    "properties": {
        "schema": {"const": "classroom50/result/v1"},
        **{
            name: {"type": "string", "minLength": 1}
            for name in ("classroom", "assignment", "submission", "commit", "release", "review")
        },
        "datetime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "score": {"type": "integer", "minimum": 0},
        "max-score": {"type": "integer", "minimum": 1},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 4,
                "properties": {
                    "test-name": {"type": "string", "minLength": 1},
                    "passed": {"type": "boolean"},
                    "score": {"type": "integer", "minimum": 0},
                    "max-score": {"type": "integer", "minimum": 0},
                },
            },
        },
    },
}


def test_a_result_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("classroom50.json", render(result(), VARIABLES, NOW))


@pytest.mark.parametrize("made", [grade(), tainted(NASTY).grade])
def test_every_rule_of_the_contract_is_kept(made: object) -> None:
    document = json.loads(render(result(made), VARIABLES, NOW))  # type: ignore[arg-type]
    jsonschema.validate(document, RULES)
    assert document["score"] == sum(test["score"] for test in document["tests"])
    assert all(test["score"] <= test["max-score"] for test in document["tests"])


def test_the_time_is_that_of_greenwich() -> None:
    assert json.loads(render(result(), VARIABLES, NOW))["datetime"] == "2026-11-23T14:00:00Z"


def test_without_a_review_the_commit_stands_for_it() -> None:
    plain = {name: value for name, value in VARIABLES.items() if name != "REVIEW_URL"}
    assert json.loads(render(result(), plain, NOW))["review"] == VARIABLES["COMMIT_URL"]


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(UsageError, match="The variable RELEASE_URL is not set"):
        render(result(), VARIABLES | {"RELEASE_URL": ""}, NOW)


@pytest.mark.parametrize("made", [ungraded(), failed_by_harness()])
def test_where_there_is_no_grade_no_zero_is_written(made: object) -> None:
    with pytest.raises(GraderError, match="could not be graded") as refused:
        render(result(made), VARIABLES, datetime.now(UTC))  # type: ignore[arg-type]
    assert refused.value.exit_code == 3


@settings(deadline=None)
@given(st.lists(st.integers(0, 1200), min_size=1, max_size=20))
def test_whole_points_add_up_and_each_is_next_to_the_exact_one(hundredths: list[int]) -> None:
    points = [value / 100 for value in hundredths]
    total = (sum(hundredths) + 50) // 100
    rounded = whole(points, total)
    assert sum(rounded) == total
    assert all(abs(value - exact) < 1 for value, exact in zip(rounded, points, strict=True))
