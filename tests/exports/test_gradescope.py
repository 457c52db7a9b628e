"""Gradescope: the published rules of results.json one by one, and who sees what when."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from reporting.factories import NASTY, grade, tainted, ungraded

from grader.exports.gradescope import render
from grader.reporting.text import inert

from .making import failed_by_harness, result, waiting

# https://gradescope-autograders.readthedocs.io/en/latest/specs/, field by field. Unknown fields are refused here.
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
RULES = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["score"]}, {"properties": {"tests": {"items": {"required": ["score"]}}}}],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMAT,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": FORMAT,
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
            },
        },
    },
}


def document(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    read = json.loads(text.encode("utf-8"), parse_constant=refuse)
    jsonschema.validate(read, RULES)
    return read


def shown(made: Any, *levels: str) -> str:
    """All that is shown at these levels."""
    tests = [f"{test['name']}\n{test['output']}" for test in made["tests"] if test["visibility"] in levels]
    return "\n".join([made["output"], *tests])


def test_a_result_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("gradescope.json", render(result()))


def test_an_ungraded_one_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("gradescope-ungraded.json", render(result(ungraded())))


@pytest.mark.parametrize("made", [grade(), ungraded(), failed_by_harness(), waiting("x"), tainted(NASTY).grade])
def test_every_rule_of_the_format_is_kept(made: Any) -> None:
    document(render(result(made)))


def test_the_grade_is_that_of_the_result_and_not_a_sum_of_rounded_parts() -> None:
    assert document(render(result()))["score"] == 30.33


def test_values_of_the_rubric_wait_for_the_due_date_while_findings_and_hints_do_not() -> None:
    made = document(render(result()))
    now, later = shown(made, "visible"), shown(made, "after_due_date")
    assert "On constant features the output is not finite." in now
    assert "Add a small epsilon under the root." in now
    assert "NaN in 100 of 100 features" not in now
    assert "NaN in 100 of 100 features" in later


def test_the_conditions_of_the_run_are_for_instructors_alone() -> None:
    made = document(render(result()))
    assert "sandbox: bubblewrap" in shown(made, "hidden")
    assert "bubblewrap" not in shown(made, "visible", "after_due_date")


def test_points_that_wait_for_a_person_are_not_given_and_the_student_is_told() -> None:
    made = document(render(result(waiting("x"))))
    (review,) = [test for test in made["tests"] if "review" in test.get("tags", ())]
    assert (review["score"], review["max_score"]) == (0, 30)
    assert review["name"].endswith("(awaiting review)") and "gives up to 30 points" in review["output"]
    assert "status" not in review
    assert made["score"] == 60 and "Up to 30 points await a person's review" in made["output"]


def test_what_the_grader_could_not_tell_is_called_its_own_fault() -> None:
    (undecided,) = [t for t in document(render(result(waiting("x"))))["tests"] if "undecided" in t.get("tags", ())]
    assert "status" not in undecided and "not the student's" in undecided["output"]


def test_the_reason_of_our_own_failure_is_hidden_and_the_student_is_not_blamed() -> None:
    made = document(render(result(failed_by_harness())))
    assert "SECRET-REASON" in shown(made, "hidden")
    assert "SECRET-REASON" not in shown(made, "visible", "after_due_date", "after_published")
    assert "not your fault" in shown(made, "visible") and "no grade" in made["output"]


def test_a_notebook_that_cannot_be_read_tells_its_author_why() -> None:
    assert "Hand in the .ipynb file itself" in shown(document(render(result(ungraded()))), "visible")


def test_foreign_text_is_inert_and_nothing_is_taken_for_html() -> None:
    text = render(result(tainted(NASTY).grade))
    assert inert(text) == text
    made = json.loads(text)
    formats = {made["output_format"], made["test_output_format"], made["test_name_format"]}
    assert formats == {"text"} and not any("output_format" in test or "name_format" in test for test in made["tests"])
