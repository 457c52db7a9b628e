"""Part 1: gradients, as the event files of a probe and of the re-run show them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, partial
from grader.homework import not_installed
from grader.homework.batch_norm import trainable_of
from grader.homework.common import evidence_for, finished_experiments, probe_fault
from grader.homework.experiments import model_of
from grader.homework.fit_analysis import LIBRARY_SUFFIXES, Analysis, TagReading, Variable, analyse
from grader.homework.fit_generator import WANTED, ready
from grader.homework.moments import logs_later, waits
from grader.homework.questions import largest_interval
from grader.homework.series import bad_points, is_nan, sizes
from grader.homework.variables import gradient_places, library_places, variables_of
from grader.language import counted, listed, noted
from grader.records import Case, Finding, ModelUse, Run, Verdict, say

_KINDS = {
    "w": say("weights of a dense layer"),
    "b": say("bias of a dense layer"),
    "beta": say("beta of batch norm"),
    "gamma": say("gamma of batch norm"),
}


@not_installed.excuses_runs
def gradient_histograms(case: Case, assignment: Assignment) -> Verdict:
    """In every run, each trainable variable has a histogram series of its own that holds its gradient."""
    evidence, verdict = ready(case)
    if evidence is None:
        return verdict
    analysis = analyse(evidence)
    good = [variable for variable in analysis.variables if analysis.gradient_tag(variable)]
    if not good:
        return failed(probe_fault(evidence, "main", case) or _no_gradients(analysis, case))
    lacking = [variable for variable in analysis.variables if variable not in good]
    findings = [_not_found(lacking, analysis, case)] if lacking else []
    runs = finished_experiments(case, assignment)
    half = [*_written_once(good, analysis, case, runs.values()), *_hidden_nan(runs.values(), case)]
    findings += half
    short = {name: lack for name, run in runs.items() if (lack := _lacking(run, case, assignment.epochs))}
    if not lacking:  # else it is the same mistake once more
        findings += [_short_finding(short, len(runs))] if short else []
    in_runs = 1.0 - len(short) / len(runs) if runs and not lacking else float(bool(runs))
    if not runs:
        findings.append(_no_runs(case))
    return partial(len(good) / len(analysis.variables) * in_runs * (0.5 if half else 1.0), *findings)


def _hidden_nan(runs: Iterable[Run], case: Case) -> list[Finding]:
    """The finding for runs whose weights are NaN and whose gradients, at the same steps, are all told to be finite: at least
    those of the last layer are NaN with the loss."""
    definition = case.definitions[WANTED]
    return [
        Finding(
            code="fit.gradient_hides_nan",
            message=say(
                "In the run {run} the weights are NaN, and the histograms show finite gradients for them.", run=run.name
            ),
            expected=say("NaN where the gradient is NaN"),
            actual=say("finite values at step {step}", step=step),
            hint=say("Write what tape.gradient returned, unchanged: that a gradient is NaN is what one looks for."),
            cell=definition.cell,
            line=definition.line,
            run=run.name,
            step=step,
        )
        for run in runs
        if (step := _hides_nan_at(run, case)) is not None
    ][:1]


def _hides_nan_at(run: Run, case: Case) -> int | None:
    library, gradients = library_places(model_of(case, run.name)), gradient_places(case, run)
    weights = [h for h in run.histograms if h.tag in library]
    spoilt = {int(s) for h in weights for s, bad in zip(h.steps, bad_points(h), strict=True) if bad}
    own = [h for h in run.histograms if h.tag in gradients] if spoilt else []
    points = [(int(s), b) for h in own for s, b in zip(h.steps, h.buckets, strict=True) if int(s) in spoilt and len(b)]
    return min(s for s, _ in points) if points and not any(is_nan(b) for _, b in points) else None


def _written_once(good: list[Variable], analysis: Analysis, case: Case, runs: Iterable[Run]) -> list[Finding]:
    """The finding for gradients that have one point each, in the probe and in all runs, although training went on after it."""
    points = [reading.points for variable in good if (reading := analysis.gradient_tag(variable))]
    definition = case.definitions[WANTED]
    if max(map(len, points)) > 1 or logs_later(definition.source, len(analysis.training.steps)):
        return []
    if waits(definition.source) or any(_has_series(run, case) for run in runs):
        return []  # a probe, and a short run, is over before an interval of seconds is
    return [
        Finding(
            code="fit.gradient_once",
            message=say("Each gradient is written a single time, so no curve over the steps comes of it."),
            expected=say("a point every so many steps, to the end of the training"),
            actual=say("one point, at step {step}", step=points[0][0][0]),
            hint=say(
                "See whether something is used up the first time (a generator, a zip, an iterator) and has to be made anew in "
                "each step, and whether the condition comes true again."
            ),
            cell=definition.cell,
            line=definition.line,
        )
    ]


def _has_series(run: Run, case: Case) -> bool:
    """Whether a run has points of a gradient at more than one step."""
    gradients = gradient_places(case, run)
    return any(len(set(h.steps.tolist())) > 1 for h in run.histograms if h.tag in gradients)


_SPLIT = (
    noted(
        "The points of one gradient stand under tags of their own, such as {tag}: that makes many single points, and no series."
    ),
    noted("Leave the step's number out of the tag: it belongs in step=step."),
)
_OTHER_VALUES = (
    noted("On a small model that we trained with your function, no histogram held the gradient of a variable."),
    noted(
        "Write what tape.gradient returned, unchanged, with tf.summary.histogram, in the step in which it was computed."
    ),
)
_NOTHING_WRITTEN = (
    noted(
        "On a small model that we trained with your function, no histogram of your own reached the event files: "
        "tf.summary.histogram is not called, or it is called outside of `with writer.as_default():`."
    ),
    noted("After tape.gradient, write each gradient with tf.summary.histogram inside `with writer.as_default():`."),
)
_INSTEAD = {  # what a tag may hold instead of a gradient: (sentence, what was seen, advice)
    "mixed": (
        noted("The gradients of several variables are written under one tag, {tag}, so they overlay each other."),
        noted("one tag for several variables"),
        noted(
            "Give each variable a tag of its own, for example with the layer's name and the variable's number in it."
        ),
    ),
    "all_in_one": (
        noted("The gradients of all variables are written as one histogram, {tag}, so none of them can be told apart."),
        noted("one histogram of all gradients together"),
        noted("Call tf.summary.histogram once for each variable, with a tag of its own."),
    ),
    "labels": (
        noted(
            "The histograms {tag} hold gradients, but their step numbers do not grow, so TensorBoard shows one point on top of another."
        ),
        noted("steps that repeat"),
        noted("Pass the number of the training step: tf.summary.histogram(name, gradient, step=step)."),
    ),
    "stale": (
        noted("The histograms {tag} hold gradients of another step than the one they are labelled with."),
        noted("gradients of another step"),
        noted("Write the gradients that were computed in this very step, under this step's number."),
    ),
    "mean_gradient": (
        noted(
            "The histograms {tag} hold gradients divided by the size of the batch, not the gradients that the update uses."
        ),
        noted("gradient / batch size"),
        noted("Pass what tape.gradient returned to tf.summary.histogram unchanged."),
    ),
    "weights": (
        noted("The histograms {tag} hold the weights themselves, not their gradients."),
        noted("values of the variables"),
        noted("Pass what tape.gradient returned to tf.summary.histogram, in the order of the variables."),
    ),
    "clipped": (
        noted("The histograms {tag} hold gradients that were clipped before they were written."),
        noted("gradients cut off at {edge:.3g}"),
        noted("Write what tape.gradient returned, before anything is done to it: large values are what one looks for."),
    ),
    "absolute": (
        noted("The histograms {tag} hold absolute values of the gradients: their signs are lost."),
        noted("absolute values"),
        noted("Pass what tape.gradient returned to tf.summary.histogram unchanged."),
    ),
    "negative": (
        noted("The histograms {tag} hold the gradients with the opposite sign."),
        noted("negative gradients"),
        noted("Pass what tape.gradient returned to tf.summary.histogram unchanged."),
    ),
    "change": (
        noted("The histograms {tag} hold how much the weights changed, not the gradients."),
        noted("changes of the weights"),
        noted("Pass what tape.gradient returned to tf.summary.histogram: with Adam the change is something else."),
    ),
    "norm": (
        noted("The histograms {tag} hold one number each, the norm of a gradient, not its values."),
        noted("norms"),
        noted("Pass the gradient itself: the histogram shows how its values are distributed."),
    ),
    "zeros": (
        noted("The histograms {tag} hold zeros, not gradients."),
        noted("zeros"),
        noted(
            "Check that the loss is computed inside the tape, that the gradients are taken for the trainable variables, and "
            "that nothing rounds them or casts them to whole numbers."
        ),
    ),
}


def _no_gradients(analysis: Analysis, case: Case) -> Finding:
    """Why no variable has its gradient logged: what the student's own tags hold instead, as far as it can be told."""
    definition, own, found = case.definitions[WANTED], _own_tags(analysis), _held_instead(analysis)
    single = next((t for t in analysis.tags if t.kind == "gradient" and t.tag in own), None)
    if found is not None:
        template, instead, advice = _INSTEAD[found.kind]
        actual = say(instead, edge=_largest(analysis, found.tag))
    elif single is not None:
        (template, advice), actual = _SPLIT, say("one point a tag")
    elif own:
        (template, advice), tags = _OTHER_VALUES, dict.fromkeys(_pattern(tag, analysis) for tag in own[:4])
        actual = say("other values: {tags}", tags=", ".join(tags))
    else:
        (template, advice), actual = _NOTHING_WRITTEN, say("no histogram of your own")
    shown = found or single
    return Finding(
        code="fit.no_gradients",
        message=say(template, tag=_pattern(shown.tag, analysis)) if shown else say(template),
        expected=counted(
            "{n} histogram series, one for each trainable variable",
            "{n} histogram series, one for each trainable variable",
            len(analysis.variables),
        ),
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
            "Not every variable has a histogram series with its gradient: missing {kinds}.", kinds=listed(kinds)
        ),
        expected=say("a series for w and b of every dense layer, and for beta and gamma of every batch norm"),
        actual=say(
            "{held} of {all} variables on a small model that we trained with your function",
            held=held,
            all=len(analysis.variables),
        ),
        hint=say(
            "Go over all of self._trainable_variables (or layer.get_trainable() of every layer), write each gradient whole, and make the tags differ."
        )
        if found is None
        else listed(
            (say(_INSTEAD[found.kind][0], tag=_pattern(found.tag, analysis)), say(_INSTEAD[found.kind][2])), " "
        ),
        cell=case.definitions[WANTED].cell,
        line=case.definitions[WANTED].line,
    )


