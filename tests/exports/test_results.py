"""Reading what `grader grade` wrote: all of it, and a clear sentence where it is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from reporting.factories import NASTY, grade, tainted, ungraded

from grader.errors import UsageError
from grader.exports.results import parse, read_results
from grader.exports.wording import explained
from grader.reporting.machine import result_json

from .making import failed_by_harness, result, waiting, write_class


def test_nothing_of_a_result_is_lost_but_its_claims_and_what_its_parts_are_called() -> None:
    made, read = grade(), result()
    assert (read.score, read.max_score, read.awaiting_review) == (30.33, 75, 7)
    assert [j.criterion for j in read.criteria] == [replace(j.criterion, heading="") for j in made.criteria]
    assert [j.status for j in read.criteria] == [j.status for j in made.criteria]
    assert [j.blocked_by for j in read.criteria] == [j.blocked_by for j in made.criteria]
    for was, now in zip(made.criteria, read.criteria, strict=True):
        assert [repr(str(f.message)) for f in now.findings] == [repr(str(f.message)) for f in was.findings]
        assert [(f.cell, f.line, f.run, f.tag, f.step) for f in now.findings] == [
            (f.cell, f.line, f.run, f.tag, f.step) for f in was.findings
        ]
    assert [str(remark.message) for remark in read.remarks] == [str(remark.message) for remark in made.remarks]
    assert read.environment["sandbox"] == "bubblewrap"


def test_points_that_nobody_decided_on_are_known() -> None:
    assert (result(waiting("x")).awaiting_review, result(waiting("x")).undecided) == (30, 10)


def test_braces_in_a_message_stay_as_they_are() -> None:
    assert str(result(tainted("{0} {name}").grade).remarks[0].message) == "{0} {name}"
    assert str(result(tainted(NASTY).grade).remarks[0].message) == NASTY


def test_whose_fault_it_is_that_there_is_no_grade_survives() -> None:
    ours, theirs = result(failed_by_harness()), result(ungraded())
    assert (ours.harness_failed, theirs.harness_failed) == (True, False)
    assert ours.error is not None and theirs.error is not None
    assert theirs.error.startswith("The file is no notebook")


def test_a_class_is_read_in_its_order_and_one_submission_by_its_own_folder(tmp_path: Path) -> None:
    write_class(tmp_path, [grade("b"), grade("a"), ungraded()])
    assert [one.id for one in read_results(tmp_path)] == ["b", "a", "petrov"]
    assert [one.id for one in read_results(tmp_path / "a")] == ["a"]


def broken(**changes: object) -> str:
    return json.dumps(json.loads(result_json(grade())) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        broken(format="grader.result/2"),
        broken(score="84"),
        broken(score=True),
        broken(criteria=[{}]),
        broken(criteria=5),
        broken(remarks=None),
        result_json(grade()).replace('"score": 30.33', '"score": NaN'),
        result_json(grade()).replace('"score": 30.33', '"score": 1e999'),
        result_json(grade()).replace('"passed"', '"perfect"'),
    ],
)
def test_what_is_no_result_is_told_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"result\.json holds no result that this version can read\. Grade again"):
        read_results(tmp_path)


@pytest.mark.parametrize("name", ["../other", "/etc", "..", "", "a\0b"])
def test_an_id_leads_to_no_other_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"results": [{"submission": {"id": name}}]}), "utf-8")
    with pytest.raises(UsageError, match=r"results\.json holds no result"):
        read_results(tmp_path)


def test_a_folder_without_results_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no results in"):
        read_results(tmp_path)


def test_a_result_of_before_faults_were_told_apart_can_still_be_read() -> None:
    old = json.loads(result_json(ungraded()))
    del old["fault"]
    assert parse(json.dumps(old)).harness_failed is False


def test_what_a_person_decided_is_always_told_and_waits_no_more() -> None:
    document = json.loads(result_json(grade()))
    passed = document["criteria"][1]
    passed["review"] = {"points": 3, "by": "Petrova", "on": "2026-11-23", "comment": "Well {said}."}
    judgement = parse(json.dumps(document)).criteria[1]
    assert explained(judgement, {}) == "Decided by Petrova on 2026-11-23. Well {said}."
