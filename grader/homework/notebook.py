"""The notebook as a whole, and remarks that cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, passed
from grader.homework.common import brief, evidence_for
from grader.homework.fit_analysis import analyse
from grader.homework.witnesses import printed_lines, recorded_outputs, remark, submitted_logs
from grader.records import (
    Case,
    CellRun,
    CellStatus,
    FileState,
    Finding,
    LogFile,
    Verdict,
    say,
)


def runs(case: Case, assignment: Assignment) -> Verdict:
    """Every cell runs, in order, in a fresh kernel."""
    troubled = [run for run in case.execution.cells if run.status not in (CellStatus.OK, CellStatus.NOT_RUN)]
    waiting = [run.index for run in case.execution.cells if run.status is CellStatus.NOT_RUN]
    if not troubled and not waiting:
        return passed()
    findings = [_trouble(run) for run in troubled]
    if waiting:
        findings.append(
            Finding(
                code="notebook.not_reached",
                message=say(
                    "{count} cells were not reached, from cell {cell} on.", count=len(waiting), cell=waiting[0]
                ),
                cell=waiting[0],
            )
        )
    return failed(*findings)


def _trouble(run: CellRun) -> Finding:
    fault = run.fault
    words = {
        CellStatus.RAISED: "Cell {cell} raised an error.",
        CellStatus.TIMED_OUT: "Cell {cell} did not end in the time it had ({seconds} s) and was stopped.",
        CellStatus.DIED: "The kernel died in cell {cell}.",
    }
    return Finding(
        code=f"notebook.{run.status}",
        message=say(words[run.status], cell=run.index, seconds=round(run.seconds)),
        expected="the cell runs to its end in a fresh kernel",
        actual=brief(fault.message) if fault else None,
        hint=say("Restart the kernel, run all cells from the top, and mend or remove what fails."),
        cell=run.index,
        line=fault.line if fault else None,
    )


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
        hint="Guard every `with writer.as_default():` by `if writer is not None:`.",
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
        hint="Keep the denominator itself away from 0, for example with the epsilon under the root: tf.sqrt(variance + eps).",
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
            hint="Before handing in: restart the kernel and run all cells.",
        )


def damaged_files(case: Case, assignment: Assignment) -> Iterator[Finding]:
    """Event files that could not be read to their end."""
    for where, runs_by_name in (("handed in", case.submitted_runs), ("written by the re-run", case.runs)):
        for run in runs_by_name.values():
            for file in run.files:
                if file.state in (FileState.DAMAGED, FileState.REFUSED, FileState.TRUNCATED):
                    yield _damaged(file, where, run.name)


def _damaged(file: LogFile, where: str, run: str) -> Finding:
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


REMARKS = (
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
