"""Who is excused for a module that is not installed here, and who is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader.contract import failed, passed
from grader.homework import not_installed
from grader.records import Case, Cell, CellKind, CellRun, CellStatus, Fault, FaultKind, Finding, Status, Verdict, say

LACKS = "ModuleNotFoundError: No module named 'cupy'"
TRAIN = 'w = tf.summary.create_file_writer("logs/raw")\nmodel.fit_generator(seq)'


def case(*cells: tuple[str, str | None]) -> Case:
    """A notebook of these cells, each with the error that ended it."""
    ran = [
        CellRun(
            index=n,
            status=CellStatus.RAISED if error else CellStatus.OK,
            fault=Fault(kind=FaultKind.RAISED, message=error, cell=n) if error else None,
        )
        for n, (_, error) in enumerate(cells, start=1)
    ]
    sources = [Cell(index=n, kind=CellKind.CODE, source=source) for n, (source, _) in enumerate(cells, start=1)]
    found: Any = SimpleNamespace(
        execution=SimpleNamespace(cells=tuple(ran)), submission=SimpleNamespace(cells=tuple(sources)), definitions={}
    )
    return found  # type: ignore[no-any-return]


def lost(actual: str = "") -> Verdict:
    return failed(Finding(code="run.missing", message=say("Lost."), actual=actual))


@pytest.mark.parametrize(
    ("cells", "excused"),
    [
        ([("import cupy", LACKS), (TRAIN, "NameError: name 'tf' is not defined")], True),
        ([(f"import cupy\n{TRAIN}", LACKS)], True),
        ([(TRAIN, None), ("import cupy\ncupy.zeros(3)", LACKS)], False),
        ([("import cuppy", LACKS.replace("cupy", "cuppy")), (TRAIN, "NameError: tf")], False),
        ([("from numpy.nothing import x", LACKS.replace("cupy", "numpy.nothing")), (TRAIN, "NameError: x")], False),
        ([(f'raise ModuleNotFoundError("{LACKS}")', LACKS), (TRAIN, "ZeroDivisionError: ")], False),
        ([(TRAIN, None)], False),
    ],
)
def test_a_run_is_excused_where_the_module_stood_in_its_way(cells: list[tuple[str, str | None]], excused: bool) -> None:
    verdict = not_installed.excuses_runs(lambda *_: lost())(case(*cells), None)  # type: ignore[arg-type]
    assert (verdict.status is Status.UNDECIDED) == excused
    (finding,) = verdict.findings  # what only follows from the module's absence is nobody's to mend
    assert finding.code == ("notebook.not_installed" if excused else "run.missing")


def test_what_was_measured_is_not_excused_for_a_cell_that_failed() -> None:
    troubled = case(("import cupy", LACKS), (TRAIN, "NameError: name 'tf' is not defined"))
    check = not_installed.excuses(lambda *_: lost("values from 0 to 1"))
    assert check(troubled, None).status is Status.FAILED  # type: ignore[arg-type]
    check = not_installed.excuses(lambda *_: lost(LACKS))
    assert check(troubled, None).status is Status.UNDECIDED  # type: ignore[arg-type]


def test_what_is_right_stays_right() -> None:
    troubled = case(("import cupy", LACKS), (TRAIN, "NameError: name 'tf' is not defined"))
    for decorator in (not_installed.excuses, not_installed.excuses_runs, not_installed.excuses_cells):
        assert decorator(lambda *_: passed())(troubled, None).status is Status.PASSED  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "status"), [(LACKS, Status.UNDECIDED), ("NameError: a", Status.FAILED)])
def test_cells_are_excused_when_their_first_trouble_is_the_module(first: str, status: Status) -> None:
    troubled = case(("import cupy", first), ("import cupy", LACKS))
    assert not_installed.excuses_cells(lambda *_: lost())(troubled, None).status is status  # type: ignore[arg-type]
