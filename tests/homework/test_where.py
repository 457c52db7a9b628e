"""An error leads to the line of the student's own code that raised it, not to the call that came across it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.homework import where
from grader.homework.notebook import runs
from grader.homework.where import Place
from grader.records import Case, CellRun, CellStatus, Definition, Fault, FaultKind
from tests.homework.making import case, code
from tests.homework.test_notebook import ASSIGNMENT

FUNCTION = "def train(x):\n    # one step\n    y = x.gradients(\n        1)\n    return y"
CALL = "train(1)"
ERROR = "AttributeError: no gradients"


def trace(number: int, *, line: int = 3, shown: str = "    y = x.gradients(", after: str = "") -> str:
    """What the kernel says when its `number`-th cell calls a function of the second one."""
    return (
        f"Cell In[{number}], line 1\n----> 1 train(1)\n\nCell In[2], line {line}, in train(x)\n"
        f"      2     # one step\n----> {line} {shown}\n{after}"
    )


def notebook(*traces: str) -> Case:
    """A cell that imports, an empty one that is never run, the function's, and one for each traceback, which fails with it."""
    sources = ["import this", "", FUNCTION, *(CALL for _ in traces)]
    cells = [code(source, index=index) for index, source in enumerate(sources, start=1)]
    status = [CellStatus.OK, CellStatus.OK, CellStatus.OK, *(CellStatus.RAISED for _ in traces)]
    faults = [None, None, None, *(Fault(kind=FaultKind.RAISED, message=ERROR, traceback=text) for text in traces)]
    ran = tuple(
        CellRun(index=c.index, status=s, fault=fault)
        for c, s, fault in zip(cells, status, faults, strict=True)
        if c.source
    )
    whole = case(cells)
    return replace(whole, execution=replace(whole.execution, cells=ran))


def place(text: str) -> Place | None:
    whole = notebook(text)
    return where.in_cells(whole.execution.cells[-1], whole)


def test_an_error_leads_into_the_function_that_the_cell_calls() -> None:
    assert place(trace(3)) == Place(3, 3)


def test_lines_of_the_library_below_it_are_passed_over() -> None:
    assert place(trace(3, after="\nFile /x/tensorflow.py:9, in f()\n----> 9 raise\n")) == Place(3, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Cell In[3], line 1\n----> 1 train(1)\n",  # its own line
        trace(3, line=2),  # another text stands there
        trace(3, line=9),
        trace(9),  # a cell that the notebook has not
        "Cell In[" + "9" * 5000 + "], line 1\n" + trace(3, line=2),
        trace(3, after="." * 8000),  # cut off: there may have been a frame further in
    ],
)
def test_a_place_that_does_not_fit_the_notebook_is_none(text: str) -> None:
    assert place(text) is None


def test_cells_that_one_line_broke_are_told_of_once() -> None:
    (finding,) = runs(notebook(trace(3), trace(4)), ASSIGNMENT).findings
    assert (finding.cell, finding.line) == (3, 3)
    assert "4, 5" in str(finding.message)
    assert len(runs(notebook(trace(3), "Cell In[4], line 1\n----> 1 train(1)\n"), ASSIGNMENT).findings) == 2


@pytest.mark.parametrize(
    ("shown", "line"),
    [("y = x.gradients(1)", 3), ("z = x.gradients(1)", 1), ("return y", 5)],
)
def test_a_probes_error_leads_to_the_statement_of_the_notebook(shown: str, line: int) -> None:
    whole = notebook(trace(3))
    definition = Definition(wanted="train", name="train", source="", cell=3, line=1, normal="")
    text = f'Traceback:\n  File "<definition>", line 7, in train\n    {shown}\n        ^^^\n{ERROR}'
    fault = Fault(kind=FaultKind.RAISED, message=ERROR, traceback=text)
    assert where.in_definition(fault, definition, whole) == Place(3, line)


@pytest.mark.parametrize("other", ["x = " + "+".join("1" * 2000), "print(f\"{'\N{NO-BREAK SPACE}'.join(a)}\")"])
def test_code_that_cannot_be_written_back_stops_no_check(other: str) -> None:
    whole = notebook(trace(3))
    cells = (code(other, index=9), *whole.submission.cells)
    whole = replace(whole, submission=replace(whole.submission, cells=cells))
    definition = Definition(wanted="train", name="train", source="", cell=3, line=1, normal="")
    fault = Fault(
        kind=FaultKind.RAISED, message=ERROR, traceback='  File "<definition>", line 7, in train\n    nowhere()'
    )
    assert where.in_definition(fault, definition, whole) == Place(3, 1)
