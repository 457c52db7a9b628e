"""The summary of a GitHub job: a table for each submission, in HTML, so that nothing in it is taken for Markdown.

GitHub takes 1 MiB a step and drops a longer summary as a whole:
https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from grader.exports import wording
from grader.exports.results import Result
from grader.records import Judgement
from grader.reporting.text import clip, one_line
from grader.reporting.view import count_points
from grader.reporting.words import STATUS_WORDS, count

MOST = 1_000_000  # bytes, a little less than GitHub takes
_FINDINGS = 5  # of a criterion
_TEXT = 400  # characters of a finding
_SPARE = 200  # bytes for the last line


def render(results: Sequence[Result], room: int = MOST) -> str:
    """The summary in at most `room` bytes of UTF-8: where findings would not fit, the points alone; then a last line."""
    blocks: list[str] = []
    left = room - _SPARE
    for result in results:
        block = next((text for text in (_section(result), _head(result)) if len(text.encode()) <= left), None)
        if block is None:
            more = count(len(results) - len(blocks), "more submission")
            blocks.append(f"<p>{more} had no room here.</p>\n" if left > 0 else "")
            break
        blocks.append(block)
        left -= len(block.encode())
    return "".join(blocks)


def append(path: Path, results: Sequence[Result]) -> None:
    """Add the summary to a job's file, within what is left of its room. Raises OSError."""
    taken = path.stat().st_size if path.exists() else 0
    with path.open("a", encoding="utf-8") as file:
        file.write(render(results, MOST - taken))


def _section(result: Result) -> str:
    """One block of HTML, which for Markdown ends at the first empty line: there is none before its end."""
    if result.error is not None:
        return _head(result)
    rows = "\n".join(line for judgement in result.criteria for line in _row(judgement))
    head = "<tr><th>Criterion</th><th>Status</th><th>Points</th><th>Why</th></tr>"
    return f"{_head(result).rstrip()}\n<table>\n{head}\n{rows}\n</table>\n{_remarks(result)}\n"


def _head(result: Result) -> str:
    return f"<h2>{_shown(result.id)}</h2>\n<p>{_shown(_standing(result))}</p>\n\n"


def _standing(result: Result) -> str:
    if result.error is not None:
        return f"Not graded: {result.error}"
    waiting = f"; up to {count_points(result.awaiting_review)} await a person's review"
    undecided = f"; up to {count_points(result.undecided)} are undecided"
    return (
        f"{result.score} of {result.max_score} points"
        f"{waiting if result.awaiting_review else ''}{undecided if result.undecided else ''}."
    )


def _row(judgement: Judgement) -> Iterator[str]:
    status, points = STATUS_WORDS[judgement.status], wording.earned(judgement)
    why = "<br>".join(_shown(wording.advice_line(finding)) for finding in wording.findings(judgement)[:_FINDINGS])
    left_out = len(wording.findings(judgement)) - _FINDINGS
    more = f"<br>{left_out} more in the report" if left_out > 0 else ""
    yield f"<tr><td>{_shown(judgement.criterion.title)}</td><td>{status}</td><td>{points}</td><td>{why}{more}</td></tr>"


def _remarks(result: Result) -> str:
    lines = "\n".join(f"<li>{_shown(wording.advice_line(remark))}</li>" for remark in result.remarks[:_FINDINGS])
    return f"<p>Remarks (they cost nothing)</p>\n<ul>\n{lines}\n</ul>\n" if lines else ""


def _shown(text: str) -> str:
    return escape(one_line(clip(one_line(text), _TEXT)))
