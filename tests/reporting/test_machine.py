"""The machine formats: the keys of the stable surface, and nothing that a reader of them would run."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grader.formats.notebooks import lines_in_file, read_notebook
from grader.language import RUSSIAN, using
from grader.records import Finding, Report, Resources, RunSummary, Severity, Status, say
from grader.reporting.machine import class_json, github_annotations, grades_csv, result_json
from grader.reporting.text import ACTIVE

from .factories import NASTY, finding, grade, judgement, report, submission, tainted, ungraded

SOURCES = ["x = 1\n\ny = 'й'", "# text", "print(\"x = 1\")\nprint('{}')"]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_annotation_points_to_the_line_of_the_file_that_holds_the_line_of_the_cell(
    tmp_path: Path, ascii_only: bool
) -> None:
    cells = [new_code_cell(source, outputs=[new_output("stream", text="x = 1\n")]) for source in SOURCES]
    path = tmp_path / "a.ipynb"
    written = json.loads(nbformat.writes(new_notebook(cells=cells)))
    path.write_text(json.dumps(written, indent=1, ensure_ascii=ascii_only))
    lines = path.read_text().splitlines()
    found = lines_in_file(path, read_notebook(path).cells)
    for cell, source in enumerate(SOURCES, start=1):
        for number, line in enumerate(source.split("\n"), start=1):
            assert json.dumps(line, ensure_ascii=ascii_only)[1:-1] in lines[found[cell, number] - 1]
    path.write_text(json.dumps(written))
    assert set(lines_in_file(path, read_notebook(path).cells).values()) == {1}
    path.write_text(json.dumps(written, indent=1, ensure_ascii=ascii_only))
    seen = report(
        submission=replace(submission(), notebook=path, cells=read_notebook(path).cells),
        grade=grade(source="a.ipynb", criteria=(), remarks=(finding(cell=3, line=2),)),
    )
    assert f"file=a.ipynb,line={found[3, 2]},title=" in github_annotations(seen)


SURFACE = Path(__file__).parents[2] / "../shared/interface.md"
RESULT = ["format", "submission", "status", "profile", "score", "max_score", "awaiting_review", "criteria", "remarks"]
CRITERION = ["id", "part", "title", "status", "points", "max_points", "blocked_by", "findings"]
FINDING = ["code", "severity", "message", "expected", "actual", "cell", "line", "run", "tag", "step"]


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text.encode("utf-8"), parse_constant=refuse)


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_a_result_has_the_keys_of_the_surface_in_their_order() -> None:
    result = strict(result_json(grade()))
    assert list(result) == [*RESULT, "runs", "resources", "environment", "undecided"]
    assert result["format"] == "grader.result/1"
    scalars = result["criteria"][3]
    assert list(scalars) == CRITERION
    assert list(scalars["findings"][0]) == [*FINDING, "hint"]
    assert scalars["findings"][0]["message"] == "The validation loss was not written at all."
    assert "hint" not in scalars["findings"][1]


def test_the_example_of_the_surface_has_no_key_that_is_missing_here() -> None:
    if not SURFACE.exists():
        pytest.skip("the description of the stable surface is not beside this project")
    example = json.loads(SURFACE.read_text("utf-8").split("```json\n")[1].split("```")[0])
    result = strict(result_json(grade()))
    for key, value in example.items():
        if isinstance(value, dict) and key not in ("runs",):
            assert set(value) <= set(result[key])
    assert list(example) == list(result)[: len(example)]
    assert list(example["criteria"][0]) == CRITERION
    assert list(example["criteria"][0]["findings"][0]) == FINDING


def test_points_are_integers_when_whole() -> None:
    result = strict(result_json(grade(criteria=(judgement("a", points=7.0), judgement("b", points=10 / 3)))))
    assert [repr(c["points"]) for c in result["criteria"]] == ["7", "3.33"]
    assert result["score"] == 10.33


def test_values_that_json_cannot_hold_become_null() -> None:
    runs = {"relu": RunSummary(finite=False, final={"a": math.nan, "b": -math.inf, "c": None, "d": 0.5})}
    result = strict(result_json(grade(runs=runs)))
    assert result["runs"] == {"relu": {"finite": False, "final": {"a": None, "b": None, "c": None, "d": 0.5}}}


def test_nan_of_our_own_making_is_refused_and_never_written() -> None:
    with pytest.raises(ValueError):
        result_json(grade(resources=Resources(wall_seconds=math.nan)))


def test_an_ungraded_submission_has_an_error_and_no_points() -> None:
    result = strict(result_json(ungraded()))
    assert result["status"] == "ungraded"
    assert str(result["error"]).startswith("The file is no notebook")
    assert not {"score", "max_score", "awaiting_review"} & set(result)
    assert result["criteria"] == []


def test_a_class_holds_results_without_findings() -> None:
    whole = strict("".join(class_json([grade(), ungraded()])))
    assert list(whole) == ["format", "results"]
    assert whole["format"] == "grader.class/1"
    graded, failed = whole["results"]
    assert all("findings" not in criterion for criterion in graded["criteria"])
    assert failed["status"] == "ungraded"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_pieces_of_a_class_make_one_indented_document(count: int) -> None:
    text = "".join(class_json([grade(), ungraded(), grade("other")][:count]))
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    assert len(json.loads(text)["results"]) == count


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_json_as_utf8(text: str) -> None:
    result = strict(result_json(grade(source=text)))
    assert result["submission"]["source"] == text


def test_a_file_name_that_is_no_utf8_survives_as_well() -> None:
    assert strict(result_json(grade("a\udcffb")))["submission"]["id"] == "a\udcffb"


def test_json_that_is_printed_acts_on_no_terminal() -> None:
    text = NASTY + "\x7f\x9b31m\u2028\u2066\U000e0041"
    for printed in (result_json(tainted(text).grade), "".join(class_json([tainted(text).grade]))):
        assert not ACTIVE.search(printed)
    assert strict(result_json(tainted(text).grade))["submission"]["id"] == text


# --- CSV ------------------------------------------------------------------------------------------------------------


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_row_has_the_columns_of_its_head() -> None:
    head, graded, failed = rows(grades_csv([grade(), ungraded()]))
    assert head[:6] == ["id", "source", "status", "score", "max_score", "awaiting_review"]
    assert head[6] == "notebook.runs" and head[-1] == "error"
    assert graded[:7] == ["ivanova", "submissions/ivanova.ipynb", "graded", "30.33", "75", "7", "4"]
    assert failed[2:-1] == ["ungraded", *[""] * (len(head) - 4)]
    assert failed[-1].startswith("The file is no notebook")


def test_rubrics_that_differ_share_one_table() -> None:
    head, one, two = rows(grades_csv([grade(criteria=(judgement("a"),)), grade(criteria=(judgement("b"),))]))
    assert head[6:8] == ["a", "b"]
    assert (one[6:8], two[6:8]) == (["10", ""], ["", "10"])


@pytest.mark.parametrize(
    "formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "-", "+1-2"]
)
def test_what_looks_like_a_formula_gets_an_apostrophe(formula: str) -> None:
    assert rows(grades_csv([grade(formula)]))[1][0].startswith("'")


@pytest.mark.parametrize("number", ["-5", "+7.25", "-1e-3", "42"])
def test_numbers_get_none(number: str) -> None:
    assert rows(grades_csv([grade(number)]))[1][0] == number


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_no_cell_of_any_text_begins_a_formula(text: str) -> None:
    table = rows(grades_csv([grade(text, source=text)]))
    assert len(table) == 2
    for cell in table[1]:
        assert cell[:1] not in ("=", "@", "\t", "\r")
        assert "\x1b" not in cell


# --- annotations ----------------------------------------------------------------------------------------------------


def test_an_annotation_says_where_and_what_to_do() -> None:
    lines = github_annotations(report()).splitlines()
    assert lines[0].startswith(
        "::error file=submissions/ivanova.ipynb,title=cell 8%2C line 2%3A The repaired layer normalises%3A failed::"
        "On constant features the output is not finite.%0AExpected: "
    )
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 3 + ["::warning"] * 2 + ["::notice"]


def annotated(*findings: Finding) -> list[str]:
    judged = judgement(status=Status.FAILED, findings=findings)
    return github_annotations(Report(grade=grade(criteria=(judged,), remarks=()))).splitlines()


def test_line_ends_and_percent_signs_cannot_make_a_command() -> None:
    (line,) = annotated(
        finding(message=say("100 %\n::error::forged\r::set-output name=x::y"), actual="a\n::warning::b")
    )
    assert line.count("\n") == 0
    assert "100 %25 ::error::forged" in line
    (line,) = annotated(finding(tag="::x,y%\n", message=say("m"), cell=None))
    assert "tag ::x,y%25" in line
    for line in github_annotations(tainted(NASTY + "\n::error::forged")).splitlines():
        assert line.startswith(("::error file=", "::warning file=", "::notice file="))
        assert line.count("::error::forged") == 0 or not line.startswith("::error::forged")


def test_properties_have_no_bare_colon_or_comma() -> None:
    (line,) = annotated(finding())
    properties = line.removeprefix("::error ").split("::")[0]
    assert properties.count(",") == 1 and ":" not in properties


def test_at_most_ten_of_a_kind_and_the_last_says_how_many_more() -> None:
    lines = annotated(*(finding(message=say(f"number {n}")) for n in range(25)))
    assert len(lines) == 10
    assert lines[-1].startswith("::error file=submissions/ivanova.ipynb,title=More::16 more")
    assert len(annotated(*(finding() for _ in range(10)))) == 10
    mixed = annotated(*(finding(severity=severity) for severity in Severity for _ in range(12)))
    assert len(mixed) == 30


def test_a_path_outside_of_the_repository_is_not_named() -> None:
    for source in ("/home/me/hw.ipynb", "../hw.ipynb"):
        lines = github_annotations(Report(grade=grade(source=source))).splitlines()
        assert all("file=" not in line for line in lines)


def test_an_ungraded_submission_is_one_error() -> None:
    assert github_annotations(Report(grade=ungraded())).startswith(
        "::error file=submissions/petrov.ipynb,title=Not graded::The file"
    )


# --- languages ------------------------------------------------------------------------------------------------------


def test_machine_formats_are_the_same_in_every_language() -> None:
    off = say("off by up to {distance:.3g}", distance=0.5)
    lost = judgement("bn.normalises", Status.FAILED, findings=(finding(expected=say("finite values"), actual=off),))
    made = report(grade=grade(criteria=(lost,)))

    def formats() -> list[str]:
        grades = [made.grade, ungraded()]
        return [result_json(made.grade), "".join(class_json(grades)), grades_csv(grades), github_annotations(made)]

    english = formats()
    assert '"actual": "off by up to 0.5"' in english[0] and "Expected: finite values%0AActual: off by" in english[3]
    with using(RUSSIAN):
        assert formats() == english
