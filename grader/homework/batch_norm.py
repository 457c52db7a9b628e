"""Part 3: the spoiled batch norm, and its repair."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grader.assignment import Assignment
from grader.contract import blocked, failed, partial, passed, undecided
from grader.homework import not_installed
from grader.homework.common import (
    evidence_for,
    is_untouched,
    logged_experiments,
    not_found,
    probe_fault,
    unlike_notebook,
)
from grader.homework.experiments import (
    Comparison,
    compare,
    compare_with_reference,
    has_reference,
    is_shared,
    is_unseen,
    needs_training,
    not_better,
    problems,
    spoils,
    too_short,
)
from grader.homework.roles import roles_of
from grader.homework.series import close, is_histogram_of
from grader.language import listed, noted
from grader.records import Case, Evidence, Finding, Floats, Histograms, Message, Run, Severity, Status, Verdict, say

WANTED = "BatchNormFixed"
FLAWED, FIXED, PLAIN = "relu_bn", "relu_bn_fixed", "relu"
_SUMMARIES = ("beta", "gamma", "normed", "out", "sigma", "mu")
_ABOUT = 0.05  # of the largest value: n or n - 1 of eleven rows or more is 5 % of the deviation
_ROUNDING = 1e-6  # of float64 results; a layer that casts to float32 on the way keeps this too for values near 1


@not_installed.excuses_runs
@needs_training(FLAWED)
def flawed_run(case: Case, assignment: Assignment) -> Verdict:
    """relu_bn was run with the untouched BatchNormFlawed, and its loss is NaN."""
    found = problems(case, assignment, FLAWED)
    if found:
        return failed(*found)
    run = logged_experiments(case, assignment)[FLAWED]
    if _has_nan_loss(case, run):
        return passed()
    return failed(
        Finding(
            code="bn.flawed_is_finite",
            message=say("The loss of {run} is not NaN: the layer of this run is not the flawed one.", run=FLAWED),
            expected=say("NaN from the first steps"),
            actual=say("a finite loss, or none logged"),
            hint=say("Leave BatchNormFlawed as the course gives it; the repair belongs in BatchNormFixed."),
            run=FLAWED,
        )
    )


def _has_nan_loss(case: Case, run: Run) -> bool:
    roles = roles_of(case, run)
    losses = [series for series in run.scalars if roles.get(series.tag, "").endswith("loss")]
    if losses:
        return any(bool(np.isnan(series.values).any()) for series in losses)
    return any(bool(np.isnan(b[:, :2]).any()) for h in run.histograms for b in h.buckets if len(b))


# --- the layer ------------------------------------------------------------------------------------------------------


@not_installed.excuses
def normalises(case: Case, assignment: Assignment) -> Verdict:
    """BatchNormFixed gives mean 0 and standard deviation 1 per feature, and stays finite on constant features."""
    if WANTED not in case.definitions:
        return not_found(case, WANTED)
    evidence = evidence_for(case, "batch_norm")
    if evidence is None:
        return undecided("bn.not_probed", "BatchNormFixed was found but could not be tried out.")
    unlike = unlike_notebook(case, evidence, FIXED, "ordinary")
    if unlike is not None:
        return unlike
    largest = math.inf if assignment.is_students else assignment.thresholds["largest_epsilon"]
    findings = [
        f for case_name in ("ordinary", "wide", "narrow") if (f := _off_formula(evidence, case_name, largest, case))
    ][:1]
    findings = findings or _keeps_something(evidence, case)
    findings += [f for case_name in ("constant", "single") if (f := _not_finite_on(evidence, case_name, case))][:1]
    findings = findings or _off_beside_constants(evidence, largest, case)
    if findings and is_untouched(case, WANTED):
        findings = [_untouched(case), *findings]
    return failed(*findings) if findings else passed()


def _untouched(case: Case) -> Finding:
    return Finding(
        code="bn.untouched",
        message=say("BatchNormFixed still does what BatchNormFlawed does: the error is not repaired yet."),
        hint=say("Ask what (x - mu) / sigma gives for a feature that has the same value in the whole batch."),
        cell=case.definitions[WANTED].cell,
        line=case.definitions[WANTED].line,
    )


def _off_formula(evidence: Evidence, name: str, largest: float, case: Case) -> Finding | None:
    """The difference from (x - mean) / std that no small epsilon explains, if there is one."""
    fault = probe_fault(evidence, name, case)
    if fault is not None:
        return fault
    x = evidence.question.arrays[f"{name}_x"].astype(np.float64)
    out = _answer(evidence, f"{name}_plain")
    if out is None or out.shape != x.shape:
        shape = say("nothing") if out is None else say("shape {shape}", shape=str(out.shape))
        return _wrong(case, say("The output of BatchNormFixed has another shape than its input."), f"{x.shape}", shape)
    if _is_normalised(out, x, largest) or _is_normalised_beside_affine(evidence, name, x, largest):
        return None
    message = say("On an ordinary batch the output of BatchNormFixed is not normalised feature by feature.")
    means = say(
        "means up to {mean:.3g}, deviations {low:.3g} to {high:.3g}",
        mean=float(np.abs(out.mean(axis=0)).max()),
        low=float(out.std(axis=0).min()),
        high=float(out.std(axis=0).max()),
    )
    return _wrong(case, message, say("mean 0 and standard deviation 1 in each column"), means)


def _off_beside_constants(evidence: Evidence, largest: float, case: Case) -> list[Finding]:
    """The finding for a layer that lets constant features spoil the others."""
    x = evidence.question.arrays["constant_x"].astype(np.float64)
    out, varying = _answer(evidence, "constant_plain"), x.std(axis=0) > 0
    if out is None or out.shape != x.shape or _is_normalised(out[:, varying], x[:, varying], largest):
        return []
    if _is_normalised_beside_affine(evidence, "constant", x, largest, varying):
        return []
    message = say("In a batch with constant features BatchNormFixed does not normalise the other features either.")
    low, high = (float(f(out[:, varying].std(axis=0))) for f in (np.min, np.max))
    found = say("deviations {low:.3g} to {high:.3g}", low=low, high=high)
    return [_wrong(case, message, say("standard deviation 1 in each column that varies"), found, _EACH_BY_ITSELF)]


def _keeps_something(evidence: Evidence, case: Case) -> list[Finding]:
    """The finding for a layer that gives another output for a batch when it was fed another one before."""
    alone, after = (_answer(evidence, name) for name in ("wide_plain", "again_plain"))
    if alone is None or after is None or (alone.shape == after.shape and close(after, alone, 1e-6, 1.0)):
        return []
    message = say(
        "BatchNormFixed normalises the first batch that it gets, but not the next one: it keeps something of the first."
    )
    off = (
        say("off by up to {distance:.3g}", distance=float(np.abs(after - alone).max()))
        if after.shape == alone.shape
        else say("shape {shape}", shape=str(after.shape))
    )
    return [_wrong(case, message, say("the same output as of a new layer"), off, _ANEW)]


def _is_normalised(out: Floats, x: Floats, largest: float) -> bool:
    """Whether values are (x - mean) / std by column, apart from an epsilon of at most `largest` beside or below the root."""
    sigma = x.std(axis=0)
    exact = (x - x.mean(axis=0)) / sigma
    ratio = np.sqrt((out**2).mean(axis=0))
    smallest = np.minimum(sigma / (sigma + largest), sigma / np.sqrt(sigma**2 + largest)) - _ROUNDING
    shaped = bool(np.abs(out - exact * ratio).max(initial=0.0) <= 1e-5)
    return shaped and bool(np.all(ratio >= smallest)) and bool(np.all(ratio <= 1 + 1e-5))


def _is_normalised_beside_affine(
    evidence: Evidence, name: str, x: Floats, largest: float, columns: NDArray[np.bool_] | slice = slice(None)
) -> bool:
    """The same of a layer that uses gamma and beta wrongly, in each other's place or not at all: that is bn.affine's."""
    out = _answer(evidence, f"{name}_affine")
    if out is None or out.shape != x.shape:
        return False
    gamma, beta = (float(evidence.question.arrays[key]) for key in ("gamma", "beta"))
    pairs = ((scale, shift) for scale in (1.0, gamma, beta) for shift in (0.0, gamma, beta))
    return any(_is_normalised((out[:, columns] - shift) / scale, x[:, columns], largest) for scale, shift in pairs)


_ALL_THAT_IS_MISSING = say(
    "Mean and deviation are taken over the batch (axis 0); a small epsilon in the denominator is all that is missing."
)
_EACH_BY_ITSELF = say(
    "Keep the denominator away from 0 for each feature by itself, for example with a small epsilon: the other features are "
    "divided by their own deviation as ever."
)
_ANEW = say("Compute mean and deviation anew in each call, from the batch alone, and keep nothing of them in self.")


def _wrong(
    case: Case, message: Message, expected: Message | str, actual: Message, advice: Message = _ALL_THAT_IS_MISSING
) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="bn.wrong_formula",
        message=message,
        expected=expected,
        actual=actual,
        hint=advice,
        cell=definition.cell,
        line=definition.line,
    )


def _not_finite_on(evidence: Evidence, name: str, case: Case) -> Finding | None:
    fault = probe_fault(evidence, name, case)
    if fault is not None:
        return fault
    what = {
        "plain": say("the output"),
        "dgamma": say("the gradient for gamma"),
        "dbeta": say("the gradient for beta"),
    }
    answers = {key: _answer(evidence, f"{name}_{key}") for key in what}
    broken = [what[key] for key, value in answers.items() if value is not None and not np.isfinite(value).all()]
    if not broken:
        return None
    kind = say("features that are constant in the batch" if name == "constant" else "a batch of a single row")
    definition = case.definitions[WANTED]
    return Finding(
        code="bn.not_finite",
        message=say("With {kind}, {what} of BatchNormFixed is NaN or infinite.", kind=kind, what=broken[0]),
        expected=say("finite values"),
        actual=say("NaN or infinity"),
        hint=say(
            "A constant feature has the standard deviation 0. Keep the denominator away from 0 with a small epsilon."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _answer(evidence: Evidence, name: str) -> Floats | None:
    value = evidence.arrays.get(name)
    return None if value is None else value.astype(np.float64)


@not_installed.excuses
def affine(case: Case, assignment: Assignment) -> Verdict:
    """Gamma still scales and beta still shifts the normalised values, and both still get gradients."""
    evidence, verdict = _ready(case, "ordinary")
    if evidence is None:
        return verdict
    fault = probe_fault(evidence, "ordinary", case)
    if fault is not None:
        return failed(fault)
    plain, out = _answer(evidence, "ordinary_plain"), _answer(evidence, "ordinary_affine")
    if plain is None or out is None:
        return undecided("bn.no_answer", "The probe of BatchNormFixed gave no output.")
    gamma, beta = (float(evidence.question.arrays[name]) for name in ("gamma", "beta"))
    weights = evidence.question.arrays["ordinary_weights"].astype(np.float64)
    expected_gradients = {
        "dgamma": (weights * plain).sum() if plain.shape == weights.shape else np.nan,
        "dbeta": weights.sum(),
    }
    left_out = [name for name, given in zip(("gamma", "beta"), trainable_of(evidence), strict=True) if not given]
    broken = [say("get_trainable leaves out {names}", names=", ".join(left_out))] if left_out else []
    broken += [] if close(out, plain * gamma + beta, 1e-4, 1.0) else [say("the output does not follow gamma and beta")]
    for name, value in expected_gradients.items():
        answer = _answer(evidence, f"ordinary_{name}")
        if answer is None:
            broken.append(say("no gradient for {name}", name=name[1:]))
        elif not close(np.asarray(answer.sum()), np.asarray(value), 1e-3, float(np.abs(weights).sum()) * 0.01):
            broken.append(say("another gradient for {name}", name=name[1:]))
    return partial(1.0) if not broken else failed(_affine_finding(broken, case))


def trainable_of(evidence: Evidence) -> tuple[bool, bool]:
    """Whether the layer gives gamma, and beta, to be trained; taken to be so where the probe does not tell."""
    told = evidence.arrays.get("trainable")
    return (bool(told[0]), bool(told[1])) if told is not None and told.shape == (2,) else (True, True)


def _affine_finding(broken: list[Message], case: Case) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="bn.affine_lost",
        message=say("Gamma and beta no longer act on the normalised values as they should."),
        expected=say("output = normalised * gamma + beta, with gradients for both"),
        actual=listed(broken, "; "),
        hint=say(
            "Keep the line that multiplies by self._gamma and adds self._beta, and let the tape see both variables."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _ready(case: Case, step: str) -> tuple[Evidence | None, Verdict]:
    if WANTED not in case.definitions:
        return None, not_found(case, WANTED, "bn.normalises")
    evidence = evidence_for(case, "batch_norm")
    if evidence is None:
        return None, undecided("bn.not_probed", "BatchNormFixed was found but could not be tried out.")
    unlike = unlike_notebook(case, evidence, FIXED, step)
    return (None, unlike) if unlike is not None else (evidence, passed())


@not_installed.excuses
def summaries(case: Case, assignment: Assignment) -> Verdict:
    """The six histograms of the layer are still written."""
    evidence, verdict = _ready(case, "summaries")
    if evidence is None:
        return verdict
    fault = probe_fault(evidence, "summaries", case)
    if fault is not None:
        return failed(fault)
    run = next((run for run in evidence.runs if run.name == "summaries"), None)
    layer = str(evidence.question.settings["layer"])
    lacking = [name for name in _SUMMARIES if run is None or run.histogram(f"{layer}_{name}") is None]
    right = normalises(case, assignment).share == affine(case, assignment).share == 1.0
    wrong = [] if run is None else _wrong_summaries(run, layer, evidence, right=right)
    if not lacking and not wrong:
        return passed()
    return partial(1.0 - (len(lacking) + len(wrong)) / len(_SUMMARIES), _summaries_finding(lacking, wrong, case))


def _wrong_summaries(run: Run, layer: str, evidence: Evidence, *, right: bool) -> list[str]:
    """Histograms that are there but hold something else than what their names say. Of a layer that is not `right`, only
    those that its own output, gamma and beta can be held against."""
    asked = evidence.question.arrays
    exact = {"beta": asked["beta"], "gamma": asked["gamma"], "out": evidence.arrays.get("log_out")}
    x = asked["log_x"].astype(np.float64)
    mu, sigma = x.mean(axis=0), x.std(axis=0)
    about = {"mu": mu, "sigma": sigma, "normed": (x - mu) / sigma} if right else {}
    wrong = {name for name, value in exact.items() if not _any(run.histogram(f"{layer}_{name}"), value, _holds)}
    wrong |= {name for name, value in about.items() if not _any(run.histogram(f"{layer}_{name}"), value, _spans)}
    return [name for name in _SUMMARIES if name in wrong]


def _any(series: Histograms | None, value: NDArray[np.generic] | None, fits: Callable[[Floats, Floats], bool]) -> bool:
    """Whether one of the points fits a value; also where there is nothing to hold one against the other."""
    if series is None or value is None or not np.isfinite(value).all():
        return True
    return any(fits(buckets, value.astype(np.float64)) for buckets in series.buckets)


def _holds(buckets: Floats, values: Floats) -> bool:
    return is_histogram_of(buckets, values, 1e-4)


def _spans(buckets: Floats, values: Floats) -> bool:
    """Whether a histogram has about the range of these values: an epsilon, or another divisor than n, is no mistake."""
    scale = float(np.abs(values).max())
    edges = np.array([buckets[0, 0], buckets[-1, 1]]) if len(buckets) else np.full(2, np.nan)
    return bool(np.all(np.abs(edges - [values.min(), values.max()]) <= _ABOUT * scale))


def _summaries_finding(lacking: list[str], wrong: list[str], case: Case) -> Finding:
    definition = case.definitions[WANTED]
    parts = [say("missing: {names}", names=", ".join(lacking))] if lacking else []
    parts += [say("other values: {tags}", tags=", ".join(wrong))] if wrong else []
    message = (
        say("BatchNormFixed does not write all of the histograms that the given layer writes, under the layer's name.")
        if lacking
        else say(
            "Histograms of BatchNormFixed hold other values than their names say: {names}.", names=", ".join(wrong)
        )
    )
    return Finding(
        code="bn.summaries_lost",
        message=message,
        expected=say("{tags}, where NAME is self.name", tags="NAME_" + ", NAME_".join(_SUMMARIES)),
        actual=listed(parts, "; "),
        hint=say(
            "Keep the block `if writer is not None:` of the given __call__ as it is: each tag begins with self.name."
        ),
        cell=definition.cell,
        line=definition.line,
    )


# --- the run --------------------------------------------------------------------------------------------------------


@not_installed.excuses_runs
@needs_training(FIXED)
def fixed_run(case: Case, assignment: Assignment) -> Verdict:
    """relu_bn_fixed was run with BatchNormFixed and Dense, stays finite, and learns better than relu."""
    found = problems(case, assignment, FIXED)
    if found:
        return failed(*found)
    bad = spoils(case, assignment, FIXED)
    if bad:
        return failed(bad)
    unlike = (
        problems(case, assignment, PLAIN)
        or too_short(case, assignment, PLAIN)
        or is_shared(case, assignment, PLAIN)
        or is_unseen(case, assignment, PLAIN)
    )
    comparison = (compare_with_reference if unlike else compare)(case, assignment, FIXED, PLAIN)
    if comparison is None and unlike and not has_reference(case, PLAIN):
        return undecided("bn.nothing_to_compare", _NOTHING_TO_COMPARE)
    if comparison is None and PLAIN not in case.runs:
        return blocked("relu.runs")
    if comparison is not None and comparison.gain > 0:
        return passed()
    return _not_lower(case, assignment, comparison)


def _not_lower(case: Case, assignment: Assignment, comparison: Comparison | None) -> Verdict:
    """The verdict on a run that ends no better: by chance, where the layer is right and reference seeds do so too."""
    if not _layer_is_wrong(case, assignment):
        if comparison is not None and comparison.as_usual:
            return passed(_overlap(comparison.gain))
        if assignment.is_students:
            return undecided("bn.no_reference", _NO_REFERENCE)
    return failed(not_better(case, FIXED, PLAIN, comparison))


_NOTHING_TO_COMPARE = noted(
    "The run relu of this notebook is not one to compare with, and no runs of the reference with this profile and these data "
    "are there to take its place: `grader reference build` makes them."
)
_NO_REFERENCE = noted(
    "The loss of relu_bn_fixed does not end lower than that of relu. On so few steps that may be chance: it is compared with "
    "the reference's runs, which this copy for students does not have."
)


def _layer_is_wrong(case: Case, assignment: Assignment) -> bool:
    return normalises(case, assignment).status is Status.FAILED


def _overlap(gain: float) -> Finding:
    return Finding(
        code="bn.curves_overlap",
        severity=Severity.INFO,
        message=say(
            "On so few steps the curves of relu and relu_bn_fixed overlap between seeds; the layer itself was found to be right."
        ),
        actual=say("the loss ends {gain:+.3g} lower", gain=gain),
        run=FIXED,
    )
