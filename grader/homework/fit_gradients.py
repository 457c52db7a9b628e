"""Part 1: gradients, as the event files of a probe and of the re-run show them."""

from __future__ import annotations

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, partial
from grader.homework.batch_norm import trainable_of
from grader.homework.common import evidence_for, finished_experiments
from grader.homework.experiments import model_of
from grader.homework.fit_analysis import LIBRARY_SUFFIXES, Analysis, TagReading, Variable, analyse
from grader.homework.fit_generator import WANTED, ready
from grader.homework.series import is_nan, size
from grader.records import Case, Finding, ModelUse, Run, Verdict, say

_KINDS = {
    "w": "weights of a dense layer",
    "b": "bias of a dense layer",
    "beta": "beta of batch norm",
    "gamma": "gamma of batch norm",
}


def gradient_histograms(case: Case, assignment: Assignment) -> Verdict:
    """In every run, each trainable variable has a histogram series of its own that holds its gradient."""
    evidence, verdict = ready(case)
    if evidence is None:
        return verdict
    analysis = analyse(evidence)
    good = [variable for variable in analysis.variables if analysis.gradient_tag(variable)]
    if not good:
        return failed(_no_gradients(analysis, case))
    lacking = [variable for variable in analysis.variables if variable not in good]
    findings = [_not_found(lacking, analysis, case)] if lacking else []
    runs = finished_experiments(case, assignment)
    short = {name: lack for name, run in runs.items() if (lack := _lacking(run, case, analysis))}
    if not lacking:  # else it is the same mistake once more
        findings += [_short_finding(short, len(runs))] if short else []
    in_runs = 1.0 - len(short) / len(runs) if runs and not lacking else float(bool(runs))
    if not runs:
        findings.append(_no_runs(case))
    return partial(len(good) / len(analysis.variables) * in_runs, *findings)


_SPLIT = (
    "The points of one gradient stand under tags of their own, such as {tag}: that makes many single points, and no series.",
    "Leave the step's number out of the tag: it belongs in step=step.",
)
_OTHER_VALUES = (
    "On a small model that we trained with your function, no histogram held the gradient of a variable.",
    "Write what tape.gradient returned, unchanged, with tf.summary.histogram, in the step in which it was computed.",
)
_NOTHING_WRITTEN = (
    "On a small model that we trained with your function, no histogram of your own reached the event files: "
    "tf.summary.histogram is not called, or it is called outside of `with writer.as_default():`.",
    "After tape.gradient, write each gradient with tf.summary.histogram inside `with writer.as_default():`.",
)
_INSTEAD = {  # what a tag may hold instead of a gradient: (sentence, what was seen, advice)
    "mixed": (
        "The gradients of several variables are written under one tag, {tag}, so they overlay each other.",
        "one tag for several variables",
        "Give each variable a tag of its own, for example with the layer's name and the variable's number in it.",
    ),
    "all_in_one": (
        "The gradients of all variables are written as one histogram, {tag}, so none of them can be told apart.",
        "one histogram of all gradients together",
        "Call tf.summary.histogram once for each variable, with a tag of its own.",
    ),
    "labels": (
        "The histograms {tag} hold gradients, but their step numbers do not grow, so TensorBoard shows one point on top of another.",
        "steps that repeat",
        "Pass the number of the training step: tf.summary.histogram(name, gradient, step=step).",
    ),
    "stale": (
        "The histograms {tag} hold gradients of another step than the one they are labelled with.",
        "gradients of another step",
        "Write the gradients that were computed in this very step, under this step's number.",
    ),
    "mean_gradient": (
        "The histograms {tag} hold gradients divided by the size of the batch, not the gradients that the update uses.",
        "gradient / batch size",
        "Pass what tape.gradient returned to tf.summary.histogram unchanged.",
    ),
    "weights": (
        "The histograms {tag} hold the weights themselves, not their gradients.",
        "values of the variables",
        "Pass what tape.gradient returned to tf.summary.histogram, in the order of the variables.",
    ),
    "clipped": (
        "The histograms {tag} hold gradients that were clipped before they were written.",
        "gradients cut off at {edge}",
        "Write what tape.gradient returned, before anything is done to it: large values are what one looks for.",
    ),
    "absolute": (
        "The histograms {tag} hold absolute values of the gradients: their signs are lost.",
        "absolute values",
        "Pass what tape.gradient returned to tf.summary.histogram unchanged.",
    ),
    "negative": (
        "The histograms {tag} hold the gradients with the opposite sign.",
        "negative gradients",
        "Pass what tape.gradient returned to tf.summary.histogram unchanged.",
    ),
    "change": (
        "The histograms {tag} hold how much the weights changed, not the gradients.",
        "changes of the weights",
        "Pass what tape.gradient returned to tf.summary.histogram: with Adam the change is something else.",
    ),
    "norm": (
        "The histograms {tag} hold one number each, the norm of a gradient, not its values.",
        "norms",
        "Pass the gradient itself: the histogram shows how its values are distributed.",
    ),
    "zeros": (
        "The histograms {tag} hold zeros, not gradients.",
        "zeros",
        "Check that the loss is computed inside the tape and that the gradients are taken for the trainable variables.",
    ),
}


