"""Numbers and states in words: how a value, a place and a status are written, on the page and in the terminal."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, Decimal

from grader.language import decimal, noted, tr, tr_n
from grader.records import Fault, FaultKind, Finding, Severity, Status

STATUS_WORDS = {
    Status.PASSED: noted("Passed"),
    Status.FAILED: noted("Failed"),
    Status.PARTIAL: noted("In part"),
    Status.REVIEW: noted("To be read"),
    Status.BLOCKED: noted("Blocked"),
    Status.UNDECIDED: noted("Undecided"),
}
STATUS_MEANINGS = {
    Status.PASSED: noted("everything asked for is there"),
    Status.PARTIAL: noted("some of it is there, and some of the points"),
    Status.FAILED: noted("it is missing or does something else"),
    Status.REVIEW: noted("a person reads it and gives the points"),
    Status.BLOCKED: noted("it could not be looked at before something else is mended"),
    Status.UNDECIDED: noted("the grader could not tell: its fault, not yours"),
}
SEVERITY_WORDS = {Severity.ERROR: noted("Error"), Severity.WARNING: noted("Warning"), Severity.INFO: noted("Note")}
_DIGITS = 4


def number(value: float | None) -> str:
    """Four significant digits, never rounded onto a whole number that it is not: 99.996 is 99.99, not 100."""
    if value is None:
        return tr("not finite")
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    text = f"{value:.{_DIGITS}g}"
    return decimal(_cut(value) if float(text).is_integer() and abs(value) < 10**_DIGITS else text)


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
    return decimal(str(tidy(value)))


def points_of(value: float, most: int) -> str:
    return tr("{earned} of {most}", earned=points(value), most=most)


def of_points(value: float, most: int) -> str:
    """`84 of 100 points`."""
    return tr_n("{earned} of {n} point", "{earned} of {n} points", most, earned=points(value))


def count(n: int, one: str, many: str | None = None) -> str:
    """`1 point`, `2 points`: in English, for machine formats. What people read has `tr_n`."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def role_words(role: str) -> str:
    """`validation_loss` as `validation loss`."""
    return tr(role.replace("_", " "))


def seconds(value: float) -> str:
    """`12.3 s`, or `under 0.1 s`."""
    return tr("{seconds} s", seconds=number(round(value, 1))) if value >= 0.1 else tr("under {seconds} s", seconds=0.1)


def fault_words(fault: Fault) -> str:
    """A fault in words: the error's own as Python said them, ours in the reader's language."""
    return fault.message if fault.kind is FaultKind.RAISED else tr(fault.message)


def cell_place(finding: Finding) -> str | None:
    """`cell 14, line 3`, or None where no cell is named."""
    if finding.cell is None:
        return None
    if finding.line is None:
        return tr("cell {cell}", cell=finding.cell)
    return tr("cell {cell}, line {line}", cell=finding.cell, line=finding.line)


def log_place(finding: Finding) -> str | None:
    """`run relu, tag val_loss, step 50`, or None where no log is named."""
    parts = ((tr("run"), finding.run), (tr("tag"), finding.tag), (tr("step"), finding.step))
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or None


def place(finding: Finding) -> str | None:
    """All that is known of where a finding was made."""
    return "; ".join(part for part in (cell_place(finding), log_place(finding)) if part) or None
