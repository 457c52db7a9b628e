"""What the process that grades a class keeps of it: little of each submission, and no image of the data."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader import batch, store
from grader import journal as journals
from grader.batch import _Once
from grader.cli import parser
from grader.commands.prepared import prepared
from grader.formats.plain_records import from_plain, to_plain
from grader.judging import read_overviews
from grader.records import Criterion, Finding, Grade, Judgement, RunSummary, Severity, Status, say
from grader.reporting import html, machine
from grader.reporting.overview import Overview, Sketch, Subject, overview_json

from .making import Stored

_FEW, _MANY = 50, 250
_CRITERIA = [Criterion(id=f"c{n}", part="a", title=f"The title of criterion {n}", points=4) for n in range(16)]
_RUNS = {f"run_{n}": {"train_loss": 0.5 + n, "validation_loss": 0.25 + n} for n in range(5)}


def grade(name: str, status: Status = Status.PASSED) -> Grade:
    """One as it comes from the process that judged it: it shares no part with any other."""
    made = Grade(
        id=name,
        source=f"{name}.ipynb",
        sha256="0" * 64,
        profile="fast",
        criteria=tuple(
            Judgement(criterion=one, claim="So it is.", status=status, points=4.0, blocked_by=None, findings=())
            for one in _CRITERIA
        ),
        remarks=(Finding(code="remark", message=say("It is said of {all}.", all="all"), severity=Severity.INFO),),
        runs={run: RunSummary(finite=True, final=final) for run, final in _RUNS.items()},
        environment={f"package-{n}": f"1.{n}" for n in range(12)},
    )
    read: Grade = from_plain(Grade, json.loads(json.dumps(to_plain(made))))
    return read


def grown(work: Callable[[int], object], *, at_most: bool) -> float:
    """KiB of memory that one submission more takes: what is kept, or what is taken at most meanwhile."""
    work(1)  # what is made once
    sizes = [_traced(lambda count=count: work(count))[at_most] for count in (_FEW, _MANY)]
    return (sizes[1] - sizes[0]) / (_MANY - _FEW) / 1024


def _traced(work: Callable[[], object]) -> tuple[int, int]:
    """Bytes that Python has more while the result of `work` is held, and at most meanwhile."""
    tracemalloc.start()
    try:
        held = work()
        sizes = tracemalloc.get_traced_memory()
        del held
        return sizes
    finally:
        tracemalloc.stop()


def shared(count: int) -> Sequence[Grade]:
    once = _Once()
    return [once.shared(grade(f"s{n:04}")) for n in range(count)]


def test_grades_of_a_class_share_what_they_have_in_common() -> None:
    alone = grown(lambda count: [grade(f"s{n:04}") for n in range(count)], at_most=False)
    assert grown(shared, at_most=False) < alone / 2


def test_a_grade_is_the_same_whatever_others_it_shares_its_parts_with() -> None:
    once = _Once()
    for one in (grade("s0"), grade("s1", Status.FAILED), grade("s2")):
        assert once.shared(one) == one


def test_parts_that_are_equal_but_written_otherwise_are_not_shared() -> None:
    once = _Once()
    whole = dataclasses.replace(grade("s0"), environment={"seed": 1})
    other = dataclasses.replace(grade("s1"), environment={"seed": True})
    assert [str(once.shared(one).environment) for one in (whole, other)] == ["{'seed': 1}", "{'seed': True}"]


def test_a_class_shares_what_it_has_in_common_when_it_is_graded_and_when_it_is_found_again(
    stored: Stored, tmp_path: Path
) -> None:
    out = stored.new_out(tmp_path, 2)
    for _ in ("graded", "found again"):
        with store.held(out / ".evidence"), journals.opened(out / ".evidence") as known:
            done = batch.grade_all(stored.candidates[:2], stored.into(out), out, 2, lambda *_: None, journal=known)
        one, other = done.grades
        assert one.environment is other.environment


def test_the_results_of_a_class_are_written_piece_by_piece(tmp_path: Path) -> None:
    grades, path = shared(_MANY), tmp_path / "results.json"
    assert grown(lambda count: store.write_text(path, machine.class_json(grades[:count])), at_most=True) < 1
    assert path.stat().st_size / _MANY > 4000


def test_a_file_whose_pieces_cannot_be_made_stays_as_it_was(tmp_path: Path) -> None:
    store.write_text(tmp_path / "file", "before")
    with pytest.raises(ZeroDivisionError):
        store.write_text(tmp_path / "file", (str(1 // n) for n in (1, 0)))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "before")]


def test_the_answers_of_a_class_are_not_held_while_its_page_and_curves_are_made(tmp_path: Path) -> None:
    sketch = Sketch(run="relu", role="train_loss", points=100, values=tuple(float(i) for i in range(16)))
    for n in range(_MANY):
        text = f"What s{n} says. " + "word " * 10_000
        subject = Subject(key=f"c0/{n}", submission=f"s{n}", criterion=_CRITERIA[0], text=text)
        shown = Overview(id=f"s{n}", sketches=(sketch,), subjects=(subject,))
        store.write_text(tmp_path / f"s{n}" / store.OVERVIEW, overview_json(shown))

    def pages(count: int) -> None:
        names = [f"s{n}" for n in range(count)]
        made = html.class_pages(shared(count), lambda: read_overviews(tmp_path, names), {}, title="Class")
        assert [next(made)[0] for _ in range(2)] == ["index.html", "review/curves.html"]

    assert grown(pages, at_most=True) < 40


def test_images_are_not_kept_once_they_are_written(tmp_path: Path) -> None:
    options = parser().parse_args(["check", "x.ipynb", "--data", "embedded"])
    with ExitStack() as entered:
        kept, most = _traced(
            lambda: entered.enter_context(prepared(options, tmp_path / ".evidence", own_code=True)),
        )
    assert most > 40e6
    assert kept < 20e6
