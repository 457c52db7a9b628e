"""The journal: what is counted, what is given back, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import journal as journals
from grader.errors import CannotWrite
from grader.journal import Done, Journal
from grader.language import counted, listed
from grader.records import (
    Criterion,
    Finding,
    Grade,
    Judgement,
    Resources,
    RunSummary,
    Severity,
    Status,
    say,
)

GRADE = Grade(
    id="Иванова",
    source="class/Иванова.ipynb",
    sha256="ab",
    profile="fast",
    criteria=tuple(
        Judgement(
            criterion=Criterion(id=f"part.{status}", part="part", title="Title", points=4),
            claim="It does.",
            status=status,
            points=1 / 3,
            blocked_by="part.other" if status is Status.BLOCKED else None,
            findings=(),
        )
        for status in Status
    ),
    remarks=(
        Finding(
            code="a.remark",
            message=say("{name} has {count} of {share}", name="x\udc80", count=2, share=0.1),
            severity=Severity.INFO,
            hint=say("Look."),
            expected=counted("{n} point", "{n} points", 3),
            actual="x",
            cell=3,
        ),
        Finding(code="nested", message=listed((say("one of {all}", all=say("two")), "other"))),
        Finding(code="another", message=say("plain {brace}")),
    ),
    runs={"relu": RunSummary(finite=False, final={"loss": None, "accuracy": 0.1 + 0.2})},
    resources=Resources(wall_seconds=1.5, cpu_seconds=2.25, peak_memory_mib=7),
    environment={"python": "3", "seed": 0},
    language="ru",
)


def killed_during(folder: Path, *keys: str) -> None:
    """Leave a journal as a process does that is killed while it is at work on some submissions."""
    with journals.opened(folder) as journal:
        for key in keys:
            journal.begin(key)


def crashes(folder: Path, key: str) -> int:
    with journals.opened(folder) as journal:
        return journal.crashes(key)


def test_an_attempt_that_never_ended_counts_as_a_crash(tmp_path: Path) -> None:
    killed_during(tmp_path, "a", "b")
    killed_during(tmp_path, "a")
    assert [crashes(tmp_path, key) for key in ("a", "b", "c")] == [2, 1, 0]


@pytest.mark.parametrize(
    "end",
    [
        lambda journal: journal.given_up("a"),
        lambda journal: journal.stop(),
    ],
)
def test_an_attempt_that_came_to_an_end_is_given_back_and_no_other(
    tmp_path: Path, end: Callable[[Journal], None]
) -> None:
    killed_during(tmp_path, "a", "b")
    with journals.opened(tmp_path) as journal:
        journal.begin("a")
        end(journal)
    assert [crashes(tmp_path, key) for key in ("a", "b")] == [1, 1]


def test_what_was_done_is_found_as_it_was_and_has_no_crashes(tmp_path: Path) -> None:
    killed_during(tmp_path, "a")
    with journals.opened(tmp_path) as journal:
        journal.begin("a")
        journal.done("id", "a", Done(results="digest", grade=GRADE))
    with journals.opened(tmp_path) as journal:
        assert journal.found("id", "a") == Done(results="digest", grade=GRADE)
        assert journal.found("id", "b") is None
        assert journal.found("another", "a") is None
        assert journal.crashes("a") == 0


st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind))))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.from_type(Grade))
def test_whatever_a_grade_holds_is_found_as_it_was(grade: Grade) -> None:
    with journals.opened(None) as journal:
        journal.done("id", "key", Done(results="", grade=grade))
        found = journal.found("id", "key")
        assert found is not None
        assert repr(found.grade) == repr(grade)  # NaN is not equal to itself


def test_an_ungraded_reason_is_found_as_it_was(tmp_path: Path) -> None:
    grade = Grade(id="a", source="a", sha256="", profile="fast", error=say("no {what}", what="notebook"))
    with journals.opened(tmp_path) as journal:
        journal.done("a", "key", Done(results="", grade=grade))
        assert journal.found("a", "key") == Done(results="", grade=grade)


def test_after_a_stop_no_word_is_taken(tmp_path: Path) -> None:
    with journals.opened(tmp_path) as journal:
        journal.begin("a")
        journal.stop()
        for late in (lambda: journal.begin("b"), lambda: journal.given_up("a")):
            with pytest.raises(CannotWrite):
                late()
    assert [crashes(tmp_path, key) for key in ("a", "b")] == [0, 0]


@pytest.mark.parametrize("text", [b"no database at all, but long enough to be one" * 100, b"\0" * 8192, b""])
def test_a_journal_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: bytes) -> None:
    (tmp_path / journals.NAME).write_bytes(text)
    (tmp_path / f"{journals.NAME}-wal").write_bytes(b"of another journal" * 500)
    killed_during(tmp_path, "a")
    assert crashes(tmp_path, "a") == 1


def test_a_journal_that_is_damaged_in_the_middle_is_begun_anew(tmp_path: Path) -> None:
    with journals.opened(tmp_path) as journal:
        for number in range(50):
            journal.done(str(number), "a", Done(results="", grade=GRADE))
    with (tmp_path / journals.NAME).open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4 * 4096)
    with journals.opened(tmp_path) as journal:
        assert [journal.found(str(number), "a") for number in range(50)] == [None] * 50
        journal.begin("a")
    assert crashes(tmp_path, "a") == 1


def test_a_full_disk_changes_nothing_and_is_said_in_one_sentence(tmp_path: Path) -> None:
    killed_during(tmp_path, "a")
    with journals.opened(tmp_path) as journal:
        journal._connection.execute("PRAGMA max_page_count = 1")  # SQLite then says what it says when a disk is full
        with pytest.raises(CannotWrite, match="database or disk is full"):
            for number in range(1000):
                journal.done(str(number), "a", Done(results="", grade=GRADE))
        journal._connection.execute("PRAGMA max_page_count = 1000000")
        done = [number for number in range(1000) if journal.found(str(number), "a")]
        assert done == list(range(len(done)))
        journal.begin("b")
        journal.given_up("b")
    assert crashes(tmp_path, "b") == 0


def test_a_folder_that_cannot_hold_a_journal_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="could not be written"), journals.opened(tmp_path / "nowhere"):
        pass
