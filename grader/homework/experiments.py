"""What the checks of runs share: was an experiment run as asked, is it finite, does one learn better than another."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grader.assignment import Assignment, Experiment
from grader.contract import Check, undecided
from grader.formats.code import code_of
from grader.homework.common import broken_off, evidence_for, logged_experiments, runs_named, trains, words_of
from grader.homework.questions import task_of
from grader.homework.roles import reading_of, roles_of, series_of, tail_mean, tail_means
from grader.homework.series import first_bad_step, is_nan
from grader.homework.spread import Spread, spread
from grader.homework.witnesses import epochs_printed
from grader.language import counted, listed
from grader.records import Case, Fault, Finding, Floats, LayerUse, Message, ModelUse, Run, Scalars, Verdict, say

_ACTIVATIONS = frozenset(
    {"relu", "sigmoid", "tanh", "softmax", "elu", "selu", "gelu", "linear", "leaky_relu", "softplus"}
)
WITNESSES = ("validation_loss", "train_loss")


def problems(case: Case, assignment: Assignment, name: str) -> list[Finding]:
    """What keeps an experiment from counting as run the way that the brief asks, apart from its results."""
    run = logged_experiments(case, assignment).get(name)
    if run is None:
        return [_not_logged(case, name)]
    if name in broken_off(case) and (trained_epochs(case, assignment, name) or 0) < assignment.epochs:
        return [_broken_off(case, name)]
    experiment = assignment.experiment(name)
    models = models_of(case, name)
    if models and not any(_has_layers(model, experiment) for model in models):
        return [_other_layers(name, experiment, models[-1])]
    return [_on_validation_data(name)] if _is_on_validation_data(case, assignment, name) else []


def _is_on_validation_data(case: Case, assignment: Assignment, name: str) -> bool:
    """Whether a run was trained on the images that all other runs are validated on, and on none that they are trained on."""
    models = {experiment.run: model_of(case, experiment.run) for experiment in assignment.experiments}
    fed = {run: model.image_sets for run, model in models.items() if model and model.image_sets}
    others = [sets for run, sets in fed.items() if run != name and len(sets) > 1]
    train, validation = ({sets[place] for sets in others} for place in (0, 1))
    return len(others) > 1 and name in fed and fed[name][0] in validation - train


def _on_validation_data(name: str) -> Finding:
    return Finding(
        code="run.trained_on_validation",
        message=say("The run {run} was trained on the images that the other runs are validated on.", run=name),
        expected=say("training on the training sequence"),
        actual=say("training on the test sequence"),
        hint=say("fit_generator takes the training sequence first, then the one for validation."),
        run=name,
    )


def spoils(case: Case, assignment: Assignment, name: str) -> Finding | None:
    """The first thing that makes the curves of an experiment say nothing, though it was run the way that the brief asks."""
    run = logged_experiments(case, assignment)[name]
    found = not_finite(name, _without_wrong(run, case), model_of(case, name)) or too_short(case, assignment, name)
    return found or goes_on(case, assignment, name)


def _without_wrong(run: Run, case: Case) -> Run:
    """A run without the validation that fit_generator was seen to log wrongly: its NaN may be another run's."""
    evidence = evidence_for(case, "fit_generator")
    if evidence is None or evidence.faults:
        return run
    roles = roles_of(case, run)
    wrong = {tag for tag, role in roles.items() if role.startswith("validation") and reading_of(case, role) is None}
    return replace(run, scalars=tuple(series for series in run.scalars if series.tag not in wrong))


def goes_on(case: Case, assignment: Assignment, name: str) -> Finding | None:
    """The finding for a run that begins with layers that another experiment has trained, and that nobody has set back."""
    own = model_of(case, name)
    numbers = {layer.number for layer in own.layers} - {None} if own else set()
    before = itertools.takewhile(lambda model: model is not own, case.execution.models)
    others = {experiment.run for experiment in assignment.experiments} - {name}
    other = next((m.run for m in before if m.run in others and numbers & {layer.number for layer in m.layers}), None)
    if own is None or other is None or _begin_alike(case, own, name, other):
        return None
    return Finding(
        code="run.goes_on",
        message=say("The run {run} begins with layers that the run {other} has trained.", run=name, other=other),
        expected=say("new layers, with new weights, in each experiment"),
        actual=say("the same layers in both"),
        hint=say("Make the layers anew for each experiment: else the curves show who trained longer."),
        run=name,
    )


