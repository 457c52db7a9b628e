"""The notebook as a whole, and remarks that cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, passed
from grader.homework import cell_errors, not_installed, where
from grader.homework.common import evidence_for, runs_named, words_of
from grader.homework.fit_analysis import analyse
from grader.homework.where import Place
from grader.homework.witnesses import printed_lines, recorded_outputs, remark, submitted_logs
from grader.language import counted, noted
from grader.records import (
    Case,
    CellRun,
    CellStatus,
    FaultKind,
    FileState,
    Finding,
    LogFile,
    Message,
    Run,
    Verdict,
    say,
)


@not_installed.excuses_cells
def runs(case: Case, assignment: Assignment) -> Verdict:
    """Every cell runs, in order, in a fresh kernel."""
    troubled = [run for run in case.execution.cells if run.status not in (CellStatus.OK, CellStatus.NOT_RUN)]
    waiting = [run.index for run in case.execution.cells if run.status is CellStatus.NOT_RUN]
    if not troubled and not waiting:
        return passed()
    findings = [_trouble(same, place, case, assignment) for place, same in _alike(troubled, case)]
    if waiting:
        findings.append(
            Finding(
                code="notebook.not_reached",
                message=counted(
                    "{n} cell was not reached: cell {cell}.",
                    "{n} cells were not reached, from cell {cell} on.",
                    len(waiting),
                    cell=waiting[0],
                ),
                cell=waiting[0],
            )
        )
    return failed(*findings)


_ENDS: Mapping[FaultKind, str] = {
    FaultKind.RAISED: noted("Cell {cell} raised an error."),
    FaultKind.TIMED_OUT: noted(
        "Cell {cell} did not end in the time that a cell has and was stopped after {seconds} s."
    ),
    FaultKind.KERNEL_DIED: noted("The kernel died in cell {cell}."),
    FaultKind.OUT_OF_MEMORY: noted(
        "Cell {cell} was stopped: with it the notebook used {used} MiB of memory, more than the {most} MiB that it may."
    ),
    FaultKind.DISK_LIMIT: noted(
        "Cell {cell} was stopped: it wrote more to disk than the {most} MiB that a notebook may."
    ),
    FaultKind.FILES_LIMIT: noted("Cell {cell} was stopped: it made more than the {most} files that a notebook may."),
    FaultKind.OUTPUT_LIMIT: noted(
        "Cell {cell} was stopped: with it the notebook printed and displayed more than the {most} MiB that it may."
    ),
}
_ADVICE: Mapping[FaultKind, str] = {
    FaultKind.TIMED_OUT: noted("Look for a loop that never ends, or for work that is done again in each step."),
    FaultKind.OUT_OF_MEMORY: noted(
        "Look for a list or an array that grows in a loop, or for the whole data set in one batch."
    ),
    FaultKind.DISK_LIMIT: noted("Write fewer histograms or larger steps between them, and no copies of the data."),
    FaultKind.FILES_LIMIT: noted("Look for a file or a writer that is made anew in a loop."),
    FaultKind.OUTPUT_LIMIT: noted("Look for a print in a loop; print once an epoch."),
}


def _alike(troubled: Iterable[CellRun], case: Case) -> Iterable[tuple[Place | None, list[CellRun]]]:
    """The cells that one line of a function broke together, with its place; each other one by itself."""
    groups: dict[object, tuple[Place | None, list[CellRun]]] = {}
    for run in troubled:
        place = where.in_cells(run, case)
        key = (place, run.fault and run.fault.message) if place else run.index
        groups.setdefault(key, (place, []))[1].append(run)
    return groups.values()


def _trouble(same: Sequence[CellRun], place: Place | None, case: Case, assignment: Assignment) -> Finding:
    run = same[0]
    fault = run.fault
    kind = fault.kind if fault and fault.kind in _ENDS else FaultKind.KERNEL_DIED
    limits = assignment.limits
    most = {
        FaultKind.OUT_OF_MEMORY: limits.memory_mib,
        FaultKind.DISK_LIMIT: limits.disk_mib,
        FaultKind.FILES_LIMIT: limits.files,
        FaultKind.OUTPUT_LIMIT: assignment.output_mib,
    }
    used = {"seconds": round(run.seconds), "used": case.execution.resources.peak_memory_mib, "most": most.get(kind, 0)}
    reached = _reached(run, case) if kind is not FaultKind.RAISED else None
    return Finding(
        code=f"notebook.{run.status}",
        message=say(_ENDS[kind], cell=run.index, **used) if place is None else _in_a_function(same),
        expected=say("the cell runs to its end in a fresh kernel"),
        actual=reached.words() if reached else words_of(fault) if fault else None,
        hint=say(_ADVICE[kind]) if kind in _ADVICE else cell_errors.advice(run, case),
        cell=place.cell if place else run.index,
        line=place.line if place else fault.line if fault else None,
        run=reached.run if reached else None,
        step=reached.step if reached else None,
    )


def _in_a_function(same: Sequence[CellRun]) -> Message:
    return counted(
        "Cell {cells} raised an error, in a function of the notebook that it calls.",
        "Cells {cells} raised the same error, in a function of the notebook that they call.",
        len(same),
        cells=", ".join(str(run.index) for run in same),
    )


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far an experiment had come: the last step that it logged, and the epoch if the length of one is known."""

    run: str
    step: int
    epoch: int | None

    def words(self) -> Message:
        if self.epoch is None:
            return say("the last that was logged before: {run}, step {step}", run=self.run, step=self.step)
        return say(
            "the last that was logged before: {run}, epoch {epoch}, step {step}",
            run=self.run,
            epoch=self.epoch,
            step=self.step,
        )


