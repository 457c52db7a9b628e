"""This homework, and only here: what is wanted, what is asked, what is checked. The table below is the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.contract import Check, Homework, failed
from grader.homework import batch_norm, conclusions, fit_generator, fit_gradients, fit_validation, notebook, raw, relu
from grader.homework.exhibit import band_points, exhibit, summarise
from grader.homework.questions import draw, share_of_data
from grader.homework.wanted import NAMES
from grader.records import Case, Finding, Verdict, say

_CHECKS: Mapping[str, Check] = {
    "notebook.runs": notebook.runs,
    "fit.patched": fit_generator.patched,
    "fit.gradient_histograms": fit_gradients.gradient_histograms,
    "fit.validation_scalars": fit_validation.validation_scalars,
    "fit.training_preserved": fit_generator.training_preserved,
    "relu.runs": relu.runs,
    "relu.conclusion": conclusions.relu,
    "bn.flawed_run": batch_norm.flawed_run,
    "bn.normalises": batch_norm.normalises,
    "bn.affine": batch_norm.affine,
    "bn.summaries": batch_norm.summaries,
    "bn.fixed_run": batch_norm.fixed_run,
    "bn.conclusion": conclusions.batch_norm,
    "raw.preprocess": raw.preprocess,
    "raw.run": raw.run,
    "raw.conclusion": conclusions.raw,
}


_NOT_STARTED = Finding(
    code="notebook.not_started",
    message=say("Not started: the notebook is still the template, and this was given with it."),
    hint=say("Begin with part 1; everything that you write is graded part by part."),
)


def _unless_begun(case: Case) -> Verdict | None:
    """An untouched template earns nothing, also not for what it was given with."""
    return failed(_NOT_STARTED) if conclusions.is_not_begun(case) else None


def _experiments(notebook: str) -> float:
    """Each experiment takes about as long as any other; all else takes no time."""
    return notebook.count(".fit_generator(")


HOMEWORK = Homework(
    names=NAMES,
    thresholds=frozenset({"largest_epsilon"}),
    probes=Path(__file__).parent / "probes",
    draw=draw,
    share_of_data=share_of_data,
    effort=_experiments,
    gate=_unless_begun,
    checks=_CHECKS,
    remarks=notebook.REMARKS,
    summarise=summarise,
    exhibit=exhibit,
    band_points=band_points,
)
