"""What other programs read: result.json, results.json, grades.csv and the annotations of a CI job.

The keys are those of the stable surface: some may join them, none may change its meaning without a new format.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import PurePath

from grader.errors import UnreadableSubmission
from grader.formats.notebooks import lines_in_file
from grader.language import ENGLISH, using
from grader.records import Decision, Finding, Grade, Judgement, Message, Report, RunSummary, Severity
from grader.reporting.text import ACTIVE, inert, one_line
from grader.reporting.view import lost_points
from grader.reporting.words import STATUS_WORDS, cell_place, log_place, tidy

Json = dict[str, object]

RESULT_FORMAT = "grader.result/1"
CLASS_FORMAT = "grader.class/1"


# --- JSON -----------------------------------------------------------------------------------------------------------


def result_json(grade: Grade) -> str:
    """The verdict on one submission as strict JSON (never NaN), ready to be written as UTF-8."""
    return _dump(_result(grade, findings=True))


def class_json(grades: Iterable[Grade]) -> Iterator[str]:
    """The verdicts on a class as strict JSON, without the findings; in pieces: of a large class, the whole at
    once would take megabytes."""
    yield f'{{\n  "format": "{CLASS_FORMAT}",\n  "results": ['
    separator = "\n    "
    for grade in grades:
        yield separator + _dump(_result(grade, findings=False)).rstrip().replace("\n", "\n    ")
        separator = ",\n    "
    yield ("\n  " if separator[0] == "," else "") + "]\n}\n"


def _dump(document: Json) -> str:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    # Printed to a terminal, text must not act; and a lone surrogate cannot be written as UTF-8. JSON can spell both.
    return ACTIVE.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _result(grade: Grade, *, findings: bool) -> Json:
    return {
        "format": RESULT_FORMAT,
        "submission": {"id": grade.id, "source": grade.source, "sha256": grade.sha256, **_student(grade)},
        **_outcome(grade),
        "criteria": [_judgement(judgement, findings=findings) for judgement in grade.criteria if not grade.error],
        "remarks": [_remark(finding) for finding in grade.remarks],
        "runs": {name: _run(summary) for name, summary in grade.runs.items()},
        "resources": {
            "wall_seconds": round(grade.resources.wall_seconds, 2),
            "cpu_seconds": round(grade.resources.cpu_seconds, 2),
            "peak_memory_mib": grade.resources.peak_memory_mib,
        },
        "environment": dict(grade.environment),
        **({} if grade.error else {"undecided": tidy(grade.undecided)}),
    }


def _student(grade: Grade) -> Json:
    return {"student": dataclasses.asdict(grade.student)} if grade.student else {}


def _outcome(grade: Grade) -> Json:
    if grade.error is not None:
        fault = "harness" if grade.harness_failed else "submission"
        return {"status": "ungraded", "error": str(grade.error), "fault": fault, "profile": grade.profile}
    return {
        "status": "graded",
        "profile": grade.profile,
        "score": tidy(grade.score),
        "max_score": grade.max_score,
        "awaiting_review": grade.awaiting_review,
    }


def _judgement(judgement: Judgement, *, findings: bool) -> Json:
    document: Json = {
        "id": judgement.criterion.id,
        "part": judgement.criterion.part,
        "title": judgement.criterion.title,
        "status": judgement.status.value,
        "points": tidy(judgement.points),
        "max_points": judgement.criterion.points,
        "blocked_by": judgement.blocked_by,
    }
    if judgement.decision is not None:
        document["review"] = _decision(judgement.decision)
    return document | {"findings": [_finding(finding) for finding in judgement.findings]} if findings else document


def _decision(decision: Decision) -> Json:
    return {
        "points": tidy(decision.points),
        "by": decision.by,
        "on": decision.on,
        "comment": decision.comment,
    }


def _finding(finding: Finding) -> Json:
    document: Json = {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": str(finding.message),
        "expected": _plain(finding.expected),
        "actual": _plain(finding.actual),
        "cell": finding.cell,
        "line": finding.line,
        "run": finding.run,
        "tag": finding.tag,
        "step": finding.step,
    }
    return document | {"hint": str(finding.hint)} if finding.hint is not None else document


def _plain(text: Message | str | None) -> str | None:
    return None if text is None else str(text)


def _remark(finding: Finding) -> Json:
    """A remark has the keys of a finding, but only those that say something."""
    return {key: value for key, value in _finding(finding).items() if value is not None}


def _run(summary: RunSummary) -> Json:
    final = {
        role: value if value is not None and math.isfinite(value) else None for role, value in summary.final.items()
    }
    return {"finite": summary.finite, "final": final}


# --- CSV ------------------------------------------------------------------------------------------------------------

# What a spreadsheet may take for a formula; white space before it does not make it safe.
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def grades_csv(grades: Sequence[Grade]) -> str:
    """One row a submission, one column a criterion (its points); what looks like a formula gets an apostrophe."""
    ids = list(dict.fromkeys(judgement.criterion.id for grade in grades for judgement in grade.criteria))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        csv_cell(name)
        for name in ("id", "source", "status", "score", "max_score", "awaiting_review", *ids, "undecided", "error")
    )
    writer.writerows([csv_cell(value) for value in _row(grade, ids)] for grade in grades)
    return text.getvalue()


def _row(grade: Grade, ids: Sequence[str]) -> Iterator[str | float]:
    yield from (grade.id, grade.source)
    if grade.error is not None:
        yield from ("ungraded", "", "", "", *("" for _ in ids), "", str(grade.error))
        return
    earned = {judgement.criterion.id: tidy(judgement.points) for judgement in grade.criteria}
    yield from ("graded", tidy(grade.score), grade.max_score, grade.awaiting_review)
    yield from (earned.get(criterion, "") for criterion in ids)
    yield from (tidy(grade.undecided), "")


def csv_cell(value: str | float) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    text = inert(str(value))
    return "'" + text if _FORMULA.match(str(value)) and not _NUMBER.fullmatch(text) else text


# --- annotations ----------------------------------------------------------------------------------------------------

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_MOST = 10  # of a kind: a CI job drops the rest without a word


def github_annotations(report: Report) -> str:
    """The findings as workflow commands, the costliest first, at most ten of a kind (the last says how many more). They point
    to lines of the notebook's file, which is what GitHub shows beside a change."""
    lines: Mapping[tuple[int, int], int] = {}
    if report.submission is not None:
        with suppress(UnreadableSubmission):
            lines = lines_in_file(report.submission.notebook, report.submission.cells)
    with using(ENGLISH):
        return "\n".join(_annotations(report.grade, lines))


