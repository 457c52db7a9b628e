"""What the checks of several parts ask of a case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from grader.assignment import Assignment
from grader.contract import blocked, failed, undecided
from grader.homework import where
from grader.homework.wanted import NAMES, WANTED
from grader.records import (
    Case,
    Cell,
    CellKind,
    CellStatus,
    Definition,
    Evidence,
    Fault,
    FaultKind,
    Finding,
    Message,
    Run,
    Verdict,
    say,
)
from grader.stages.extraction import extract

_LOGDIR = re.compile(r"logs[/\\]+([\w-]+)")


def runs_named(cell: Cell) -> list[str]:
    """The runs whose folders a cell of code names, in order; none of a text."""
    return list(_logdirs(cell.source)) if cell.kind is CellKind.CODE else []


@lru_cache(maxsize=256)
def _logdirs(source: str) -> tuple[str, ...]:
    """Many checks ask the same cells."""
    return tuple(_LOGDIR.findall(source))


def trains(cell: Cell) -> bool:
    """Whether a cell of code makes a writer or trains: one that only looks at logs does neither."""
    return cell.kind is CellKind.CODE and ("create_file_writer" in cell.source or "fit_generator" in cell.source)


def evidence_for(case: Case, probe: str) -> Evidence | None:
    return case.evidence.get(probe)


def probe_fault(evidence: Evidence, step: str, case: Case) -> Finding | None:
    """What went wrong in a step of a probe, as a finding; the fault of the whole probe counts for every step."""
    fault = evidence.faults.get("") or evidence.faults.get(step)
    return fault_finding(fault, evidence.question.definition, case) if fault else None


_NODE = re.compile(r"\{\{function_node[^}]*\}\}\s*")
_LONGEST = 200


def brief(message: str) -> str:
    """An error's first line without TensorFlow's inner names and the arrays it prints, at most 200 characters."""
    first = next((line for line in _NODE.sub("", message).splitlines() if line.strip()), "").strip()
    return first if len(first) <= _LONGEST else first[:_LONGEST].rsplit(" ", 1)[0] + " …"


def words_of(fault: Fault) -> Message | str:
    """A fault in words: the error's own as Python said them, or our sentence."""
    return brief(fault.message) if fault.kind is FaultKind.RAISED else say(fault.message)


def unlike_notebook(case: Case, evidence: Evidence, run: str | None, *steps: str) -> Verdict | None:
    """Undecided, when a definition fails in a probe although the notebook itself gets through with it, in this run or in
    any: it needs something that the notebook has and the probe has not, and nobody may be failed for that."""
    fault = next((found for step in ("", *steps) if (found := evidence.faults.get(step))), None)
    if fault is None:
        return None
    ended = case.runs.keys() - broken_off(case)
    if not (run in ended if run else ended):
        return None
    if _raised_in_notebook(fault, case):
        return undecided(
            "probe.fails_on_some",
            "{name} gets through with some of the experiments, and raises an error with others, as with the small example it was "
            "tried out on ({reason}). What it does right a person has to tell.",
            name=evidence.question.definition.wanted,
            reason=words_of(fault),
        )
    return undecided(
        "probe.state_needed",
        "{name} works in the notebook, but not on the small example it was tried out on ({reason}): it seems to need "
        "something of the notebook. A person has to look.",
        name=evidence.question.definition.wanted,
        reason=words_of(fault),
    )


def _raised_in_notebook(fault: Fault, case: Case) -> bool:
    """Whether a cell that trains met the same error: then it needs nothing of the notebook. Shapes may differ; of an error
    without words, such as `KeyError: 3`, nobody knows."""
    training = {cell.index for cell in case.submission.cells if trains(cell)}
    faults = (run.fault.message for run in case.execution.cells if run.fault is not None and run.index in training)
    gist = _gist(fault.message)
    worded = bool(gist.partition(":")[2].strip())
    return fault.kind is FaultKind.RAISED and worded and any(_gist(message) == gist for message in faults)


def _gist(message: str) -> str:
    """An error's kind, and its words up to the first number or shape."""
    return re.split(r"[\d\[({]", brief(message), maxsplit=1)[0]


def fault_finding(fault: Fault, definition: Definition, case: Case) -> Finding:
    place = where.in_definition(fault, definition, case)
    if fault.kind is FaultKind.RAISED:
        message = say("{name} raised an error when it was tried out on a small input.", name=definition.wanted)
        advice = say(
            "Read the error, and check that the function uses only its arguments and what the notebook defines."
        )
    else:
        message = say("{name} did not come to an end when it was tried out on a small input.", name=definition.wanted)
        advice = say("Look for a loop that never ends, or for something that grows without bounds.")
    return Finding(
        code=f"probe.{fault.kind}",
        message=message,
        actual=words_of(fault),
        hint=advice,
        cell=place.cell,
        line=place.line,
    )