def _lacking(run: Run, case: Case, epochs: int) -> int:
    """How many variables of a run's model have no histogram series that could be their gradient."""
    model = model_of(case, run.name)
    if _is_too_short_to_log(model, case, epochs):
        return 0
    wanted = [count for _, count in variables_of(model)] if model else []
    library = library_places(model)
    held = [max(sizes(h), default=0) for h in run.histograms if h.tag not in library]
    lacking = sum(max(0, wanted.count(s) - held.count(s)) for s in set(wanted))
    if not lacking:
        return 0
    wild = sum(1 for h in run.histograms if h.tag not in library and any(bad_points(h)))
    others = sum(
        max(0, held.count(s) - wanted.count(s)) for s in set(held)
    )  # a layer may have variables of other sizes
    own = 2 * sum(1 for layer in model.layers if layer.origin == "__main__") if model else 0
    return max(0, lacking - max(wild, min(others, own)) - _without_gradient(model, case))


def _is_too_short_to_log(model: ModelUse | None, case: Case, epochs: int) -> bool:
    """Whether a run on a part of the data ended before the first step at which the function logs; the probe has seen it log."""
    steps = max((feed.length for feed in model.sequences), default=0) * epochs if model else 0
    return 0 < steps < largest_interval(case.definitions[WANTED].source)


def _without_gradient(model: ModelUse | None, case: Case) -> int:
    """Variables of repaired batch norms that have no gradient to be logged, as their own probe found."""
    evidence = evidence_for(case, "batch_norm")
    layers = sum(1 for layer in model.layers if layer.is_a("BatchNormFixed")) if model else 0
    if evidence is None or "ordinary_affine" not in evidence.arrays:
        return 0
    trainable = dict(zip(("dgamma", "dbeta"), trainable_of(evidence), strict=True))
    return layers * sum(f"ordinary_{name}" not in evidence.arrays or not given for name, given in trainable.items())


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
        expected=say("a series for every variable in every run"),
        actual=listed(say("{run}: {count} missing", run=name, count=count) for name, count in short.items()),
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
