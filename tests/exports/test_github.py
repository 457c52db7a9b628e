"""The job summary: within its limit, and nothing in it but our own markup."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reporting.factories import NASTY, class_grades, finding, grade, judgement, tainted, ungraded

from grader.exports import github
from grader.records import Status, say

from .making import failed_by_harness, result, waiting

OURS = {"h2", "p", "table", "tr", "th", "td", "br", "ul", "li"}


class Tags(HTMLParser):
    """The tags that a browser would see; attributes are not allowed at all."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.found.add(tag)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def test_a_class_is_the_expected_file(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("github.md", github.render([result(), result(ungraded())]))


@pytest.mark.parametrize(
    "text", [NASTY, "\n\n# heading\n\n[x](javascript:1)", "| a | b |", "</td></table>\n\n**bold**"]
)
def test_foreign_text_opens_no_tag_and_never_ends_the_block_that_keeps_markdown_out(text: str) -> None:
    summary = github.render([result(tainted(text).grade)])
    assert Tags(summary).found <= OURS
    for block in summary.rstrip("\n").split("\n\n"):
        assert block.startswith(("<h2>", "<p>", "<table>", "<ul>"))


def test_points_that_nobody_decided_on_are_told() -> None:
    summary = github.render([result(waiting("x"))])
    assert "60 of 100 points; up to 30 points await a person&#x27;s review; up to 10 points are undecided." in summary


def test_what_could_not_be_graded_shows_no_points() -> None:
    summary = github.render([result(failed_by_harness())])
    assert "Not graded:" in summary and "of 0 points" not in summary


@pytest.mark.parametrize("room", [150, 1000, 3000])
def test_a_summary_keeps_within_its_room_and_says_how_many_have_none(room: int) -> None:
    summary = github.render([result(made) for made in class_grades()], room)
    assert len(summary.encode()) <= room
    shown = summary.count("<h2>")
    assert shown < 13
    assert (
        room == 150 or f"<p>{13 - shown} more submission{'' if shown == 12 else 's'} had no room here.</p>" in summary
    )


def test_many_long_findings_are_cut_and_counted() -> None:
    long = tuple(finding(message=say("я" * 100_000)) for _ in range(30))
    summary = github.render([result(grade(criteria=(judgement("a", Status.FAILED, findings=long),)))])
    assert len(summary.encode()) < 20_000 and "25 more in the report" in summary


def test_a_summary_is_added_to_what_the_job_wrote_before_within_the_limit_of_both(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("x" * (github.MOST - 1500))
    github.append(file, [result(made) for made in class_grades()])
    text = file.read_text()
    assert text.startswith("xxx") and "<h2>student-1</h2>" in text
    assert len(text.encode()) <= github.MOST