def _begin_alike(case: Case, model: ModelUse, name: str, other: str) -> bool:
    """Whether weights are at the beginning of one run what they are at the beginning of another."""
    runs = [case.runs[run] for run in (name, other) if run in case.runs]
    series = [[h.buckets[0] for run in runs if (h := run.histogram(f"{layer.name}_kernel"))] for layer in model.layers]
    return any(len(pair) == 2 and np.array_equal(pair[0], pair[1]) for pair in series)


def needs_training(*runs: str) -> Callable[[Check], Check]:
    """A check that is undecided when one of these runs was logged and nobody saw it being trained."""

    def decorated(check: Check) -> Check:
        @functools.wraps(check)
        def checked(case: Case, assignment: Assignment) -> Verdict:
            unseen = [name for name in runs if is_unseen(case, assignment, name)]
            return _unseen(unseen) if unseen else check(case, assignment)

        return checked

    return decorated


def is_unseen(case: Case, assignment: Assignment, name: str) -> bool:
    """Whether a run has values, but no model of the course library that may have been trained logged to it, and there are
    fewer such models than runs: a model whose writer is not known stands with another run."""
    logged = logged_experiments(case, assignment)
    trained = {model.number for model in case.execution.models if _saw_enough(model, logged.get(model.run or ""))}
    own = any(model.number in trained for model in models_of(case, name))
    return name in logged and not own and len(trained) < len(logged)


def _saw_enough(model: ModelUse, run: Run | None) -> bool:
    """Whether a model saw its longest sequence once, or as many batches as its run has points: one that broke off has few."""
    steps = [*(s.steps for s in run.scalars), *(h.steps for h in run.histograms)] if run else []
    points = max(map(len, steps), default=0)
    batches = max((sequence.length for sequence in model.sequences), default=0)
    return model.steps is None or model.steps >= min(points, batches)


def _unseen(runs: Sequence[str]) -> Verdict:
    return undecided(
        "run.unseen",
        "The run {runs} has event files, but no model of the course library was seen to be trained for it. A person has to "
        "look where they come from.",
        runs=", ".join(runs),
    )


def _has_layers(model: ModelUse, experiment: Experiment) -> bool:
    """Whether a model's layers are those asked for, with their activations as far as these have well-known names, and with
    their numbers of units as far as these are known."""
    own, units = _activations(model), _units(model)
    return (
        _are_kinds(model, experiment)
        and (len(own) != len(experiment.activations) or all(map(_may_be, own, experiment.activations)))
        and (len(units) != len(experiment.units) or units == experiment.units)
    )


def _are_kinds(model: ModelUse, experiment: Experiment) -> bool:
    kinds = experiment.layers
    return len(model.layers) == len(kinds) and all(map(LayerUse.is_a, model.layers, kinds))


def _activations(model: ModelUse) -> tuple[str, ...]:
    return tuple(layer.activation for layer in model.layers if layer.activation is not None)


def _units(model: ModelUse) -> tuple[int, ...]:
    return tuple(layer.outputs for layer in model.layers if layer.outputs is not None)


def _may_be(name: str, wanted: str) -> bool:
    return name == wanted or name not in _ACTIVATIONS


def is_shared(case: Case, assignment: Assignment, name: str) -> bool:
    """Whether another training than the one asked for logged to a run too, so that its curves are a tangle."""
    models = models_of(case, name)
    return len(models) > 1 and not all(_has_layers(model, assignment.experiment(name)) for model in models)


def models_of(case: Case, name: str) -> list[ModelUse]:
    """The models that logged to a run, in order."""
    return [model for model in case.execution.models if model.run == name]


def model_of(case: Case, name: str) -> ModelUse | None:
    """The last model that logged to a run."""
    return next(reversed(models_of(case, name)), None)


def _fault_of(case: Case, name: str) -> Fault | None:
    """What ended the first cell that was to train a run and did not come to its end."""
    cells = {cell.index for cell in case.submission.cells if name in runs_named(cell) and trains(cell)}
    return next((run.fault for run in case.execution.cells if run.index in cells and run.fault), None)


def _not_logged(case: Case, name: str) -> Finding:
    died = case.execution.fault
    stopped = died or _fault_of(case, name)
    others = ", ".join(sorted(case.runs))
    held = say("logs/ holds {names}", names=others) if others else say("logs/ holds nothing")
    why = words_of(stopped) if stopped else None
    if died and why:
        why = say("the notebook ended early: {why}", why=why)
    return Finding(
        code="run.missing",
        message=say("The run logs/{run} was not written when the notebook was run.", run=name),
        expected=say("event files in logs/{run}", run=name),
        actual=listed((held, why), "; ") if why else held,
        hint=say("Mend the error in the cell, restart the kernel and run all cells from the top.")
        if why
        else say("Make a writer for exactly this folder, train with it, and check that the cell comes to its end."),
        cell=stopped.cell if stopped else None,
        run=name,
    )


