"""Numbers and states in words: how a value, a place and a status are written, on the page and in the terminal."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, Decimal

from grader.records import Finding, Severity, Status

STATUS_WORDS = {
    Status.PASSED: "Passed",
    Status.FAILED: "Failed",
    Status.PARTIAL: "In part",
    Status.REVIEW: "To be read",
    Status.BLOCKED: "Blocked",
    Status.UNDECIDED: "Undecided",
}
STATUS_MEANINGS = {
    Status.PASSED: "everything asked for is there",
    Status.PARTIAL: "some of it is there, and some of the points",
    Status.FAILED: "it is missing or does something else",
    Status.REVIEW: "a person reads it and gives the points",
    Status.BLOCKED: "it could not be looked at before something else is mended",
    Status.UNDECIDED: "the grader could not tell: its fault, not yours",
}
SEVERITY_WORDS = {Severity.ERROR: "Error", Severity.WARNING: "Warning", Severity.INFO: "Note"}
_DIGITS = 4


def number(value: float | None) -> str:
    """Four significant digits, never rounded onto a whole number that it is not: 99.996 is 99.99, not 100."""
    if value is None:
        return "not finite"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    text = f"{value:.{_DIGITS}g}"
    return _cut(value) if float(text).is_integer() and abs(value) < 10**_DIGITS else text


def _cut(value: float) -> str:
    """Four significant digits, and one decimal at least, rounded towards zero, of a number between 0.5 and 10000."""
    exact = Decimal(value)
    return str(exact.quantize(Decimal(1).scaleb(min(exact.adjusted() - _DIGITS + 1, -1)), rounding=ROUND_DOWN))


def tidy(points: float) -> int | float:
    """Points as an integer when whole, else with two decimals that never reach the next whole number."""
    exact = round(points, 6)
    if exact == int(exact):
        return int(exact)
    near = round(exact, 2)
    return near if near != int(near) else math.trunc(exact * 100) / 100


def points(value: float) -> str:
    """`84`, `6.67`: points without decimals that say nothing."""
    return str(tidy(value))


def points_of(value: float, most: int) -> str:
    return f"{points(value)} of {most}"


def count(n: int, one: str, many: str | None = None) -> str:
    """`1 point`, `2 points`."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """`12.3 s`, or `under 0.1 s`."""
    return f"{number(round(value, 1))} s" if value >= 0.1 else "under 0.1 s"


def cell_place(finding: Finding) -> str | None:
    """`cell 14, line 3`, or None where no cell is named."""
    if finding.cell is None:
        return None
    return f"cell {finding.cell}" + (f", line {finding.line}" if finding.line is not None else "")


def log_place(finding: Finding) -> str | None:
    """`run relu, tag val_loss, step 50`, or None where no log is named."""
    parts = (("run", finding.run), ("tag", finding.tag), ("step", finding.step))
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or None


def place(finding: Finding) -> str | None:
    """All that is known of where a finding was made."""
    return "; ".join(part for part in (cell_place(finding), log_place(finding)) if part) or None
