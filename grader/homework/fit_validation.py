"""Part 1: loss and metric on validation, as the event files of a probe and of the re-run show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grader.assignment import Assignment
from grader.contract import failed, partial
from grader.homework import not_installed
from grader.homework.common import finished_experiments, probe_fault
from grader.homework.expected import evaluate
from grader.homework.experiments import trained_epochs
from grader.homework.fit_analysis import TOLERANCE, Analysis, ScalarReading, analyse, contains, near
from grader.homework.fit_generator import WANTED, ready
from grader.homework.roles import roles_of
from grader.homework.series import is_nan, size
from grader.homework.traced import passes_cut_short
from grader.language import counted
from grader.records import Case, Finding, Floats, Histograms, Ints, Message, Run, Scalars, Severity, Verdict, say


@not_installed.excuses_runs
def validation_scalars(case: Case, assignment: Assignment) -> Verdict:
    """Loss and metric on the whole validation set are written at least once an epoch, at growing steps."""
    evidence, verdict = ready(case)
    if evidence is None:
        return verdict
    analysis = analyse(evidence)
    cut = passes_cut_short(evidence)
    if cut is not None:
        return failed(_cut_short(cut, case))
    share, findings = 0.0, []
    for role, name in (("validation_loss", say("loss")), ("validation_accuracy", say("metric"))):
        quality, found = _validation(role, name, analysis, case, assignment)
        share += quality / 2
        findings += found
    fault = probe_fault(evidence, "main", case)
    if fault is not None and share == 0:  # it ended before anything was written, or right: that comes first
        return failed(fault, *(finding for finding in findings if finding.code != "fit.no_validation"))
    return partial(share, *findings)


def _cut_short(cut: tuple[int, int], case: Case) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.validation_cut_short",
        message=say("The loop over eval_seq ends early: validation is not on the whole set."),
        expected=counted("{n} batch", "all {n} batches", cut[1]),
        actual=counted("{n} batch of a set of {all}", "{n} batches of a set of {all}", cut[0], all=cut[1]),
        hint=say("Take the condition that ends the loop out: the set has 79 batches, and each of them counts."),
        cell=definition.cell,
        line=definition.line,
    )


def _validation(
    role: str, name: Message, analysis: Analysis, case: Case, assignment: Assignment
) -> tuple[float, list[Finding]]:
    """The share that one of the two scalars earns, and what is to be said of it."""
    reading = analysis.scalar(role)
    if reading is None:
        return 0.0, [_no_validation(role, name, analysis, case)]
    runs = finished_experiments(case, assignment)
    short = [run for run in runs.values() if not _enough(run, role, case, assignment)]
    findings = [_short_runs(short, name, assignment)] if short else []
    share = 1.0 - len(short) / len(runs) if runs else 0.0
    if reading.quality == "mixed":
        findings.append(_mixed(reading, name, analysis, case))
        share *= 0.5
    if reading.quality == "batch_means":
        findings.append(_batch_means(reading, name, case))
    if _misnamed(reading.tag, role):
        findings.append(_misnamed_finding(reading, name, case))
        share *= 0.5
    return share, findings


def _mixed(reading: ScalarReading, name: Message, analysis: Analysis, case: Case) -> Finding:
    definition = case.definitions[WANTED]
    series = analysis.run.scalar(reading.tag) if analysis.run else None
    same = series is not None and bool((np.diff(series.steps) <= 0).any())
    return Finding(
        code="fit.validation_mixed",
        message=say(
            "The validation {name} of the whole set is written, but at steps that do not grow: its points stand on top of each other, or in the wrong order."
            if same
            else "The validation {name} of the whole set is written, but among other points: not each of them is of the whole set.",
            name=name,
        ),
        expected=say("one point an epoch, after the last validation batch, at a step larger than the one before"),
        actual=say("tag {tag}, steps {steps}", tag=reading.tag, steps=_some_steps(series))
        if series is not None
        else say("tag {tag}", tag=reading.tag),
        hint=say(
            "Pass a step that grows from epoch to epoch, such as the number of the training step."
            if same
            else "Write the scalar after the loop over eval_seq, not inside it."
        ),
        tag=reading.tag,
        cell=definition.cell,
        line=definition.line,
    )


def _some_steps(series: Scalars) -> str:
    shown = ", ".join(str(step) for step in series.steps[:4])
    return shown + (", …" if len(series.steps) > len(series.steps[:4]) else "")


def _batch_means(reading: ScalarReading, name: Message, case: Case) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.validation_batch_means",
        severity=Severity.INFO,
        message=say(
            "The validation {name} is the mean of the batches' means: the short last batch weighs as much as a full one.",
            name=name,
        ),
        hint=say("keras.metrics.Mean, updated with the vector of losses, gives the exact mean of the whole set."),
        tag=reading.tag,
        cell=definition.cell,
        line=definition.line,
    )


def _misnamed_finding(reading: ScalarReading, name: Message, case: Case) -> Finding:
    definition = case.definitions[WANTED]
    return Finding(
        code="fit.validation_misnamed",
        message=say(
            "The tag {tag} holds the validation {name}: its name says something else.", tag=reading.tag, name=name
        ),
        expected=say("a name that fits: the {name}", name=name),
        actual=reading.tag,
        hint=say("Check that each value stands under its own tag."),
        tag=reading.tag,
        cell=definition.cell,
        line=definition.line,
    )


def _misnamed(tag: str, role: str) -> bool:
    """A name that says accuracy over a loss, or loss over an accuracy. In a group of TensorBoard's the last part is the name,
    if it says any of the two."""
    last = tag.lower().rsplit("/", 1)[-1]
    low = last if any(word in last for word in ("loss", "acc", "metric")) else tag.lower()
    says_loss, says_metric = "loss" in low, "acc" in low
    return (says_metric and not says_loss) if role.endswith("loss") else (says_loss and not says_metric)


def _no_validation(role: str, name: Message, analysis: Analysis, case: Case) -> Finding:
    definition = case.definitions[WANTED]
    elsewhere = _elsewhere(_wanted(role, analysis), analysis)
    if elsewhere is not None:
        tag, where, advice = elsewhere
        return Finding(
            code="fit.validation_no_curve",
            message=say(
                "The validation {name} is computed rightly, but it makes no curve of its own: {where}.",
                name=name,
                where=where,
            ),
            expected=counted("one point an epoch: {n} point", "one point an epoch: {n} points", analysis.task.epochs),
            actual=say("tag {tag}", tag=tag),
            hint=advice,
            tag=tag,
            cell=definition.cell,
            line=definition.line,
        )
    missed = _near_miss(role, analysis)
    if missed is not None:
        tag, what, advice = missed
        message = say(
            "The tag {tag} does not hold the {name} on the whole validation set: {what}.", tag=tag, name=name, what=what
        )
        return Finding(
            code="fit.validation_wrong",
            message=message,
            expected=say("the {name} over all of eval_seq, with the weights at the end of the epoch", name=name),
            actual=what,
            hint=advice,
            cell=definition.cell,
            line=definition.line,
            tag=tag,
        )
    return Finding(
        code="fit.no_validation",
        message=say(
            "The validation {name} was not written at all when we trained a small model with your function.", name=name
        ),
        expected=counted("one point an epoch: {n} point", "one point an epoch: {n} points", analysis.task.epochs),
        actual=say("no scalar with these values"),
        hint=say(
            "After the loop over eval_seq, write it with tf.summary.scalar(…, step=…) inside `with writer.as_default():`; outside "
            "of it nothing is written and nothing is said. Mind conditions such as `step % 50 == 0`: after an epoch of 469 steps "
            "they are never true."
        ),
        cell=definition.cell,
        line=definition.line,
    )


def _elsewhere(wanted: Floats, analysis: Analysis) -> tuple[str, Message, Message] | None:
    """Where the wanted values were written if they make no curve: the first tag, what is wrong with it, what to try."""
    scalars, histograms = (analysis.run.scalars, analysis.run.histograms) if analysis.run else ((), ())
    mixed = next((s.tag for s in scalars if contains(s.values, wanted)), None)
    if mixed is not None:
        return mixed, say("other values stand under its tag too"), say("Give each value a tag of its own.")
    single = [_tag_of(value, scalars) for value in wanted]
    if single and all(single):
        return str(single[0]), say("each of its points stands under a tag of its own"), _ONE_TAG
    drawn = next((h.tag for h in histograms if _may_average(h, wanted)), None)
    return (drawn, say("it is written as a histogram"), _SCALAR) if drawn else None


_ONE_TAG = say("Leave the number of the epoch out of the tag: it belongs in step=….")
_SCALAR = say("Write a single number with tf.summary.scalar: a histogram shows how many values are distributed.")


def _tag_of(value: float, scalars: Sequence[Scalars]) -> str | None:
    return next((s.tag for s in scalars if len(s.values) == 1 and near(s.values, value).all()), None)


def _may_average(series: Histograms, wanted: Floats) -> bool:
    """Whether the means of histograms are the wanted values, as far as buckets tell."""
    if len(series.buckets) != len(wanted) or any(is_nan(b) or not size(b) for b in series.buckets):
        return False
    means = [float((b[:, :2].mean(axis=1) * b[:, 2]).sum()) / size(b) for b in series.buckets]
    widths = [float((b[:, 1] - b[:, 0]).max()) for b in series.buckets]
    return bool(np.all(np.abs(means - wanted) <= np.maximum(widths, TOLERANCE * np.abs(wanted))))


def _near_miss(role: str, analysis: Analysis) -> tuple[str, Message, Message] | None:
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


_WRONG_DATA = say("Go over the whole of eval_seq after the training loop of the epoch, and over nothing else.")
_DIVIDE = say(
    "Divide the sum by the number of samples; keras.metrics.Mean does, where it is updated with the vector of losses."
)


def _what_instead(values: Floats, role: str, analysis: Analysis) -> tuple[Message, Message]:
    """What values that are not the wanted ones seem to be, and what to try."""
    if not np.isfinite(values).all():
        advice = say("Look for a division by zero, or a metric that was never updated.")
        return say("its values are not finite"), advice
    if len(values) < analysis.task.epochs:
        told = counted(
            "it has {n} point in {epochs} epochs",
            "it has {n} points in {epochs} epochs",
            len(values),
            epochs=analysis.task.epochs,
        )
        return told, say("Write the point in every epoch: inside the loop over epochs, after the loop over eval_seq.")
    if not values.any():
        return say("all of them are 0"), say(
            "Look for a division or a cast to whole numbers, or a metric that was never updated."
        )
    wanted = _wanted(role, analysis)
    size, samples = analysis.task.batch_size, len(analysis.task.validation[1])
    count = -(-samples // size)
    last = (count - 1) * size  # where the last batch begins
    alternatives = (
        (lambda: _values_on(analysis.task.train, role, analysis), say("these are the values on the training set"), _WRONG_DATA),
        (lambda: 1.0 - wanted, say("these are 1 minus the wanted values"), say("Write the metric itself, not the rate of errors.")),
        (lambda: np.log(wanted), say("these are the logarithms of the wanted values"), say("Write the value as it is.")),
        (lambda: wanted / count, say("these were divided by the number of batches once too often"), say("A mean is divided once.")),
        (lambda: wanted * count, say("these are sums over the batches, not means"), _DIVIDE),
        (lambda: wanted * samples, say("these are sums over the samples, not means"), _DIVIDE),
        (lambda: wanted * samples / count, say("sums over the samples were divided by the number of batches"), _DIVIDE),
        (lambda: _on_part(slice(size), role, analysis), say("these are the values of the first validation batch alone"), _WRONG_DATA),
        (lambda: _on_part(slice(last, None), role, analysis), say("these are the values of the last validation batch alone"), _WRONG_DATA),
        (lambda: _on_part(slice(size, None), role, analysis), say("the first batch of eval_seq is missing in them"), _WRONG_DATA),
        (lambda: _on_part(slice(last), role, analysis), say("the last, short batch of eval_seq is missing in them"), _WRONG_DATA),
        (lambda: np.roll(wanted, 1), say("these are the values of the epoch before"), say("Write the value after it was computed.")),
        (lambda: np.cumsum(wanted) / (1 + np.arange(len(wanted))), say("they run on over all epochs so far"),
         say("Make the metrics anew in each epoch, or call reset_state().")),
    )  # fmt: skip
    for made, told, advice in alternatives:
        expected = made()
        compared = min(2, len(expected))  # one may be equal by chance
        if compared and np.allclose(values[-compared:], expected[-compared:], rtol=1e-3, atol=1e-5):
            return told, advice
    return _far(values, wanted), say(
        "Look at what goes into the metric: each sample of eval_seq once, with its label, as the model and the loss that was "
        "passed in give it, and nothing of the epoch before."
    )


def _far(values: Floats, wanted: Floats) -> Message:
    """What is said of values that are none that a known mistake makes."""
    if not len(wanted):
        return say("its values differ from the recomputed ones")
    return say(
        "the last one is {found:.4g}, where {wanted:.4g} was computed",
        found=float(values[-1]),
        wanted=float(wanted[-1]),
    )


def _wanted(role: str, analysis: Analysis) -> Floats:
    found = analysis.validated.losses if role.endswith("loss") else analysis.validated.accuracies
    return found[list(analysis.validated.ends)]


def _values_on(data: tuple[Floats, Ints], role: str, analysis: Analysis) -> Floats:
    """The values at each epoch's end on other data than the validation set."""
    task = replace(analysis.task, validation=data)
    found = [evaluate(task, parameters) for parameters in analysis.training.validated] if len(data[1]) else []
    return np.array([values[0 if role.endswith("loss") else 1] for values in found])


def _on_part(part: slice, role: str, analysis: Analysis) -> Floats:
    """The values at each epoch's end on these samples of the validation set alone."""
    x, labels = analysis.task.validation
    return _values_on((x[part], labels[part]), role, analysis)


def _enough(run: Run, role: str, case: Case, assignment: Assignment) -> bool:
    """Whether a run has a series of this role with a point for each of its epochs. How many epochs those should be is
    not asked here."""
    tags = [tag for tag, found in roles_of(case, run).items() if found == role]
    most = max((len(np.unique(s.steps)) for s in run.scalars if s.tag in tags), default=0)
    return most >= max(1, min(trained_epochs(case, assignment, run.name) or 1, assignment.epochs))


def _short_runs(runs: list[Run], name: Message, assignment: Assignment) -> Finding:
    names = ", ".join(run.name for run in runs)
    return Finding(
        code="fit.run_without_validation",
        message=say(
            "The validation {name} is missing, or has fewer points than epochs, in: {runs}.", name=name, runs=names
        ),
        expected=counted("{n} point in every run", "{n} points in every run", assignment.epochs),
        actual=say("fewer, or none"),
        hint=say("Check that every experiment is trained with the patched fit_generator and gets its writer."),
        run=runs[0].name,
    )