def missing(case: Case, wanted: str) -> Finding:
    """The finding for a definition that is not there, or cannot be found."""
    fault = case.extraction_faults.get(wanted)
    return Finding(
        code="definition.missing",
        message=say("The notebook has no definition of {name} that could be found.", name=wanted),
        actual=say("No definition of {name} was found.", name=wanted) if fault else None,
        hint=say("Keep the name that the task gives, and define it in a code cell."),
    )


def not_found(case: Case, wanted: str, blocks: str | None = None) -> Verdict:
    """The verdict where there is no definition to try out: failed, or blocked by the criterion that fails for it. One that
    was seen at work in the notebook and could not be cut out of it is our fault, and nobody's loss."""
    if _was_at_work(case, wanted):
        return undecided(
            "definition.not_cut_out",
            "{name} was seen at work in the notebook, but its definition could not be cut out of it and tried out. A person "
            "has to look.",
            name=wanted,
        )
    finding = missing(case, wanted)
    return blocked(blocks, finding) if blocks else failed(finding)


def _was_at_work(case: Case, wanted: str) -> bool:
    """Whether the run shows that the notebook has a definition of its own: as a method, a layer, or in a sequence."""
    patch, models = case.execution.patch, case.execution.models
    if patch is not None and patch.is_function and patch.module == "__main__" and wanted == "fit_generator":
        return True
    layers = (layer for model in models for layer in model.layers)
    feeds = (feed for model in models for feed in model.sequences)
    if wanted == "preprocess":  # it may have any name
        return any(feed.preprocess is not None for feed in feeds)
    return any(layer.is_a(wanted) for layer in layers)


def logged_experiments(case: Case, assignment: Assignment) -> Mapping[str, Run]:
    """The runs of the brief that wrote at least one value, each with what stands in folders below its own: Keras's callback
    writes to `train` and `validation` there."""
    found = {experiment.run: _with_parts(experiment.run, case.runs) for experiment in assignment.experiments}
    return {name: run for name, run in found.items() if run.scalars or run.histograms}


def _with_parts(name: str, runs: Mapping[str, Run]) -> Run:
    """A run and its subfolders as one; a tag that the run has itself begins with the subfolder there."""
    whole = runs.get(name, Run(name=name, scalars=(), histograms=(), files=()))
    for other in sorted(run for run in runs if run.startswith(name + "/")):
        part, below = runs[other], other.removeprefix(name + "/")
        taken = {s.tag for s in whole.scalars} | {h.tag for h in whole.histograms}
        named = {tag: f"{below}/{tag}" for tag in taken}
        whole = replace(
            whole,
            scalars=(*whole.scalars, *(replace(s, tag=named.get(s.tag, s.tag)) for s in part.scalars)),
            histograms=(*whole.histograms, *(replace(h, tag=named.get(h.tag, h.tag)) for h in part.histograms)),
            files=(*whole.files, *part.files),
        )
    return whole


def broken_off(case: Case) -> frozenset[str]:
    """The runs that are named in a cell that makes a writer or trains, and did not come to its end."""
    statuses = {run.index: run.status for run in case.execution.cells}
    ends = (CellStatus.OK, CellStatus.NOT_RUN)
    return frozenset(
        name
        for cell in case.submission.cells
        if trains(cell) and statuses.get(cell.index, CellStatus.OK) not in ends
        for name in runs_named(cell)
    )


def finished_experiments(case: Case, assignment: Assignment) -> Mapping[str, Run]:
    """The logged experiments that came to their end, if any did: one that broke off says nothing of what it would log."""
    logged, broken = logged_experiments(case, assignment), broken_off(case)
    return {name: run for name, run in logged.items() if name not in broken} or logged


@lru_cache(maxsize=2)
def given_definitions(template: tuple[Cell, ...]) -> Mapping[str, Definition]:
    """What the template already defines, to tell given code from the student's."""
    return extract(template, NAMES).definitions


def is_untouched(case: Case, wanted: str) -> bool:
    """Whether a definition is the template's, letter for letter apart from comments."""
    given, own = given_definitions(case.template).get(wanted), case.definitions.get(wanted)
    return given is not None and own is not None and own.normal == given.normal


def is_blank(case: Case) -> bool:
    """Whether nothing that the student had to write is there: every definition is missing or still the template's."""
    return all(w.name not in case.definitions or is_untouched(case, w.name) for w in WANTED)
