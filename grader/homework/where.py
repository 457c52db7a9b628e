"""Where in the student's own code an error was raised: the innermost line of its traceback that stands in a cell."""

from __future__ import annotations

import ast
import copy
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from grader.formats.code import code_of
from grader.records import Case, Cell, CellKind, CellRun, CellStatus, Definition, Fault

_FRAME = re.compile(r"^Cell In\[(\d{1,9})\], line (\d{1,9})", re.MULTILINE)  # of the kernel
_MARKED = re.compile(r"^-*> ?(\d{1,9}) (.*)", re.MULTILINE)  # the line of a frame, as the kernel shows it
_SHOWN = re.compile(r'^  File "<definition>", line \d+.*\n +(\S.*)', re.MULTILINE)  # a frame of a probe, with its line

_CUT = 8000  # characters: of a longer traceback the innermost frame may be lost


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a cell; both count from 1."""

    cell: int
    line: int


def in_cells(run: CellRun, case: Case) -> Place | None:
    """The line of another cell, such as that of a function's definition, in which a cell's error was raised; None where it
    was raised in the cell itself, and where the traceback and the notebook do not fit."""
    trace = run.fault.traceback if run.fault else ""
    if len(trace) >= _CUT:
        return None
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
    lines = re.split(r"\r\n|\r|\n", cell.source)  # as Python counts them
    return lines[number - 1] if 0 < number <= len(lines) else None


def in_definition(fault: Fault, definition: Definition, case: Case) -> Place:
    """The line in which a definition's error was raised when it was tried out; its first line where that cannot be told. What is
    tried out is not the text of the notebook but its syntax tree, so statements are compared and not lines."""
    shown = _SHOWN.findall(fault.traceback)
    others = (cell for cell in case.submission.cells if cell.index != definition.cell)
    own = (cell for cell in case.submission.cells if cell.index == definition.cell)
    for cells in (own, others) if shown else ():
        code = (cell for cell in cells if cell.kind is CellKind.CODE)
        found = [Place(cell.index, line) for cell in code for line in _lines_of(shown[-1], cell.source)]
        if len(found) == 1:
            return found[0]
    return Place(definition.cell, definition.line)


@lru_cache(maxsize=64)
def _lines_of(statement: str, source: str) -> tuple[int, ...]:
    """The lines of a cell on which this statement begins."""
    tree = code_of(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)] if tree else []
    return tuple(node.lineno for node in nodes if _first_line(node) == statement)


def _first_line(node: ast.stmt) -> str | None:
    """The first line of a statement as its tree gives it; None of what cannot be written: a deep tree, or, before Python 3.12,
    an f-string with a backslash in it."""
    with suppress(ValueError, RecursionError):
        return ast.unparse(_without_body(node)).partition("\n")[0]
    return None


def _without_body(node: ast.stmt) -> ast.stmt:
    """A statement whose inner ones are left out: they are looked at by themselves."""
    inner = {name: [ast.Pass()] for name in ("body", "orelse", "finalbody") if getattr(node, name, None)}
    if not inner or isinstance(node, ast.Expr):
        return node
    bare = copy.copy(node)
    for name, passed in inner.items():
        setattr(bare, name, passed)
    return bare