def _no_gradients(analysis: Analysis, case: Case) -> Finding:
    """Why no variable has its gradient logged: what the student's own tags hold instead, as far as it can be told."""
    definition, own, found = case.definitions[WANTED], _own_tags(analysis), _held_instead(analysis)
    single = next((t for t in analysis.tags if t.kind == "gradient" and t.tag in own), None)
    if found is not None:
        template, actual, advice = _INSTEAD[found.kind]
        actual = actual.format(edge=f"{_largest(analysis, found.tag):.3g}")
    elif single is not None:
        (template, advice), actual = _SPLIT, "one point a tag"
    elif own:
        template, actual, advice = (
            _OTHER_VALUES[0],
            "other values: " + ", ".join(dict.fromkeys(_pattern(tag, analysis) for tag in own[:4])),
            _OTHER_VALUES[1],
        )
    else:
        (template, advice), actual = _NOTHING_WRITTEN, "no histogram of your own"
    shown = found or single
    return Finding(
        code="fit.no_gradients",
        message=say(template, tag=_pattern(shown.tag, analysis)) if shown else say(template),
        expected=f"{len(analysis.variables)} histogram series, one for each trainable variable",
        actual=actual,
        hint=say(advice),
        cell=definition.cell,
        line=definition.line,
    )


def _held_instead(analysis: Analysis) -> TagReading | None:
    """The student's own tag that is told to hold something else than a gradient, the plainest mistake first."""
    own = _own_tags(analysis)
    return next((t for kind in _INSTEAD for t in analysis.tags if t.kind == kind and t.tag in own), None)


def _largest(analysis: Analysis, tag: str) -> float:
    series = analysis.run.histogram(tag) if analysis.run else None
    return (
        float(np.abs(series.buckets[-1][:, :2]).max()) if series is not None and len(series.buckets) else float("nan")
    )


def _pattern(tag: str, analysis: Analysis) -> str:
    """A tag of the probe's model as the student would write it: its layers have names that nobody knows."""
    for layer in analysis.task.layers:
        tag = tag.replace(layer.name, "<layer>")
    return tag


def _own_tags(analysis: Analysis) -> list[str]:
    library = {f"{layer.name}_{suffix}" for layer in analysis.task.layers for suffix in LIBRARY_SUFFIXES[layer.kind]}
    return [tag.tag for tag in analysis.tags if tag.tag not in library]


