"""Below the error that ended a cell stands what to try against it, as the rest of the notebook tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.homework.cell_errors import advice
from grader.records import CellRun, CellStatus, Fault, FaultKind
from tests.homework.making import case, code

BROKEN = "def train(:\n    history = []"


def told(message: str, *sources: str, cell: int, failed: tuple[int, ...] = ()) -> str:
    """The advice on an error of this cell, the first being 1; it and the `failed` ones did not come to their end."""
    whole = case([code(source, index=index) for index, source in enumerate(sources, start=1)])
    runs = tuple(
        CellRun(
            index=index,
            status=CellStatus.RAISED if index in (cell, *failed) else CellStatus.OK,
            fault=Fault(kind=FaultKind.RAISED, message=message),
        )
        for index in range(1, len(sources) + 1)
    )
    return str(advice(runs[cell - 1], replace(whole, execution=replace(whole.execution, cells=runs))))


@pytest.mark.parametrize(
    ("sources", "failed", "words"),
    [
        (("print(history)", "history = []"), (), "only in cell 2"),
        (("print(history)", "import history"), (), "only in cell 2"),
        (("print(history)", "%time history = []"), (), "only in cell 2"),
        (("print(history)", "def history():\n    pass"), (), "only in cell 2"),
        (("print(history)", "x = 1"), (), "No cell makes history"),
        (("print(history)", "def train():\n    history = []"), (), "No cell makes history"),
        (("print(history)", BROKEN), (2,), "only in cell 2"),
    ],
)
def test_a_name_that_is_not_there_is_looked_for_below(
    sources: tuple[str, ...], failed: tuple[int, ...], words: str
) -> None:
    assert words in told("NameError: name 'history' is not defined", *sources, cell=1, failed=failed)


@pytest.mark.parametrize("source", ["history = 1 / 0", BROKEN])
def test_a_name_that_a_failed_cell_was_to_make_is_no_mistake_of_its_own(source: str) -> None:
    assert "Cell 1 was to make history" in told(
        "NameError: name 'history' is not defined", source, "history", cell=2, failed=(1,)
    )


UNSEEN = [
    "from course import *",
    "history = []\ndel history",
    "%run helpers.py",
    "history = !ls",
    "def start():\n    global history\n    history = []",
]


@pytest.mark.parametrize("source", UNSEEN)
def test_nothing_is_said_of_a_name_whose_maker_is_not_seen(source: str) -> None:
    assert "Restart the kernel" in told("NameError: name 'history' is not defined", source, "history", cell=2)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("SyntaxError: expected ':' (1.py, line 2)", "brackets"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a.json'", "empty folder"),
        ("ValueError: Unknown variable: <tf.Variable 'Variable:0' shape=(784, 100)", "optimizer"),
        ("ModuleNotFoundError: No module named 'tensorbord'", "spelt"),
        ("StdinNotImplementedError: raw_input was called", "Nobody answers"),
        ("SystemExit: 0", "exit()"),
        ("ValueError: No step set. Please specify one", "step=step"),
        ("ValueError: shapes do not fit", "Restart the kernel"),
    ],
)
def test_usual_errors_have_advice_of_their_own(message: str, words: str) -> None:
    assert words in told(message, "work()", cell=1)


@pytest.mark.parametrize("source", ["x = " + "+".join("1" * 2000), "print(f\"{'\N{NO-BREAK SPACE}'.join(a)}\")"])
def test_code_that_cannot_be_written_back_stops_nobody(source: str) -> None:
    assert "only in cell 3" in told(
        "NameError: name 'history' is not defined", source, "history", "history = 1", cell=2
    )