def _broken_off(case: Case, name: str) -> Finding:
    cells = {cell.index for cell in case.submission.cells if name in runs_named(cell)}
    fault = _fault_of(case, name)
    return Finding(
        code="run.broken_off",
        message=say("The run {run} began, but its cell did not come to its end.", run=name),
        expected=say("a training to its last epoch"),
        actual=words_of(fault) if fault else say("a cell that did not end"),
        hint=say("Mend the error in the cell, restart the kernel and run all cells from the top."),
        cell=min(cells, default=None),
        run=name,
    )


def _other_layers(name: str, experiment: Experiment, model: ModelUse) -> Finding:
    kinds = [layer.kind for layer in model.layers]
    sizes, functions = (experiment.units, _units(model)), (experiment.activations, _activations(model))
    unlike = sizes if len(sizes[0]) == len(sizes[1]) and sizes[0] != sizes[1] else functions
    expected, actual = unlike if _are_kinds(model, experiment) else (experiment.layers, kinds)
    return Finding(
        code="run.other_layers",
        message=say("The run {run} was trained with other layers than the task asks for.", run=name),
        expected=", ".join(map(str, expected)),
        actual=", ".join(map(str, actual)),
        hint=say("Take the layers from the task, in the same order, and run the cell again."),
        run=name,
    )


def too_short(case: Case, assignment: Assignment, name: str) -> Finding | None:
    """The finding for an experiment that was trained for fewer epochs than asked. What fit_generator itself leaves out is
    not counted here: that is its own criterion's."""
    found, wanted = trained_epochs(case, assignment, name), assignment.epochs - _left_out(case)
    if found is None or found >= wanted or asks_for(case, name, assignment.epochs):
        return None
    return Finding(
        code="run.fewer_epochs",
        message=say("The run {run} was trained for fewer epochs than the task asks for.", run=name),
        expected=counted("{n} epoch", "{n} epochs", assignment.epochs),
        actual=str(found),
        hint=say("Take the number of epochs from the task: otherwise the curves cannot be compared."),
        run=name,
    )


def asks_for(case: Case, name: str, epochs: int) -> bool:
    """Whether the cells of a run ask for that many epochs: that the function then ends early is its own criterion's."""
    trees = [code_of(cell.source) for cell in case.submission.cells if name in runs_named(cell)]
    calls = [node for tree in trees if tree for node in ast.walk(tree) if isinstance(node, ast.Call)]
    trainings = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "fit_generator"]
    given = [[*c.args[2:3], *(k.value for k in c.keywords if k.arg in ("epoch", "epochs"))] for c in trainings]
    values = [value.value if isinstance(value, ast.Constant) else None for values in given for value in values]
    return bool(values) and all(isinstance(value, int) and value >= epochs for value in values)


def trained_epochs(case: Case, assignment: Assignment, name: str) -> int | None:
    """How many epochs a run was trained, as printed lines and validation points tell; None where nothing tells."""
    run, printed = logged_experiments(case, assignment).get(name), epochs_printed(case, name)
    reading = reading_of(case, "validation_loss")
    series = series_of(case, run, "validation_loss") if run and reading and reading.quality != "mixed" else None
    counted = len(np.unique(series.steps)) if series is not None else None
    return max((count for count in (printed, counted) if count is not None), default=None)


def _left_out(case: Case) -> int:
    """Epochs that fit_generator leaves out of those that it is asked for, as the probe saw it fetch batches."""
    evidence = evidence_for(case, "fit_generator")
    fetched = evidence.arrays.get("main_train_at") if evidence else None
    if evidence is None or fetched is None:
        return 0
    return max(0, task_of(evidence, "main").epochs - int((fetched == 0).sum()))


def first_bad_value(run: Run) -> tuple[str, int] | None:
    """(tag, step) of the first value that is NaN or infinite, scalars and histograms alike."""
    found = [(int(s.steps[i]), s.tag) for s in run.scalars for i in np.flatnonzero(~np.isfinite(s.values))[:1]]
    found += [(step, series.tag) for series in run.histograms if (step := first_bad_step(series)) is not None]
    return (min(found)[1], min(found)[0]) if found else None


def not_finite(name: str, run: Run, model: ModelUse | None) -> Finding | None:
    bad = first_bad_value(run)
    if bad is None:
        return None
    return Finding(
        code="run.not_finite",
        message=say("The run {run} has values that are NaN or infinite.", run=name),
        expected=say("finite values throughout"),
        actual=say("first seen in {tag} at step {step}", tag=bad[0], step=bad[1]),
        hint=_SPOILED if _began_spoiled(run, model) else _FIRST_LAYER,
        run=name,
        tag=bad[0],
        step=bad[1],
    )


