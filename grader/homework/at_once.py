"""What can be said of a notebook from its text alone, in a second: for somebody who has just saved it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from grader.homework.common import given_definitions
from grader.homework.wanted import NAMES, WANTED
from grader.records import Cell, CellKind, Definition, Finding, say
from grader.stages.extraction import extract

_COMMANDS = frozenset(("cat", "cd", "conda", "cp", "ls", "mkdir", "mv", "pip", "pwd", "rm"))  # IPython needs no mark
_MOST_COMMANDS = 50  # lines of a cell


def findings(cells: Sequence[Cell], template: tuple[Cell, ...]) -> Iterator[Finding]:
    """Cells that are no Python, definitions that are missing, and those that are still the template's."""
    yield from (error for cell in cells if (error := _syntax_error(cell)))
    found = extract(cells, NAMES)
    given = given_definitions(template)
    for wanted in WANTED:
        own = found.definitions.get(wanted.name)
        if own is None:
            yield _missing(wanted.name)
        elif wanted.name in given and own.normal == given[wanted.name].normal:
            yield _untouched(own)


def _missing(name: str) -> Finding:
    return Finding(
        code="at_once.missing",
        message=say("There is no definition of {name} yet that could be found.", name=name),
        hint=say("Keep the name that the task gives, and define it in a code cell."),
    )


def _untouched(own: Definition) -> Finding:
    return Finding(
        code="at_once.untouched",
        message=say("{name} is still the template's.", name=own.wanted),
        cell=own.cell,
        line=own.line,
    )


def _syntax_error(cell: Cell) -> Finding | None:
    """The first error that keeps a code cell from being read as Python, with IPython's magics and commands."""
    error = _error(cell.source) if cell.kind is CellKind.CODE else None
    if error is None:
        return None
    return Finding(
        code="at_once.syntax_error",
        message=say("This cell cannot be read as Python: {reason}.", reason=error.msg),
        cell=cell.index,
        line=error.lineno,
    )


def _error(source: str) -> SyntaxError | None:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        lines = str(TransformerManager().transform_cell(source)).split("\n")  # type: ignore[no-untyped-call]
    except SyntaxError as error:
        return error
    for _ in range(_MOST_COMMANDS):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            if not _is_command(lines, error.lineno):
                return error
            lines[(error.lineno or 1) - 1] = "pass"
        except (ValueError, RecursionError, MemoryError):
            return None  # the run will tell
        else:
            return None
    return None


def _is_command(lines: Sequence[str], number: int | None) -> bool:
    words: Iterable[str] = lines[number - 1].split()[:1] if number is not None and number <= len(lines) else ()
    return not _COMMANDS.isdisjoint(words)
