"""What the process that grades a class keeps of it: little of each submission, and no picture of the data."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from grader import store
from grader.batch import _Once
from grader.cli import parser
from grader.commands.prepared import prepared
from grader.formats.plain_records import from_plain, to_plain
from grader.judging import Overviews
from grader.records import Criterion, Finding, Grade, Judgement, RunSummary, Severity, Status, say
from grader.reporting import machine
from grader.reporting.overview import Overview, Sketch, overview_json

_MOST_KIB = 4  # of a submission, where its result has ten times as much

IDS = [f"criterion-{n}" for n in range(16)]


def grade(name: str) -> Grade:
    """One as it comes from the process that judged it: it shares no part with any other."""
    judgements = (
        Judgement(
            criterion=Criterion(id=one, part="a", title=f"The title of {one}", points=4),
            claim=f"What {one} claims is true.",
            status=Status.PASSED,
            points=4.0,
            blocked_by=None,
            findings=(),
        )
        for one in IDS
    )
    made = Grade(
        id=name,
        source=f"{name}.ipynb",
        sha256="0" * 64,
        profile="fast",
        criteria=tuple(judgements),
        remarks=(Finding(code="remark", message=say("It is said of {all}.", all="all"), severity=Severity.INFO),),
        runs={"relu": RunSummary(finite=True, final={"train_loss": float(len(name))})},
        environment={f"package-{n}": f"1.{n}" for n in range(12)},
    )
    read: Grade = from_plain(Grade, json.loads(json.dumps(to_plain(made))))
    return read


def kib(work: Callable[[], object]) -> tuple[float, float]:
    """What Python has more afterwards, and at most meanwhile."""
    tracemalloc.start()
    try:
        kept = work()
        now, peak = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return now / 1024, peak / 1024


def test_grades_of_a_class_share_what_they_have_in_common() -> None:
    def keep(count: int) -> Callable[[], object]:
        once = _Once()
        return lambda: [once.shared(grade(f"s{n:04}")) for n in range(count)]

    few, many = (kib(keep(count))[0] for count in (50, 250))
    assert (many - few) / 200 < _MOST_KIB
    one, other = (_Once().shared(grade(name)) for name in ("s0", "s1"))
    assert (one, other) == (grade("s0"), grade("s1"))


def test_parts_that_are_equal_but_written_otherwise_are_not_shared() -> None:
    once = _Once()
    whole = dataclasses.replace(grade("s0"), environment={"seed": 1})
    other = dataclasses.replace(grade("s1"), environment={"seed": True})
    assert [str(once.shared(one).environment) for one in (whole, other)] == ["{'seed': 1}", "{'seed': True}"]


def test_the_results_of_a_class_are_written_piece_by_piece(tmp_path: Path) -> None:
    grades = [grade(f"s{n:04}") for n in range(250)]

    def write(count: int) -> Callable[[], object]:
        return lambda: store.write_text(tmp_path / "results.json", machine.class_json(grades[:count]))

    few, many = (kib(write(count))[1] for count in (50, 250))
    assert (many - few) / 200 < _MOST_KIB / 4
    assert len((tmp_path / "results.json").read_text()) > 250 * 2000


def test_overviews_are_read_one_at_a_time_and_as_often_as_they_are_asked_for(tmp_path: Path) -> None:
    for n in range(250):
        sketch = Sketch(run="relu", role="train_loss", points=100, values=tuple(float(i) for i in range(1000)))
        store.write_text(tmp_path / f"s{n}" / store.OVERVIEW, overview_json(Overview(id=f"s{n}", sketches=(sketch,))))

    def read(count: int) -> Callable[[], object]:
        shown = Overviews(tmp_path, [f"s{n}" for n in range(count)])
        return lambda: [one.id for _ in range(2) for one in shown]

    few, many = (kib(read(count))[1] for count in (50, 250))
    assert (many - few) / 200 < _MOST_KIB / 4


def test_images_are_not_kept_once_they_are_written(tmp_path: Path) -> None:
    options = parser().parse_args(["check", "x.ipynb", "--data", "embedded"])
    with ExitStack() as entered:
        now, peak = kib(lambda: entered.enter_context(prepared(options, tmp_path, own_code=True)))
    assert peak > 40 * 1024
    assert now < 20 * 1024
