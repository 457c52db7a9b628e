"""Part 1: the improved `fit_generator`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grader.assignment import Assignment
from grader.contract import blocked, failed, partial, passed, undecided
from grader.homework.common import (
    evidence_for,
    finished_experiments,
    is_untouched,
    missing,
    probe_fault,
    unlike_notebook,
)
from grader.homework.expected import batches, evaluate
from grader.homework.experiments import trained_epochs
from grader.homework.fit_analysis import LIBRARY_SUFFIXES, Analysis, Variable, analyse
from grader.homework.questions import task_of
from grader.homework.roles import roles_of
from grader.homework.series import is_nan, size
from grader.homework.traced import SAME, distance, passes_cut_short, scenarios_of, seen_otherwise
from grader.records import Case, Evidence, Finding, Floats, Ints, ModelUse, Run, Severity, Verdict, say

WANTED = "fit_generator"
_KINDS = {
    "w": "weights of a dense layer",
    "b": "bias of a dense layer",
    "beta": "beta of batch norm",
    "gamma": "gamma of batch norm",
}


def patched(case: Case, assignment: Assignment) -> Verdict:
    """After the run, Sequential.fit_generator is the function that the notebook defines."""
    patch = case.execution.patch
    if patch is not None and patch.is_function and patch.module == "__main__":
        return passed()
    definition = case.definitions.get(WANTED)
    return failed(
        Finding(
            code="fit.not_patched",
            message=say(
                "You have written the function, but when the notebook had run, the class Sequential did not have it."
                if definition and not is_untouched(case, WANTED)
                else "When the notebook had run, Sequential.fit_generator was still the course library's own method."
            ),
            expected="Sequential.fit_generator is a function defined in the notebook",
            actual="the method of the course library" if patch else "unknown: the notebook did not get that far",
            hint=say(
                "Assign your function to the class in a cell of its own, and leave it there: Sequential.fit_generator = "
                "fit_generator. A call by name, a class of your own or a single instance is not what the task asks for."
            ),
            cell=definition.cell if definition else None,
            line=definition.line if definition else None,
        )
    )


# --- gradient histograms --------------------------------------------------------------------------------------------


def gradient_histograms(case: Case, assignment: Assignment) -> Verdict:
    """In every run, each trainable variable has a histogram series of its own that holds its gradient."""
    evidence, verdict = _ready(case)
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
        findings += [_lacking_finding(name, lack, case) for name, lack in short.items()]
    in_runs = 1.0 - len(short) / len(runs) if runs and not lacking else float(bool(runs))
    if not runs:
        findings.append(_no_runs(case))
    return partial(len(good) / len(analysis.variables) * in_runs, *findings)


def _ready(case: Case) -> tuple[Evidence | None, Verdict]:
    """The probe's evidence, or the verdict when there is none to judge."""
    if WANTED not in case.definitions:
        return None, blocked("fit.patched", missing(case, WANTED))
    if is_untouched(case, WANTED):
        return None, failed(_untouched(case))
    evidence = evidence_for(case, "fit_generator")
    if evidence is None:
        return None, undecided("fit.not_probed", "The function was found but could not be tried out on a small model.")
    unlike, fault = unlike_notebook(case, evidence, None, "main"), probe_fault(evidence, "main")
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
    definition, own = case.definitions[WANTED], _own_tags(analysis)
    found = next((t for kind in _INSTEAD for t in analysis.tags if t.kind == kind and t.tag in own), None)
    single = next((t for t in analysis.tags if t.kind == "gradient" and t.tag in own), None)
    if found is not None:
        template, actual, advice = _INSTEAD[found.kind]
        actual = actual.format(edge=f"{_largest(analysis, found.tag):.3g}")
    elif single is not None:
        (template, advice), actual = _SPLIT, "one point a tag"
    elif own:
        template, actual, advice = _OTHER_VALUES[0], "other values: " + ", ".join(own[:4]), _OTHER_VALUES[1]
    else:
        (template, advice), actual = _NOTHING_WRITTEN, "no histogram of your own"
    shown = found or single
    return Finding(
        code="fit.no_gradients",
        message=say(template, tag=shown.tag) if shown else say(template),
        expected=f"{len(analysis.variables)} histogram series, one for each trainable variable",
        actual=actual,
        hint=say(advice),
        cell=definition.cell,
        line=definition.line,
        tag=shown.tag if shown else None,
    )


