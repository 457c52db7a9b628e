"""JUnit XML: a suite a submission, a case a criterion.

Failed and partly earned criteria are failures; what is blocked, undecided or waits for a person is skipped; a submission
that could not be graded is one error. A case is named after the submission and the criterion, because GitLab keeps only
the first of two cases of the same name (https://docs.gitlab.com/ci/testing/unit_test_reports/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from grader.exports import wording
from grader.exports.results import Result
from grader.records import Judgement, Status
from grader.reporting.text import inert, one_line

_OUTCOMES = {
    Status.FAILED: "failure",
    Status.PARTIAL: "failure",
    Status.BLOCKED: "skipped",
    Status.UNDECIDED: "skipped",
    Status.REVIEW: "skipped",
}


def render(results: Sequence[Result]) -> str:
    """The document. Only characters that XML 1.0 has are in it."""
    root = ET.Element("testsuites", name="grader")
    root.extend([_suite(result) for result in results])
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(result: Result) -> ET.Element:
    name = one_line(result.id)
    cases = _cases(result, name)
    tally = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")}
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(tally["failure"]),
        errors=str(tally["error"]),
        skipped=str(tally["skipped"]),
        time=f"{result.seconds:.2f}",
    )
    suite.append(_properties(result))
    suite.extend(cases)
    return suite


def _properties(result: Result) -> ET.Element:
    facts: dict[str, object] = dict(result.environment)
    if result.error is None:
        facts |= {"score": result.score, "max_score": result.max_score, "awaiting_review": result.awaiting_review}
    properties = ET.Element("properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=one_line(name), value=one_line(str(value)))
    return properties


def _cases(result: Result, name: str) -> list[ET.Element]:
    if result.error is not None:
        case = ET.Element("testcase", classname="grader", name=f"{name}::graded")
        error = ET.SubElement(case, "error", type="ungraded", message=one_line(result.error))
        error.text = inert(result.error)
        return [case]
    titles = wording.titles(result.criteria)
    return [_case(judgement, name, titles) for judgement in result.criteria]


def _case(judgement: Judgement, submission: str, titles: Mapping[str, str]) -> ET.Element:
    criterion = judgement.criterion
    case = ET.Element("testcase", classname=one_line(criterion.part), name=f"{submission}::{one_line(criterion.id)}")
    if judgement.status in _OUTCOMES:
        message = f"{one_line(criterion.title)}: {wording.earned(judgement)} points"
        outcome = ET.SubElement(case, _OUTCOMES[judgement.status], type=judgement.status.value, message=message)
        outcome.text = wording.in_full(judgement, titles)
    return case
