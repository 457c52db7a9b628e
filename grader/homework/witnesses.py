"""Several witnesses of one training: the re-run, the logs and the outputs that were handed in. Where they disagree a
remark asks to look; it accuses nobody and costs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grader.assignment import Assignment
from grader.homework.common import runs_named
from grader.homework.roles import reading_of, roles_of, series_of
from grader.language import counted, listed
from grader.records import Case, Cell, CellKind, Finding, Message, Run, Severity, say

_EPOCH = re.compile(r"^Epoch (\d+): (Train|Val) loss: (\S+) (?:Train|Val) Accuracy: (\S+)", re.MULTILINE)
_VALIDATION = ("validation_loss", "validation_accuracy")
_HALF_DIGIT = 0.00051  # the course prints three decimals
_FEWEST_SECONDS = 1.0  # ten epochs on the whole of MNIST take minutes; nothing real takes less than a second
_SHOWN = 6


def remark(code: str, template: str, /, *, hint: str | None = None, **values: object) -> Finding:
    """A finding that costs nothing. `cell`, `run`, `tag`, `line`, `expected` and `actual` are the finding's own; all
    values may stand in the template."""
    own = {k: v for k, v in values.items() if k in ("cell", "run", "tag", "line", "expected", "actual")}
    return Finding(
        code=code,
        severity=Severity.INFO,
        message=say(template, **{k: v for k, v in values.items() if isinstance(v, str | int | float | Message)}),
        hint=say(hint) if hint else None,
        **own,  # type: ignore[arg-type]
    )


# --- logs that were handed in ---------------------------------------------------------------------------------------


def submitted_logs(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """The archive of logs that the task asks for, compared with the re-run."""
    if not case.submitted_runs:
        yield remark(
            "remark.no_logs", "No archive with the folder logs/ was handed in; the re-run's own logs were judged."
        )
        return
    asked = {experiment.run for experiment in assignment.experiments}
    lacking = sorted((asked & case.runs.keys()) - case.submitted_runs.keys())
    if lacking:
        yield remark(
            "remark.logs_lack_runs",
            "The logs that were handed in lack runs that the notebook writes: {runs}. Please look.",
            runs=", ".join(lacking),
        )
    for name in sorted(asked & case.runs.keys() & case.submitted_runs.keys()):
        yield from _compared(name, case.runs[name], case.submitted_runs[name], case)


def _compared(name: str, ours: Run, theirs: Run, case: Case) -> Iterator[Finding]:
    yield from _other_tags(name, ours, theirs)
    yield from _other_counts(name, ours, theirs, case)
    yield from _other_character(name, ours, theirs)
    yield from _strange_times(name, theirs)


def _other_tags(name: str, ours: Run, theirs: Run) -> Iterator[Finding]:
    for kind, own, other in (
        (say("scalars"), {s.tag for s in ours.scalars}, {s.tag for s in theirs.scalars}),
        (say("histograms"), {h.tag for h in ours.histograms}, {h.tag for h in theirs.histograms}),
    ):
        if own != other:
            yield remark(
                "remark.logs_other_tags",
                "In the run {run}, the logs that were handed in and the re-run do not have the same {kind}. Please look.",
                run=name,
                kind=kind,
                expected=say("{tags} in the re-run only", tags=_some(own - other))
                if own - other
                else say("no others in the re-run"),
                actual=say("{tags} in the logs only", tags=_some(other - own))
                if other - own
                else say("no others in the logs"),
            )


def _some(names: set[str]) -> Message:
    shown = ", ".join(sorted(names)[:_SHOWN])
    left = len(names) - _SHOWN
    return counted("{names} and {n} more", "{names} and {n} more", left, names=shown) if left > 0 else listed([shown])


def _other_counts(name: str, ours: Run, theirs: Run, case: Case) -> Iterator[Finding]:
    """Validation points that come by the epoch are as many on little data as on much."""
    reading = reading_of(case, "validation_loss")
    by_epoch = reading is None or reading.quality != "mixed"  # else their number depends on the data
    for role in _VALIDATION:
        own, other = series_of(case, ours, role), series_of(case, theirs, role)
        counts = [len(np.unique(series.steps)) if series is not None else 0 for series in (own, other)]
        if by_epoch and counts[0] and counts[1] and counts[0] != counts[1]:
            yield remark(
                "remark.logs_other_counts",
                "In the run {run}, the logs that were handed in have another number of points of the {role} than the re-run. "
                "They may be of another version of the code, or of a training that was stopped. Please look.",
                run=name,
                role=say(role.replace("_", " ")),
                expected=counted("{n} point, as in the re-run", "{n} points, as in the re-run", counts[0]),
                actual=counted("{n} point", "{n} points", counts[1]),
            )
            return


def _other_character(name: str, ours: Run, theirs: Run) -> Iterator[Finding]:
    states = [_finite(run) for run in (ours, theirs)]
    if None not in states and states[0] != states[1]:
        words = {True: say("finite throughout"), False: say("NaN or infinite")}
        yield remark(
            "remark.logs_other_character",
            "In the run {run}, the scalars of the logs that were handed in and of the re-run do not agree on being finite. "
            "Please look.",
            run=name,
            expected=say("{what}, as in the re-run", what=words[bool(states[0])]),
            actual=words[bool(states[1])],
        )


def _finite(run: Run) -> bool | None:
    values = [series.values for series in run.scalars if len(series.values)]
    return all(bool(np.isfinite(v).all()) for v in values) if values else None


def _strange_times(name: str, theirs: Run) -> Iterator[Finding]:
    """Times that no training could have: all at once, or backwards within one series."""
    series = [s for s in theirs.scalars if len(s.values) > 1]
    if not series:
        return
    span = max(float(s.times.max()) for s in series) - min(float(s.times.min()) for s in series)
    backwards = any(bool((np.diff(s.times)[np.diff(s.steps) > 0] < 0).any()) for s in series)
    if span < _FEWEST_SECONDS or backwards:
        yield remark(
            "remark.logs_strange_times",
            "In the run {run}, the times in the logs that were handed in are not those of a training: {why}. Please look.",
            run=name,
            why=say("they run backwards") if backwards else say("all of it within {span:.2g} s", span=span),
        )


# --- epochs -----------------------------------------------------------------------------------------------------------


def epochs_printed(case: Case, name: str) -> int | None:
    """The last epoch that the re-run printed for a run; None where no cell is that run's alone, or nothing was printed."""
    cells = [cell for cell in case.submission.cells if set(runs_named(cell)) == {name}]
    return max((line.epoch for cell in cells for line in _lines(_rerun_text(case, cell))), default=None)