def _largest(analysis: Analysis, tag: str) -> float:
    series = analysis.run.histogram(tag) if analysis.run else None
    return (
        float(np.abs(series.buckets[-1][:, :2]).max()) if series is not None and len(series.buckets) else float("nan")
    )


def _own_tags(analysis: Analysis) -> list[str]:
    library = {f"{layer.name}_{suffix}" for layer in analysis.task.layers for suffix in LIBRARY_SUFFIXES[layer.kind]}
    return [tag.tag for tag in analysis.tags if tag.tag not in library]


def _not_found(lacking: list[Variable], analysis: Analysis, case: Case) -> Finding:
    """Variables without a series, by what they are: those of the probe's layers have names that nobody knows."""
    kinds = dict.fromkeys(_KINDS[variable.name] for variable in lacking)
    held = len(analysis.variables) - len(lacking)
    own = set(_own_tags(analysis))
    found = next((t for kind in _INSTEAD for t in analysis.tags if t.kind == kind and t.tag in own), None)
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
        else say(_INSTEAD[found.kind][0] + " " + _INSTEAD[found.kind][2], tag=found.tag),
        cell=case.definitions[WANTED].cell,
        line=case.definitions[WANTED].line,
        tag=found.tag if found else None,
    )


def _lacking(run: Run, case: Case, analysis: Analysis) -> int:
    """How many variables of a run's model have no histogram series that could be their gradient."""
    model = next((m for m in reversed(case.execution.models) if m.run == run.name), None)
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
    answers = evidence.arrays if evidence is not None and "ordinary_affine" in evidence.arrays else None
    layers = sum(1 for layer in model.layers if layer.is_a("BatchNormFixed")) if model else 0
    if answers is None:
        return 0
    trainable = dict(zip(("dgamma", "dbeta"), answers.get("trainable", np.ones(2)), strict=True))
    return layers * sum(f"ordinary_{name}" not in answers or not given for name, given in trainable.items())


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


def _lacking_finding(name: str, lacking: int, case: Case) -> Finding:
    return Finding(
        code="fit.run_without_gradients",
        message=say(
            "In the run {run}, {count} trainable variables have no gradient histogram.", run=name, count=lacking
        ),
        expected="a series for every variable in every run",
        actual=f"{lacking} missing",
        hint=say("Check that every experiment is trained with the patched fit_generator and gets its writer."),
        run=name,
    )


def _no_runs(case: Case) -> Finding:
    return Finding(
        code="fit.nothing_logged",
        message=say("No experiment of this notebook wrote any event file."),
        hint=say("Make a writer with tf.summary.create_file_writer('logs/…') for each experiment and pass it on."),
    )


# --- validation scalars ---------------------------------------------------------------------------------------------


def validation_scalars(case: Case, assignment: Assignment) -> Verdict:
    """Loss and metric on the whole validation set are written at least once an epoch, at growing steps."""
    evidence, verdict = _ready(case)
    if evidence is None:
        return verdict
    analysis = analyse(evidence)
    cut = passes_cut_short(evidence)
    if cut is not None:
        return failed(_cut_short(cut, case))
    share, findings = 0.0, []
    for role, name in (("validation_loss", "loss"), ("validation_accuracy", "metric")):
        quality, found = _validation(role, name, analysis, case, assignment)
        share += quality / 2
        findings += found
    return partial(share, *findings)


def _cut_short(cut: tuple[int, int], case: Case) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.validation_cut_short",
        message=say("The loop over eval_seq ends early: validation is not on the whole set."),
        expected=f"all {cut[1]} batches",
        actual=f"{cut[0]} of {cut[1]} batches, on a longer set than the notebook's",
        hint=say("Take the condition that ends the loop out: the set has 79 batches, and each of them counts."),
        cell=definition.cell,
        line=definition.line,
    )


