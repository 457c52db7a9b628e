"""The rows as a Markdown table under a list of what they were measured on."""

from __future__ import annotations

from collections.abc import Sequence

from bench import machine
from bench.options import Options
from bench.records import Row

_HEAD = ("#", "what", "against", "measured", "ratio", "target", "")


def render(rows: Sequence[Row], options: Options) -> str:
    """The whole text that is printed."""
    cells = [_HEAD, ("--",) * len(_HEAD), *(_cells(row, options) for row in rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join([*(f"- {line}" for line in machine.lines(options)), "", *lines])


def _cells(row: Row, options: Options) -> tuple[str, ...]:
    return (str(row.number), row.what, row.against, row.measured, row.ratio, row.target, _verdict(row, options))


def _verdict(row: Row, options: Options) -> str:
    if row.failed:
        return "not measured"
    if row.met is None or options.quick:  # the targets are for the whole of MNIST and whole classes
        return ""
    return "met" if row.met else "missed"
