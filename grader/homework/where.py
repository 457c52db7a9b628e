"""Where in the student's own code an error was raised: the innermost line of its traceback that stands in a cell."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from grader.formats.code import code_of
from grader.records import Case, Cell, CellKind, CellRun, CellStatus, Definition, Fault

_FRAME = re.compile(r"^Cell In\[(\d+)\], line (\d+)", re.MULTILINE)  # of the kernel
_MARKED = re.compile(r"^-*> ?(\d+) (.*)", re.MULTILINE)  # the line of a frame, as the kernel shows it
_SHOWN = re.compile(r'^  File "<definition>", line \d+.*\n +(\S.*)', re.MULTILINE)  # a frame of a probe, with its line


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a cell; both count from 1."""

    cell: int
    line: int


def in_cells(run: CellRun, case: Case) -> Place | None:
    """The line of another cell, such as that of a function's definition, in which a cell's error was raised; None where it
    was raised in the cell itself, and where the traceback and the notebook do not fit."""
    trace = run.fault.traceback if run.fault else ""
    frames = list(_FRAME.finditer(trace))
    if not frames:
        return None
    number, line = (int(part) for part in frames[-1].groups())
    back = max(int(frame.group(1)) for frame in frames) - number  # the failing cell was the last to run
    ran = [r.index for r in case.execution.cells if r.status is not CellStatus.NOT_RUN]
    at = ran.index(run.index) - back
    cell = next((c for c in case.submission.cells if back > 0 and at >= 0 and c.index == ran[at]), None)
    shown = _MARKED.search(trace, frames[-1].end())
    return Place(cell.index, line) if cell and shown and shown.groups() == (str(line), _line(cell, line)) else None


def _line(cell: Cell, number: int) -> str | None:
    lines = cell.source.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else None


def in_definition(fault: Fault, definition: Definition, case: Case) -> Place:
    """The line in which a definition's error was raised when it was tried out; its first line where that cannot be told. What is
    tried out is not the text of the notebook but its syntax tree, so statements are compared and not lines."""
    shown = _SHOWN.findall(fault.traceback)
    cells = sorted(case.submission.cells, key=lambda cell: cell.index != definition.cell)
    code = [cell for cell in cells if cell.kind is CellKind.CODE]
    found = [Place(c.index, line) for c in code for line in _lines_of(shown[-1], c.source)] if shown else []
    in_own = [place for place in found if place.cell == definition.cell] or found
    return in_own[0] if len(in_own) == 1 else Place(definition.cell, definition.line)


def _lines_of(statement: str, source: str) -> list[int]:
    """The lines of a cell on which this statement begins."""
    tree = code_of(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)] if tree else []
    return [node.lineno for node in nodes if ast.unparse(node).partition("\n")[0] == statement]