_SPOILED = say(
    "Its weights are NaN before its first update: another training has spoiled them. Make new layers for each experiment, "
    "do not hand on those of a model that was trained before."
)
_FIRST_LAYER = say(
    "Find the first layer whose output is not finite: the histograms of its inputs show why. If all outputs are "
    "finite, a gradient is not: look for a 0/0 that is only painted over afterwards."
)


def _began_spoiled(run: Run, model: ModelUse | None) -> bool:
    """Whether weights were NaN already when a training began: the library's layers log them before each update."""
    kernels = [run.histogram(f"{layer.name}_kernel") for layer in model.layers] if model else []
    return any(h is not None and len(h.buckets) > 0 and h.steps[0] <= 1 and is_nan(h.buckets[0]) for h in kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much lower the loss of one run ends than that of another, and what reference seeds say of that difference
    (None where there is no reference for these data)."""

    witness: str
    gain: float
    spread: Spread | None

    @property
    def better(self) -> bool:
        """Whether the gain is more than two runs of the worse kind differ by chance; without a reference, any gain is."""
        return self.gain > (self.spread.noise if self.spread is not None else 0.0)

    @property
    def as_usual(self) -> bool:
        """Whether the reference's own seeds explain the gain, however small."""
        return self.spread is not None and self.gain >= self.spread.least


def compare(case: Case, assignment: Assignment, better: str, worse: str) -> Comparison | None:
    """Compare the ends of two runs by the first witness that both have. None when there is none."""
    for witness in _witnesses(case):
        ends = _end(case, assignment, better, witness), _end(case, assignment, worse, witness)
        if ends[0] is not None and ends[1] is not None:
            known = spread(case.reference, better, worse, witness)
            return Comparison(witness=witness, gain=ends[1] - ends[0], spread=known)
    return None


def _witnesses(case: Case) -> tuple[str, ...]:
    """The losses that may be compared: those that the probe knows by value; where it knows none, by their names."""
    return tuple(w for w in WITNESSES if reading_of(case, w) is not None) or WITNESSES


def compare_with_reference(case: Case, assignment: Assignment, better: str, worse: str) -> Comparison | None:
    """The same, but with the reference's run of `worse`, for a notebook whose own is not the one asked for."""
    for witness in _witnesses(case):
        end, band = _end(case, assignment, better, witness), case.reference.bands.get((worse, witness))
        if end is not None and band is not None:
            known = spread(case.reference, better, worse, witness)
            typical = float(tail_means(band.values).mean())
            return Comparison(witness=witness, gain=typical - end, spread=known)
    return None


def has_reference(case: Case, name: str) -> bool:
    """Whether there are runs of the reference, with this profile and these data, to compare a run with."""
    return any((name, witness) in case.reference.bands for witness in WITNESSES)


def _end(case: Case, assignment: Assignment, name: str, witness: str) -> float | None:
    run = case.runs.get(name)
    series = series_of(case, run, witness) if run else None
    values = _own_part(series, case, assignment, name) if series is not None else np.empty(0)
    return tail_mean(values) if len(values) and np.isfinite(values).all() else None


def _own_part(series: Scalars, case: Case, assignment: Assignment, name: str) -> Floats:
    """The values of a series that are of the experiment, where another training logged to its run too."""
    models = models_of(case, name)
    parts = np.split(series.values, np.flatnonzero(np.diff(series.steps) < 0) + 1)
    if len(models) < 2 or len(parts) != len(models):
        return series.values
    right = [part for part, m in zip(parts, models, strict=True) if _has_layers(m, assignment.experiment(name))]
    return right[-1] if right else series.values


def _how_it_ends(comparison: Comparison | None) -> Message:
    if comparison is None:
        return say("no loss was logged in both")
    return say(
        "its {loss} ends {gain:.3g} lower" if comparison.gain > 0 else "its {loss} ends {gain:.3g} higher",
        loss=say(comparison.witness.replace("_", " ")),
        gain=abs(comparison.gain),
    )


def not_better(case: Case, better: str, worse: str, comparison: Comparison | None) -> Finding:
    known = comparison.spread if comparison is not None else None
    return Finding(
        code="run.not_better",
        message=say("The run {better} does not learn better than {worse}.", better=better, worse=worse),
        expected=say("{run} ends with the lower loss, by about {usual:.3g}", run=better, usual=known.usual)
        if known is not None
        else say("{run} ends with the lower loss", run=better),
        actual=_how_it_ends(comparison),
        hint=say("Look at both curves below, and compare the layers and the data of the two experiments."),
        run=better,
    )