def _points(run: Run) -> Iterator[tuple[float, str, int]]:
    """The last point of each series: when it was written, the run, and its step."""
    yield from ((float(s.times[-1]), run.name, int(s.steps[-1])) for s in run.scalars if len(s.steps))
    yield from ((float(s.times[-1]), run.name, int(s.steps[-1])) for s in run.histograms if len(s.steps))


def _reached(run: CellRun, case: Case) -> _Reached | None:
    """Where the training of a cell was when the cell ended; None when it logged nothing."""
    source = next(cell for cell in case.submission.cells if cell.index == run.index)
    points = [point for name in runs_named(source) if name in case.runs for point in _points(case.runs[name])]
    if not points:
        return None
    _, name, step = max(points)
    lengths = [use.sequences[0].length for use in case.execution.models if use.run == name and use.sequences]
    return _Reached(name, step, step // lengths[-1] + 1 if lengths and lengths[-1] else None)


# --- remarks --------------------------------------------------------------------------------------------------------


def writer_may_be_missing(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """A latent flaw: the course's signature allows writer=None."""
    evidence = evidence_for(case, "fit_generator")
    fault = evidence.faults.get("no_writer") if evidence else None
    if evidence is None or fault is None or evidence.faults.get("main") or evidence.faults.get(""):
        return
    yield remark(
        "remark.writer_none",
        "fit_generator fails when it is called without a writer, although writer=None is allowed. The course's own method has the same flaw.",
        actual=fault.message,
        cell=evidence.question.definition.cell,
        hint=noted("Guard every `with writer.as_default():` by `if writer is not None:`."),
    )


def input_gradient_on_constants(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """A latent flaw: the gradient for the layer's input is NaN where a feature is constant."""
    evidence = evidence_for(case, "batch_norm")
    gradient = evidence.arrays.get("constant_dx") if evidence else None
    if evidence is None or gradient is None or np.isfinite(gradient).all():
        return
    yield remark(
        "remark.nan_input_gradient",
        "On constant features BatchNormFixed gives NaN as the gradient for its input: somewhere it divides by 0, even if the output is mended afterwards. The weights of the layers below can become NaN by it.",
        cell=evidence.question.definition.cell,
        hint=noted(
            "Keep the denominator itself away from 0, for example with the epsilon under the root: tf.sqrt(variance + eps)."
        ),
    )


def validation_labels(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """Validation points that stand where their epoch began."""
    evidence = evidence_for(case, "fit_generator")
    began = [reading for reading in analyse(evidence).scalars if reading.began] if evidence else []
    if evidence is not None and began:
        yield remark(
            "remark.validation_at_start",
            "The validation points stand at the step where their epoch began, not where it ended, so the curve runs ahead of the training curve.",
            cell=evidence.question.definition.cell,
            tag=began[0].tag,
        )


def cells_out_of_order(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """Execution counts that do not grow from top to bottom."""
    counts = [(c.index, c.execution_count) for c in case.submission.cells if c.execution_count is not None]
    bad = [cell for (_, before), (cell, count) in pairwise(counts) if count <= before]
    if bad:
        yield remark(
            "remark.out_of_order",
            "When the notebook was saved its cells had not been run from top to bottom in one go (see cell {cell}).",
            cell=bad[0],
            hint=noted("Before handing in: restart the kernel and run all cells."),
        )


def damaged_files(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """Event files that could not be read to their end."""
    for origin, runs_by_name in ((say("handed in"), case.submitted_runs), (say("written by the re-run"), case.runs)):
        for run in runs_by_name.values():
            for file in run.files:
                if file.state in (FileState.DAMAGED, FileState.REFUSED, FileState.TRUNCATED):
                    yield _damaged(file, origin, run.name)


def _damaged(file: LogFile, where: Message, run: str) -> Finding:
    return remark(
        "remark.damaged_log",
        "The event file {name} {where} could not be read to its end ({detail}); what stands before was used.",
        name=file.name,
        where=where,
        detail=file.detail or str(file.state),
        run=run,
    )


def own_library(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """The course library pasted into the notebook instead of imported."""
    kinds = {layer.kind for model in case.execution.models for layer in model.layers if layer.origin == "__main__"}
    pasted = sorted(kinds & {"Dense", "DenseSmart", "BatchNormFlawed"})
    if pasted:
        yield remark(
            "remark.own_library",
            "The notebook uses its own copies of {names} instead of the course library's. The functions were tried out against the library.",
            names=", ".join(pasted),
        )


def students_copy(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """What a student's copy of the grader cannot tell."""
    if assignment.is_students:
        yield remark(
            "remark.students_copy",
            "Checked with the copy for students, which has no reference runs and no thresholds: whether a run learns better was "
            "told from this notebook's own runs alone, and any epsilon was taken for small. The instructor's grading counts.",
        )


REMARKS = (
    students_copy,
    writer_may_be_missing,
    input_gradient_on_constants,
    validation_labels,
    recorded_outputs,
    printed_lines,
    cells_out_of_order,
    submitted_logs,
    damaged_files,
    own_library,
)
