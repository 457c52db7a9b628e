"""JUnit XML: valid by the schema that the xUnit plugin of Jenkins publishes, and GitLab's rules one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting.factories import NASTY, class_grades, grade, tainted, ungraded

from grader.exports.junit import render
from grader.records import say

from .making import failed_by_harness, result

SCHEMA = xmlschema.XMLSchema10(Path(__file__).with_name("junit-10.xsd"))


def read(text: str) -> ET.Element:
    SCHEMA.validate(text)
    return ET.fromstring(text.encode("utf-8"))


def test_a_class_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("junit.xml", render([result(), result(ungraded())]))


def test_the_schema_refuses_what_is_no_junit() -> None:
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate(render([result()]).replace("failures=", "mistakes="))


def test_a_suite_a_submission_and_a_case_a_criterion() -> None:
    root = read(render([result(made) for made in class_grades()]))
    assert len(root) == 13
    assert [case.get("name") for case in root[0].iter("testcase")][:2] == [
        "student-1::notebook.runs",
        "student-1::fit.patched",
    ]


def test_each_status_has_its_outcome_and_the_counts_are_right() -> None:
    (suite,) = read(render([result()]))
    outcomes = {}
    for case in suite.iter("testcase"):
        found = [child for child in case if child.tag in ("failure", "error", "skipped")]
        outcomes[case.get("name", "").partition("::")[2]] = (found[0].tag, found[0].get("type")) if found else None
    assert outcomes["notebook.runs"] is None
    assert outcomes["bn.normalises"] == ("failure", "failed")
    assert outcomes["fit.validation_scalars"] == ("failure", "partial")
    assert outcomes["bn.fixed_run"] == ("skipped", "blocked")
    assert outcomes["fit.training_preserved"] == ("skipped", "undecided")
    assert outcomes["relu.conclusion"] == ("skipped", "review")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["10", "3", "0", "3"]


@pytest.mark.parametrize("made", [ungraded(), failed_by_harness()])
def test_a_submission_that_could_not_be_graded_is_an_error_and_not_a_failure(made: object) -> None:
    (suite,) = read(render([result(made)]))  # type: ignore[arg-type]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["1", "0", "1", "0"]


def test_no_two_cases_share_a_name_as_gitlab_keeps_only_the_first() -> None:
    names = [case.get("name") for case in read(render([result(made) for made in class_grades()])).iter("testcase")]
    assert len(set(names)) == len(names) > 100


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_leaves_the_document_whole(text: str) -> None:
    broken = dataclasses.replace(ungraded(), error=say("{reason}", reason=text + NASTY))
    read(render([result(tainted(text + NASTY).grade), result(grade()), result(broken)]))