def _annotations(grade: Grade, lines: Mapping[tuple[int, int], int]) -> list[str]:
    if grade.error is not None:
        return [_command("error", grade.source, "Not graded", str(grade.error))]
    found = sorted(_annotated(grade), key=lambda pair: list(_COMMANDS).index(pair[0].severity))
    return [
        line
        for severity, group in groupby(found, key=lambda pair: pair[0].severity)
        for line in _commands(_COMMANDS[severity], grade.source, list(group), lines)
    ]


def _annotated(grade: Grade) -> Iterator[tuple[Finding, str]]:
    """Every finding with the title of what it belongs to: criteria by the points they lose, then remarks."""
    for judgement in sorted(grade.criteria, key=lambda judgement: -lost_points(judgement)):
        for finding in judgement.findings:
            yield finding, f"{judgement.criterion.title}: {STATUS_WORDS[judgement.status].lower()}"
    for finding in grade.remarks:
        yield finding, "Remark"


def _commands(
    command: str, source: str, found: list[tuple[Finding, str]], lines: Mapping[tuple[int, int], int]
) -> Iterator[str]:
    shown = found if len(found) <= _MOST else found[: _MOST - 1]
    for finding, title in shown:
        place = cell_place(finding)
        line = lines.get((finding.cell or 0, finding.line or 1))
        yield _command(command, source, f"{place}: {title}" if place else title, _body(finding), line)
    if len(shown) < len(found):
        more = f"{len(found) - len(shown)} more of this kind are in the report: run grader check to read them all."
        yield _command(command, source, "More", more)


def _body(finding: Finding) -> str:
    lines = (
        ("", str(finding.message)),
        ("Expected: ", finding.expected),
        ("Actual: ", finding.actual),
        ("Where: ", log_place(finding)),
        ("What to try: ", str(finding.hint) if finding.hint else None),
    )
    return "\n".join(label + one_line(str(text)) for label, text in lines if text)


def _command(command: str, source: str, title: str, body: str, line: int | None = None) -> str:
    path = PurePath(source)
    # Only a path inside the checked-out repository can be shown beside its file.
    inside = source and not path.is_absolute() and ".." not in path.parts
    file = f"file={_property(source)}," + (f"line={line}," if line else "") if inside else ""
    return f"::{command} {file}title={_property(title)}::{_data(inert(body))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
