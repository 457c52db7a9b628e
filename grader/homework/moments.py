"""When code logs, as far as its text tells: where a probe or a short run is over before it would log again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from grader.formats.code import parsed
from grader.homework.questions import EPOCH

_CLOCKS = frozenset({"time", "time_ns", "monotonic", "perf_counter", "process_time", "now", "utcnow", "timestamp"})


def logs_later(source: str, steps: int) -> bool:
    """Whether code has a whole number that a step may be compared with after so many `steps`, and before training ends."""
    tree = parsed(source)
    times = _times(tree)
    timed = {id(n) for c in ast.walk(tree) if isinstance(c, ast.Compare) and _is_time(c, times) for n in ast.walk(c)}
    constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in timed]
    return any(type(n.value) is int and steps <= n.value < 10 * EPOCH for n in constants)


def waits(source: str) -> bool:
    """Whether code does something, more than print, when some time is over: as one does who logs every so many seconds."""
    tree = parsed(source)
    times = _times(tree)
    branches = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _is_time(node.test, times)]
    return any(_called(statement) - {"print"} - _CLOCKS for branch in branches for statement in branch.body)


def _times(tree: ast.Module) -> set[str]:
    """Names of what comes of a clock."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = [pair for target in node.targets for pair in _pairs(target, node.value)]
            found |= {name for name, value in pairs if _is_time(value, found)}
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment gives a value to, each with its own where there are as many."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for inner, own in zip(target.elts, value.elts, strict=True):
            yield from _pairs(inner, own)
    else:
        yield from ((name.id, value) for name in ast.walk(target) if isinstance(name, ast.Name))


def _is_time(node: ast.expr, times: set[str]) -> bool:
    """Whether an expression asks a clock, or has the name of a time."""
    return bool(_called(node) & _CLOCKS or times & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)})


def _called(tree: ast.AST) -> set[str]:
    """The names of what is called, without the modules that they are of."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {getattr(function, "id", getattr(function, "attr", "")) for function in calls}
