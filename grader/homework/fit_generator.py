"""Part 1: the improved `fit_generator`: is it in its place, and does it train as the course's method does."""

from __future__ import annotations

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, partial, passed, undecided
from grader.homework import not_installed
from grader.homework.common import (
    broken_off,
    evidence_for,
    is_untouched,
    logged_experiments,
    not_found,
    probe_fault,
    unlike_notebook,
)
from grader.homework.experiments import asks_for, model_of, trained_epochs
from grader.homework.questions import task_of
from grader.homework.series import first_bad_step, is_nan
from grader.homework.traced import TRAINED, distance, scenarios_of, seen_otherwise
from grader.homework.variables import gradient_places, library_places
from grader.language import counted, listed
from grader.records import Case, Evidence, Finding, Message, Verdict, say

WANTED = "fit_generator"


@not_installed.excuses_runs
def patched(case: Case, assignment: Assignment) -> Verdict:
    """After the run, Sequential.fit_generator is the function that the notebook defines."""
    patch = case.execution.patch
    if patch is not None and patch.is_function and patch.module == "__main__":
        return passed()
    if patch is not None and patch.is_function and patch.module != assignment.library_file.stem:
        return undecided(
            "fit.patched_elsewhere",
            "Sequential.fit_generator is a function of the module {module}, which stands in no cell. A person has to look.",
            module=patch.module,
        )
    definition = case.definitions.get(WANTED)
    return failed(
        Finding(
            code="fit.not_patched",
            message=say(
                "You have written the function, but when the notebook had run, the class Sequential did not have it."
                if definition and not is_untouched(case, WANTED)
                else "When the notebook had run, Sequential.fit_generator was still the course library's own method."
            ),
            expected=say("Sequential.fit_generator is a function defined in the notebook"),
            actual=say("the method of the course library" if patch else "unknown: the notebook did not get that far"),
            hint=say(
                "Assign your function to the class in a cell of its own, and leave it there: Sequential.fit_generator = "
                "fit_generator. A call by name, a class of your own or a single instance is not what the task asks for."
            ),
            cell=definition.cell if definition else None,
            line=definition.line if definition else None,
        )
    )


# --- training -------------------------------------------------------------------------------------------------------


def ready(case: Case) -> tuple[Evidence | None, Verdict]:
    """The probe's evidence, or the verdict when there is none to judge."""
    if WANTED not in case.definitions:
        return None, not_found(case, WANTED, "fit.patched")
    if is_untouched(case, WANTED):
        return None, failed(_untouched(case))
    evidence = evidence_for(case, "fit_generator")
    if evidence is None:
        return None, undecided("fit.not_probed", "The function was found but could not be tried out on a small model.")
    unlike, fault = unlike_notebook(case, evidence, None, "main"), probe_fault(evidence, "main", case)
    if unlike is not None:
        return None, unlike
    if fault is not None and not evidence.runs:
        return None, failed(fault)
    return evidence, passed()


def _untouched(case: Case) -> Finding:
    return Finding(
        code="fit.untouched",
        message=say("fit_generator is still the template's: nothing has been added to it yet."),
        hint=say("Work in the cell that defines fit_generator: its comments say what is to be written there."),
        cell=case.definitions[WANTED].cell,
    )


@not_installed.excuses
def training_preserved(case: Case, assignment: Assignment) -> Verdict:
    """Training does exactly what the course's method does: the same updates, and nothing learned from validation."""
    evidence, verdict = ready(case)
    if evidence is None:
        return verdict
    for name in scenarios_of(evidence):
        unlike, fault = unlike_notebook(case, evidence, None, name), probe_fault(evidence, name, case)
        if unlike is not None:
            return unlike
        if fault is not None:
            return failed(fault)
        way = distance(evidence, name)
        if way is None:
            return undecided("fit.no_weights", "The weights after training could not be read back.")
        if way > TRAINED:
            return failed(_training_differs(way, name, evidence, case))
    early, skips = _ends_early(case, assignment), _skips_updates(case, assignment)
    return failed(early) if early is not None else partial(0.5, skips) if skips is not None else passed()


def _skips_updates(case: Case, assignment: Assignment) -> Finding | None:
    """The finding for a run whose weights are finite after a gradient was not: the course's method spoils them with it."""
    definition = case.definitions[WANTED]
    for name, run in logged_experiments(case, assignment).items():
        library, gradients = library_places(model_of(case, name)), gradient_places(case, run)
        kernels = [h for h in run.histograms if h.tag in library and library[h.tag].what == "kernel"]
        bad = [step for h in run.histograms if h.tag in gradients and (step := first_bad_step(h)) is not None]
        after = [b for h in kernels for step, b in zip(h.steps, h.buckets, strict=True) if bad and step > min(bad)]
        if after and not any(map(is_nan, after)):
            return Finding(
                code="fit.skips_updates",
                message=say(
                    "In the run {run} gradients are NaN or infinite, and the weights after that are not.", run=name
                ),
                expected=say("an update with every gradient, as it is"),
                actual=say("no update, or one with other gradients, from step {step} on", step=min(bad)),
                hint=say(
                    "Leave the update as in the course's method: what NaN does to the weights is what this run shows."
                ),
                cell=definition.cell,
                line=definition.line,
                run=name,
            )
    return None


def _ends_early(case: Case, assignment: Assignment) -> Finding | None:
    """The finding for a run that asked for all epochs and came to its end long before: the probe may not have met the
    condition. Who counts from 0, or tells of every second epoch, is one short of them at most."""
    broken = broken_off(case)
    for name in (run for run in logged_experiments(case, assignment) if run not in broken):
        trained = trained_epochs(case, assignment, name)
        if trained is not None and trained < assignment.epochs - 1 and asks_for(case, name, assignment.epochs):
            definition = case.definitions[WANTED]
            return Finding(
                code="fit.ends_early",
                message=say(
                    "The run {run} asked for {n} epochs, and fit_generator ended before.", run=name, n=assignment.epochs
                ),
                expected=counted("{n} epoch", "{n} epochs", assignment.epochs),
                actual=counted("{n} epoch", "{n} epochs", trained),
                hint=say(
                    "Take out what ends the loop over epochs early: the course's method trains all that it is asked for."
                ),
                cell=definition.cell,
                line=definition.line,
                run=name,
            )
    return None


def _training_differs(way: float, name: str, evidence: Evidence, case: Case) -> Finding:
    task = task_of(evidence, name)
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.training_differs",
        message=counted(
            "A small model trained with your function for {n} epoch ends with other weights than with the course's method.",
            "A small model trained with your function for {n} epochs ends with other weights than with the course's method.",
            task.epochs,
        ),
        expected=say("the same weights, apart from rounding"),
        actual=listed(filter(None, [seen_otherwise(evidence, name), _how_far(way)]), "; "),
        hint=say(
            "Compare with the course's method: one update a batch with the gradients as they are, every batch once, "
            "the optimizer that was passed in, and no update in the validation loop."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _how_far(way: float) -> Message:
    if not np.isfinite(way):
        return say("the weights are not finite")
    if way < 0.01:
        return say("the weights end less than 1 % of their way off, which is more than rounding does")
    if way < 1:
        return say("the weights end {way:.0%} of their way off", way=way)
    return say("the weights end further off than they should have gone")