def _not_found(lacking: list[Variable], analysis: Analysis, case: Case) -> Finding:
    """Variables without a series, by what they are: those of the probe's layers have names that nobody knows."""
    kinds = dict.fromkeys(_KINDS[variable.name] for variable in lacking)
    held, found = len(analysis.variables) - len(lacking), _held_instead(analysis)
    return Finding(
        code="fit.variable_without_gradient",
        message=say(
            "Not every variable has a histogram series with its gradient: missing {kinds}.", kinds=", ".join(kinds)
        ),
        expected="a series for w and b of every dense layer, and for beta and gamma of every batch norm",
        actual=f"{held} of {len(analysis.variables)} variables on a small model that we trained with your function",
        hint=say(
            "Go over all of self._trainable_variables (or layer.get_trainable() of every layer), and make the tags differ."
        )
        if found is None
        else say(_INSTEAD[found.kind][0] + " " + _INSTEAD[found.kind][2], tag=_pattern(found.tag, analysis)),
        cell=case.definitions[WANTED].cell,
        line=case.definitions[WANTED].line,
    )


def _lacking(run: Run, case: Case, analysis: Analysis) -> int:
    """How many variables of a run's model have no histogram series that could be their gradient."""
    model = model_of(case, run.name)
    sizes = _variable_sizes(model)
    library = _library_tags(model)
    held = [max((size(b) for b in h.buckets), default=0) for h in run.histograms if h.tag not in library]
    wild = sum(1 for h in run.histograms if h.tag not in library and any(is_nan(b) for b in h.buckets))
    lacking = sum(max(0, sizes.count(s) - held.count(s)) for s in set(sizes))
    others = sum(max(0, held.count(s) - sizes.count(s)) for s in set(held))  # a layer may have variables of other sizes
    own = 2 * sum(1 for layer in model.layers if layer.origin == "__main__") if model else 0
    return max(0, lacking - max(wild, min(others, own)) - _without_gradient(model, case))


def _without_gradient(model: ModelUse | None, case: Case) -> int:
    """Variables of repaired batch norms that have no gradient to be logged, as their own probe found."""
    evidence = evidence_for(case, "batch_norm")
    layers = sum(1 for layer in model.layers if layer.is_a("BatchNormFixed")) if model else 0
    if evidence is None or "ordinary_affine" not in evidence.arrays:
        return 0
    trainable = dict(zip(("dgamma", "dbeta"), trainable_of(evidence), strict=True))
    return layers * sum(f"ordinary_{name}" not in evidence.arrays or not given for name, given in trainable.items())


def _variable_sizes(model: ModelUse | None) -> list[int]:
    if model is None:
        return []
    found: list[int] = []
    for layer in model.layers:
        dense = layer.inputs is not None and layer.outputs is not None
        found += [layer.inputs * layer.outputs, layer.outputs] if dense else [1, 1]  # type: ignore[operator, list-item]
    return found


def _library_tags(model: ModelUse | None) -> set[str]:
    suffixes = [suffix for group in LIBRARY_SUFFIXES.values() for suffix in group]
    return {f"{layer.name}_{suffix}" for layer in model.layers for suffix in suffixes} if model else set()


def _short_finding(short: dict[str, int], runs: int) -> Finding:
    names = ", ".join(short)
    return Finding(
        code="fit.run_without_gradients",
        message=say(
            "In {count} of {runs} runs trainable variables have no gradient histogram: {names}.",
            count=len(short),
            runs=runs,
            names=names,
        ),
        expected="a series for every variable in every run",
        actual=", ".join(f"{name}: {count} missing" for name, count in short.items()),
        hint=say(
            "Check that every experiment is trained with the patched fit_generator, gets its writer, and the same arguments."
        ),
        run=next(iter(short)),
    )


def _no_runs(case: Case) -> Finding:
    return Finding(
        code="fit.nothing_logged",
        message=say("No experiment of this notebook wrote any event file."),
        hint=say("Make a writer with tf.summary.create_file_writer('logs/…') for each experiment and pass it on."),
    )
