"""What to try when a cell raised an error: the errors that most broken notebooks end with."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Mapping
from contextlib import suppress

from grader.formats.code import code_of
from grader.language import noted
from grader.records import Case, CellKind, CellRun, CellStatus, Message, say

_NAME = re.compile(r"NameError: name '(\w+)' is not defined")
_USUAL = say("Restart the kernel, run all cells from the top, and mend or remove what fails.")
_UNREADABLE = noted(
    "Python cannot read this cell: look at brackets, colons and indentation in this line and the one above."
)
_KNOWN: Mapping[str, str] = {
    "SyntaxError": _UNREADABLE,
    "IndentationError": _UNREADABLE,
    "TabError": _UNREADABLE,
    "FileNotFoundError": noted(
        "A notebook is run alone, in an empty folder: what it reads it has to make itself. Make the file in a cell above, or "
        "do without it."
    ),
    "ModuleNotFoundError": noted("Check how the module's name is spelt; leave out what the homework does not need."),
    "StdinNotImplementedError": noted("Nobody answers while a notebook is graded: write the value into the cell."),
    "SystemExit": noted("Leave exit() out: it ends the run of the cell as an error does."),
    "ValueError: No step set": noted("Pass the step to each call of tf.summary: step=step."),
    "ValueError: Unknown variable: <tf.Variable": noted(
        "An optimizer knows only the variables that it was first used with: make a new one for each experiment."
    ),
}


def advice(run: CellRun, case: Case) -> Message:
    """What to try against the error that a cell raised."""
    message = run.fault.message if run.fault else ""
    name = _NAME.match(message)
    if name:
        return _of_name(name.group(1), run.index, case)
    known = next((text for begin, text in _KNOWN.items() if message.startswith(begin)), None)
    return say(known) if known else _USUAL


def _of_name(name: str, cell: int, case: Case) -> Message:
    """What to try where a name is not there: it depends on which cell should have made it."""
    sources = {c.index: c.source for c in case.submission.cells if c.kind is CellKind.CODE}
    made = [index for index, source in sources.items() if name in _made(source)]
    ran = {run.index for run in case.execution.cells if run.status is CellStatus.OK}
    above = [index for index in made if index < cell]
    if not made and not any(_may_make(name, source) for source in sources.values()):
        return say("No cell makes {name}: its cell may have been deleted, or the name is misspelt.", name=name)
    if above and not ran.intersection(above):
        return say(
            "Cell {above} was to make {name}, and did not come so far: mend that one first.", above=above[-1], name=name
        )
    if made and not above and made[0] > cell:
        return say(
            "{name} is made only in cell {below}, further down: move that cell above this one.",
            name=name,
            below=made[0],
        )
    return _USUAL


def _may_make(name: str, source: str) -> bool:
    """Whether a cell may make a name in a way that its tree does not tell."""
    by_far = r"import \*|%run\b|%pylab\b|\bexec\(|\bglobals\("
    return re.search(rf"{by_far}|^\s*{name}\s*=\s*[!%]|\bglobal\b.*\b{name}\b", source, re.MULTILINE) is not None


def _made(source: str) -> set[str]:
    """The names that a cell makes in the notebook: by assignment, import, `def` and `class`, not inside of functions. Of a
    cell that cannot be read all words count: its author meant it to make some of them."""
    tree = code_of(source)
    with suppress(SyntaxError, ValueError, RecursionError):
        if tree is not None:
            symbols = symtable.symtable(ast.unparse(tree), "cell", "exec").get_symbols()
            return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    return set(re.findall(r"\w+", source))