def _validation(
    role: str, name: str, analysis: Analysis, case: Case, assignment: Assignment
) -> tuple[float, list[Finding]]:
    reading = analysis.scalar(role)
    definition = case.definitions[WANTED]
    if reading is None:
        return 0.0, [_no_validation(role, name, analysis, case)]
    short = [run for run in finished_experiments(case, assignment).values() if not _enough(run, role, case, assignment)]
    findings = [_short_run(run, name, assignment) for run in short]
    runs = finished_experiments(case, assignment)
    share = 1.0 - len(short) / len(runs) if runs else 0.0
    if reading.quality == "mixed":
        findings.append(
            Finding(
                code="fit.validation_mixed",
                message=say(
                    "The validation {name} of the whole set is written, but among other points or at steps that do not grow.",
                    name=name,
                ),
                expected="one point an epoch, after the last validation batch, at a step larger than the one before",
                actual=f"tag {reading.tag}",
                hint=say("Write the scalar after the loop over eval_seq, not inside it."),
                tag=reading.tag,
                cell=definition.cell,
                line=definition.line,
            )
        )
        share *= 0.5
    if reading.quality == "batch_means":
        findings.append(
            Finding(
                code="fit.validation_batch_means",
                severity=Severity.INFO,
                message=say(
                    "The validation {name} is the mean of the batches' means: the short last batch weighs as much as a full one.",
                    name=name,
                ),
                hint=say(
                    "keras.metrics.Mean, updated with the vector of losses, gives the exact mean of the whole set."
                ),
                tag=reading.tag,
                cell=definition.cell,
                line=definition.line,
            )
        )
    if _misnamed(reading.tag, role):
        share *= 0.5
        findings.append(
            Finding(
                code="fit.validation_misnamed",
                message=say(
                    "The tag {tag} holds the validation {name}: its name says something else.",
                    tag=reading.tag,
                    name=name,
                ),
                expected=f"a name that fits: the {name}",
                actual=reading.tag,
                hint=say("Check that each value stands under its own tag."),
                tag=reading.tag,
                cell=definition.cell,
                line=definition.line,
            )
        )
    return share, findings


def _misnamed(tag: str, role: str) -> bool:
    """A name that says accuracy over a loss, or loss over an accuracy."""
    low = tag.lower()
    says_loss, says_metric = "loss" in low, "acc" in low
    return (says_metric and not says_loss) if role.endswith("loss") else (says_loss and not says_metric)