# --- outputs that were handed in, and printed lines ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """An epoch line as the course's method prints it."""

    epoch: int
    part: str
    loss: float
    accuracy: float


def printed_lines(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """The epoch lines of a cell beside the scalars of its run: recorded with recorded, re-run with re-run."""
    for cell in case.submission.cells:
        names = set(runs_named(cell))
        if len(names) == 1:
            yield from _lines_disagree(cell, names.pop(), case)


def _lines_disagree(cell: Cell, name: str, case: Case) -> Iterator[Finding]:
    witnesses = (
        (say("re-run"), _rerun_text(case, cell), case.runs),
        (say("handed in"), cell.output, case.submitted_runs),
    )
    for whence, text, runs in witnesses:
        lines = _lines(text)
        bad = _first_disagreement(lines, runs[name], case) if name in runs and lines else None
        if bad is not None:
            yield remark(
                "remark.lines_disagree",
                "What the cell prints and what its run logs do not agree ({whence}, run {run}). Please look.",
                whence=whence,
                run=name,
                cell=cell.index,
                expected=say(
                    "epoch {epoch}: {what} {value:.4g}, as printed",
                    epoch=bad[0].epoch,
                    what=say(bad[1].replace("_", " ")),
                    value=bad[2],
                ),
                actual=say("{value:.4g} logged", value=bad[3]),
            )


def _first_disagreement(lines: list[_Line], run: Run, case: Case) -> tuple[_Line, str, float, float] | None:
    """(line, role, printed, logged) of the first validation value that was printed and is not in the log of its epoch."""
    roles, own = roles_of(case, run), [line for line in lines if line.part == "Val"]
    for index, role in enumerate(_VALIDATION):
        series = next((s for s in run.scalars if roles.get(s.tag) == role), None)
        if series is None or len(series.values) != len(own):
            continue
        for line, logged in zip(own, series.values, strict=True):
            printed = (line.loss, line.accuracy)[index]
            if not _same(printed, float(logged)):
                return line, role, printed, float(logged)
    return None


def _same(printed: float, logged: float) -> bool:
    if np.isnan(printed) or np.isnan(logged):
        return bool(np.isnan(printed) and np.isnan(logged))
    return abs(printed - logged) <= _HALF_DIGIT + 1e-4 * abs(logged)


def _lines(text: str) -> list[_Line]:
    found = []
    for epoch, part, loss, accuracy in _EPOCH.findall(text):
        try:
            found.append(_Line(epoch=int(epoch), part=part, loss=float(loss), accuracy=float(accuracy)))
        except ValueError:
            continue
    return found


def recorded_outputs(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """The state of the outputs that were handed in: none, or other than what the code prints."""
    code = [cell for cell in case.submission.cells if cell.kind is CellKind.CODE]
    if code and not any(cell.output for cell in code):
        yield remark("remark.no_outputs", "The notebook was handed in without any outputs.")
        return
    pairs = [(cell, _lines(_rerun_text(case, cell)), _lines(cell.output)) for cell in code]
    differing = [(cell, ours, theirs) for cell, ours, theirs in pairs if ours and len(ours) != len(theirs)]
    if differing:
        cell, ours, theirs = differing[0]
        yield remark(
            "remark.outputs_disagree",
            "The recorded outputs and the re-run do not show the same epochs (cells {cells}): the recording is cut short or "
            "of another version of the code. Please look.",
            cells=", ".join(str(found.index) for found, _, _ in differing),
            cell=cell.index,
            expected=counted("{n} epoch, as in the re-run", "{n} epochs, as in the re-run", _epochs(ours)),
            actual=counted("{n} epoch recorded", "{n} epochs recorded", _epochs(theirs)),
        )
    for cell, ours, theirs in pairs:
        if ours and theirs and _any_nan(ours) != _any_nan(theirs):
            yield remark(
                "remark.outputs_other_character",
                "The recorded output of cell {cell} and the re-run do not agree on the loss being NaN. Please look.",
                cell=cell.index,
                expected=say("NaN, as in the re-run" if _any_nan(ours) else "finite, as in the re-run"),
                actual=say("NaN recorded" if _any_nan(theirs) else "finite values recorded"),
            )


def _rerun_text(case: Case, cell: Cell) -> str:
    run = case.execution.cell(cell.index)
    return run.text if run else ""


def _epochs(lines: list[_Line]) -> int:
    return len({line.epoch for line in lines})


def _any_nan(lines: list[_Line]) -> bool:
    return any(np.isnan(line.loss) for line in lines)
