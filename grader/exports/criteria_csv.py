"""A plain table with a line for each criterion of each submission, for pivot tables and statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from grader.exports import wording
from grader.exports.results import Result
from grader.reporting.machine import csv_cell
from grader.reporting.words import tidy

_HEAD = ("id", "source", "criterion", "part", "title", "status", "points", "max_points", "blocked_by", "why")


def render(results: Sequence[Result]) -> str:
    """The table. What a spreadsheet would take for a formula gets an apostrophe; a submission that could not be graded
    has one line, with the reason and no points."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    writer.writerows([csv_cell(value) for value in row] for result in results for row in _rows(result))
    return text.getvalue()


def _rows(result: Result) -> Iterator[tuple[str | float, ...]]:
    if result.error is not None:
        yield (result.id, result.source, "", "", "", "ungraded", "", "", "", result.error)
    for judgement in result.criteria:
        criterion = judgement.criterion
        why = " · ".join(wording.advice_line(finding) for finding in wording.findings(judgement)[:1])
        about = (result.id, result.source, criterion.id, criterion.part, criterion.title, judgement.status.value)
        yield (*about, tidy(judgement.points), criterion.points, judgement.blocked_by or "", why)
