"""The code of a cell as a syntax tree: magics and shell commands blanked out, line numbers kept."""

from __future__ import annotations

import ast
import re
import threading

MAX_SOURCE = 1 << 18  # characters of code that are parsed of a notebook: its syntax tree takes 800 times their memory
_MAX_REPAIRS = 50  # lines of a cell that are taken for shell commands before it is given up
_MAX_REPARSED = 1 << 20  # characters that are parsed again for them
_NEW_LINE = re.compile(r"\r\n|\r|\n")  # as Python sees them: `splitlines` knows others, which may stand in a comment
_MAGIC = re.compile(r"^\s*(?:[%!?]|[\w.]+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
_LINE_MAGIC_WITH_CODE = re.compile(r"^(\s*)%(?:time|timeit|prun)\s+(?=\S)(?!-)")
_CELL_MAGIC_WITH_CODE = re.compile(r"^%%(?:time|timeit|capture|prun|writefile)\b")


def code_of(source: str) -> ast.Module | None:
    """The syntax tree of a cell with its magics and shell commands blanked out, line numbers kept; None when it
    cannot be parsed or is too long. IPython's own transformation is not used: it loses the lines that findings point to."""
    if len(source) > MAX_SOURCE:
        return None
    lines = _without_cell_magic(_NEW_LINE.split(source))
    return _parsed(lines, len(source)) or _parsed([_without_magic(line) for line in lines], len(source))


_ONE_AT_A_TIME = threading.Lock()


def parsed(source: str) -> ast.Module:
    """The syntax tree of Python code. Raises what `ast.parse` does. Python 3.11 counts the depth of a tree for all threads
    together, and fails now and then when two of them parse (python/cpython#106905)."""
    with _ONE_AT_A_TIME:
        return ast.parse(source)


def _parsed(lines: list[str], size: int) -> ast.Module | None:
    """The tree of these lines. Only a line where Python stumbles is taken for a magic or a command: one that begins with `%`
    may go on with what is above it."""
    lines = list(lines)
    for _ in range(min(_MAX_REPAIRS, max(1, _MAX_REPARSED // max(1, size)))):
        try:
            return parsed("\n".join(lines))
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
            if not 0 <= number < len(lines) or lines[number] == _mended(lines[number]):
                return None
            lines[number] = _mended(lines[number])
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


def _mended(line: str) -> str:
    """A line without its magic or command; as it was when it has none."""
    without = _without_magic(line)
    return _blank(line) if without == line and _looks_like_a_command(line) else without


def _without_cell_magic(lines: list[str]) -> list[str]:
    if lines and lines[0].startswith("%%"):
        return ["", *lines[1:]] if _CELL_MAGIC_WITH_CODE.match(lines[0]) else []
    return lines


def _without_magic(line: str) -> str:
    timed = _LINE_MAGIC_WITH_CODE.match(line)
    if timed:
        return timed.group(1) + line[timed.end() :]
    return _blank(line) if _MAGIC.match(line) else line


def _blank(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + "pass"


def _looks_like_a_command(line: str) -> bool:
    """`mkdir logs`, `pip install x`: automagic, a word and its arguments."""
    return re.match(r"^\s*[a-z][\w-]*(?:\s[^=(]*)?$", line) is not None