def _no_validation(role: str, name: str, analysis: Analysis, case: Case) -> Finding:
    definition = case.definitions[WANTED]
    near = _near_miss(role, analysis)
    if near is not None:
        tag, what, advice = near
        message = say(
            "The tag {tag} does not hold the {name} on the whole validation set: {what}.", tag=tag, name=name, what=what
        )
        return Finding(
            code="fit.validation_wrong",
            message=message,
            expected=f"the {name} over all of eval_seq, with the weights at the end of the epoch",
            actual=what,
            hint=say(advice),
            cell=definition.cell,
            line=definition.line,
            tag=tag,
        )
    return Finding(
        code="fit.no_validation",
        message=say(
            "The validation {name} was not written at all when we trained a small model with your function.", name=name
        ),
        expected=f"one point an epoch: {analysis.task.epochs} points",
        actual="no scalar with these values",
        hint=say(
            "After the loop over eval_seq, write it with tf.summary.scalar(…, step=…). Mind conditions such as `step % 50 == 0`: "
            "after an epoch of 469 steps they are never true."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _near_miss(role: str, analysis: Analysis) -> tuple[str, str, str] | None:
    """A tag that looks like the wanted scalar by its name, what it seems to hold, and what to try."""
    if analysis.run is None:
        return None
    known = {reading.tag for reading in analysis.scalars}
    word = "loss" if role.endswith("loss") else "acc"
    for series in analysis.run.scalars:
        low = series.tag.lower()
        if series.tag not in known and word in low and any(part in low for part in ("val", "eval", "test")):
            return series.tag, *_what_instead(series.values, role, analysis)
    return None


_WRONG_DATA = "Go over the whole of eval_seq after the training loop of the epoch, and over nothing else."


def _what_instead(values: Floats, role: str, analysis: Analysis) -> tuple[str, str]:
    """What values that are not the wanted ones seem to be, and what to try."""
    if not np.isfinite(values).all():
        return "its values are not finite", "Look for a division by zero, or a metric that was never updated."
    if len(values) < analysis.task.epochs:
        told = f"it has {len(values)} points in {analysis.task.epochs} epochs"
        return told, "Write the point in every epoch: inside the loop over epochs, after the loop over eval_seq."
    wanted, at = _wanted(role, analysis), [values[-1]]
    count = len(batches(*analysis.task.validation, analysis.task.batch_size))
    alternatives = (
        (lambda: _values_on(analysis.task.train, role, analysis), "these are the values on the training set", _WRONG_DATA),
        (lambda: 1.0 - wanted, "these are 1 minus the wanted values", "Write the metric itself, not the rate of errors."),
        (lambda: np.log(wanted), "these are the logarithms of the wanted values", "Write the value as it is."),
        (lambda: wanted / count, "these were divided by the number of batches once too often", "A mean is divided once."),
        (lambda: wanted * count, "these are sums over the batches, not means", "Divide the sum by the number of samples."),
        (lambda: _of_part(0, role, analysis), "these are the values of the first validation batch alone", _WRONG_DATA),
        (lambda: _of_part(count - 1, role, analysis), "these are the values of the last validation batch alone", _WRONG_DATA),
        (lambda: _without_last(role, analysis), "the last, short batch of eval_seq is missing in them", _WRONG_DATA),
        (lambda: np.roll(wanted, 1), "these are the values of the epoch before", "Write the value after it was computed."),
        (lambda: np.cumsum(wanted) / (1 + np.arange(len(wanted))), "they run on over all epochs so far",
         "Make the metrics anew in each epoch, or call reset_state()."),
    )  # fmt: skip
    for made, told, advice in alternatives:
        expected = made()
        if len(expected) and np.allclose(at, expected[-1:], rtol=1e-3, atol=1e-5):
            return told, advice
    return "its values differ from the recomputed ones", "Reset the metrics each epoch. " + _WRONG_DATA


def _wanted(role: str, analysis: Analysis) -> Floats:
    found = analysis.validated.losses if role.endswith("loss") else analysis.validated.accuracies
    return found[list(analysis.validated.ends)]


def _values_on(data: tuple[Floats, Ints], role: str, analysis: Analysis) -> Floats:
    """The values at each epoch's end on other data than the validation set."""
    task = replace(analysis.task, validation=data)
    found = [evaluate(task, parameters) for parameters in analysis.training.validated] if len(data[1]) else []
    return np.array([values[0 if role.endswith("loss") else 1] for values in found])


def _of_part(number: int, role: str, analysis: Analysis) -> Floats:
    return _values_on(batches(*analysis.task.validation, analysis.task.batch_size)[number], role, analysis)


def _without_last(role: str, analysis: Analysis) -> Floats:
    x, labels = analysis.task.validation
    full = (len(x) - 1) // analysis.task.batch_size * analysis.task.batch_size
    return _values_on((x[:full], labels[:full]), role, analysis)


def _enough(run: Run, role: str, case: Case, assignment: Assignment) -> bool:
    """Whether a run has a series of this role with a point for each of its epochs. How many epochs those should be is
    not asked here."""
    tags = [tag for tag, found in roles_of(case, run).items() if found == role]
    most = max((len(np.unique(s.steps)) for s in run.scalars if s.tag in tags), default=0)
    return most >= max(1, min(trained_epochs(case, assignment, run.name) or 1, assignment.epochs))


def _short_run(run: Run, name: str, assignment: Assignment) -> Finding:
    return Finding(
        code="fit.run_without_validation",
        message=say("In the run {run}, the validation {name} has fewer points than epochs.", run=run.name, name=name),
        expected=f"{assignment.epochs} points",
        actual="fewer, or none",
        hint=say("Check that every experiment is trained with the patched fit_generator and gets its writer."),
        run=run.name,
    )


# --- training preserved ---------------------------------------------------------------------------------------------


def training_preserved(case: Case, assignment: Assignment) -> Verdict:
    """Training does exactly what the course's method does: the same updates, and nothing learned from validation."""
    evidence, verdict = _ready(case)
    if evidence is None:
        return verdict
    for name in scenarios_of(evidence):
        unlike, fault = unlike_notebook(case, evidence, None, name), probe_fault(evidence, name)
        if unlike is not None:
            return unlike
        if fault is not None:
            return failed(fault)
        way = distance(evidence, name)
        if way is None:
            return undecided("fit.no_weights", "The weights after training could not be read back.")
        if way > SAME:
            return failed(_training_differs(way, name, evidence, case))
    return passed()


def _training_differs(way: float, name: str, evidence: Evidence, case: Case) -> Finding:
    task = task_of(evidence, name)
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.training_differs",
        message=say(
            "A small model trained with your function for {epochs} epochs ends with other weights than with the course's method.",
            epochs=task.epochs,
        ),
        expected="the same weights, apart from rounding",
        actual="; ".join(filter(None, [seen_otherwise(evidence, name), _how_far(way)])),
        hint=say(
            "Compare with the course's method: one update a batch with the gradients as they are, every batch once, "
            "the optimizer that was passed in, and no update in the validation loop."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _how_far(way: float) -> str:
    if not np.isfinite(way):
        return "the weights are not finite"
    return (
        f"the weights end {way:.0%} of their way off"
        if way < 1
        else "the weights end further off than they should have gone"
    )
