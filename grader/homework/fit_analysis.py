"""What a probe of fit_generator showed: whose gradient each tag holds, and what each scalar is. By value, not by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grader.homework.expected import Parameters, Task, Training
from grader.homework.questions import task_of
from grader.homework.series import bad_points, is_histogram_of, size
from grader.homework.traced import Traced, Validated, traced
from grader.records import Evidence, Floats, Histograms, Run, Scalars

TOLERANCE = 1e-4  # float32 metrics and summaries keep 7 digits; three of them are left for sums in another order
LIBRARY_SUFFIXES = {  # in the order of the forward pass
    "dense": ("kernel", "bias", "z", "activation"),
    "batch_norm": ("beta", "gamma", "mu", "sigma", "normed", "out"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A trainable variable of the probe's model: its place in `trainable_variables`, its layer, its own name."""

    index: int
    layer: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} of {self.layer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagReading:
    """What the points of a histogram tag were found to be: for each point (label, variable index or None, iteration)."""

    tag: str
    points: tuple[tuple[int, int | None, int], ...]
    kind: str  # "gradient", "stale", "labels", "mixed", one of those of _other_kind, or "unknown"
    variable: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarReading:
    """What a scalar tag was found to be. `role` is e.g. "validation_loss"; `quality` is "exact", "batch_means" (every batch
    weighs the same) or "mixed" (the values of the whole set are among others, or steps do not grow); `began` says that
    the points stand at the steps where their epochs began."""

    tag: str
    role: str
    quality: str
    began: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """The main scenario, computed and compared."""

    task: Task
    training: Training
    validated: Validated
    run: Run | None
    variables: tuple[Variable, ...]
    tags: tuple[TagReading, ...]
    scalars: tuple[ScalarReading, ...]

    def gradient_tag(self, variable: Variable) -> TagReading | None:
        return _gradient_tag(self.tags, variable)

    def scalar(self, role: str) -> ScalarReading | None:
        """The best reading of a role."""
        order = ("exact", "batch_means", "mixed")
        found = [reading for reading in self.scalars if reading.role == role]
        return min(found, key=lambda reading: order.index(reading.quality), default=None)


def _gradient_tag(tags: Iterable[TagReading], variable: Variable) -> TagReading | None:
    """The series of a variable's gradient. Points that each stand under a tag of their own are no series."""
    own = [t for t in tags if t.kind == "gradient" and t.variable == variable.index]
    return max((t for t in own if len(own) == 1 or len(t.points) > 1), key=lambda t: len(t.points), default=None)


@lru_cache(maxsize=8)
def analyse(evidence: Evidence) -> Analysis:
    """Compare what the main scenario logged with what it must have been."""
    task, seen = task_of(evidence, "main"), traced(evidence, "main")
    run = next((run for run in evidence.runs if run.name == "main"), None)
    variables = _variables(task)
    return Analysis(
        task=task,
        training=seen.training,
        validated=seen.validated,
        run=run,
        variables=variables,
        tags=_tags_of(run, task, seen, variables) if run else (),
        scalars=tuple(_read_scalars(run.scalars, seen)) if run else (),
    )


def _tags_of(run: Run, task: Task, seen: Traced, variables: Sequence[Variable]) -> tuple[TagReading, ...]:
    """All tags as they were read. What those hold that are no gradients is asked only where a gradient is missing."""
    tags = _read_tags(run, task, seen, closely=False)
    if all(_gradient_tag(tags, variable) for variable in variables):
        return tags
    return _read_tags(run, task, seen, closely=True)


def _read_tags(run: Run, task: Task, seen: Traced, *, closely: bool) -> tuple[TagReading, ...]:
    """Each tag read as gradients of the course's loss, or where training went its own way, as those that were applied: a
    mistake in the training costs nothing for what is logged about it, as long as that is true."""
    witnesses = [
        (training, _Values([step.gradients for step in training.steps]), _labels(task, training, run))
        for training in seen.witnesses
    ]
    readings = [[_read_tag(h, *witness, closely=closely) for witness in witnesses] for h in run.histograms]
    return tuple(next((r for r in by_witness if r.kind == "gradient"), by_witness[0]) for by_witness in readings)


def _variables(task: Task) -> tuple[Variable, ...]:
    names = {"dense": ("w", "b"), "batch_norm": ("beta", "gamma")}
    pairs = [(layer, name) for layer in task.layers for name in names[layer.kind]]
    return tuple(Variable(index=i, layer=layer.name, name=name) for i, (layer, name) in enumerate(pairs))


# --- histograms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What the numbers mean that stand as steps in the event files: the iteration that a label stands for, where the library's
    own histograms say it, and what is to be taken off any other."""

    known: Mapping[int, int]
    offset: int

    def iteration(self, label: int) -> int:
        return self.known.get(label, label - self.offset)


def _labels(task: Task, training: Training, run: Run) -> Labels:
    """Read off the library's own kernel histograms, whose weights are those before the update of their step: a student may
    count from one, or images instead of steps. A gradient that stands under another label than the weights it belongs to is
    that of another step."""
    votes: dict[int, Counter[int]] = {}
    for index, layer in enumerate(task.layers):
        series = run.histogram(f"{layer.name}_kernel") if layer.kind == "dense" else None
        weights = _Values([(step.parameters[2 * index],) for step in training.steps])
        for label, buckets in zip(series.steps, series.buckets, strict=True) if series else ():
            _, iteration = weights.locate(buckets, int(label), int(label) - 1)
            if iteration >= 0:
                votes.setdefault(int(label), Counter())[iteration] += 1
    known = {label: found.most_common(1)[0][0] for label, found in votes.items()}
    offsets = Counter(label - iteration for label, iteration in known.items() if label - iteration in (0, 1))
    return Labels(known=known, offset=offsets.most_common(1)[0][0] if offsets else 0)


def _read_tag(
    series: Histograms, training: Training, gradients: _Values, labels: Labels, *, closely: bool
) -> TagReading:
    at = [labels.iteration(int(label)) for label in series.steps]
    own = gradients.aligned_owner(series, at)
    if own is not None:
        points = tuple((int(label), own, iteration) for label, iteration in zip(series.steps, at, strict=True))
        return TagReading(tag=series.tag, points=points, kind="gradient", variable=own)
    found = tuple(
        (int(label), *gradients.locate(buckets, iteration))
        for label, buckets, iteration in zip(series.steps, series.buckets, at, strict=True)
    )
    owners = {variable for _, variable, _ in found}
    if None in owners or not found:
        return TagReading(
            tag=series.tag, points=found, kind=_other_kind(series, training, at) if closely else "unknown"
        )
    if len(owners) > 1:
        return TagReading(tag=series.tag, points=found, kind="mixed")
    grows = all(a < b for a, b in pairwise(series.steps))
    if grows and _by_epoch(found, len(training.epochs[0])):
        return TagReading(tag=series.tag, points=found, kind="gradient", variable=found[0][1])
    return TagReading(tag=series.tag, points=found, kind="stale" if grows else "labels", variable=found[0][1])


def _by_epoch(points: Sequence[tuple[int, int | None, int]], steps: int) -> bool:
    """Whether points are labelled with the epoch, from 0 or from 1, whose gradients they hold."""
    return any(all(label - first == iteration // steps for label, _, iteration in points) for first in (0, 1))


class _Values:
    """Arrays, such as gradients, by iteration and variable, with their ranges [iterations, variables] for a first look."""

    def __init__(self, values: Sequence[Parameters]) -> None:
        self.values = values
        flat = np.array([np.concatenate([value.ravel() for value in step]) for step in self.values])
        begins = np.cumsum([0, *(value.size for value in self.values[0][:-1])] if self.values else [], dtype=np.intp)
        self.low = np.minimum.reduceat(flat, begins, axis=1) if flat.size else flat
        self.high = np.maximum.reduceat(flat, begins, axis=1) if flat.size else flat

    def aligned_owner(self, series: Histograms, at: Sequence[int]) -> int | None:
        """The variable whose values every point holds, each at its own iteration, these growing; or None."""
        if not at or min(at) < 0 or max(at) >= len(self.values) or any(b <= a for a, b in pairwise(at)):
            return None
        count = size(series.buckets[0])
        fitting = (i for i, value in enumerate(self.values[0]) if value.size == count)
        return next((variable for variable in fitting if self._holds(series, at, variable)), None)

    def _holds(self, series: Histograms, at: Sequence[int], variable: int) -> bool:
        usual = float(max(-self.low[:, variable].min(), self.high[:, variable].max()))
        points = zip(at, series.buckets, strict=True)
        return all(is_histogram_of(b, self.values[i][variable], TOLERANCE, usual) for i, b in points)

    def locate(self, buckets: Floats, *guesses: int) -> tuple[int | None, int]:
        """(variable, iteration) whose values a histogram was made of, guessed iterations first; (None, -1) if none."""
        order = {iteration: place for place, iteration in enumerate(guesses)}
        candidates = sorted(self._candidates(buckets), key=lambda place: (order.get(place[0], len(order)), place))
        for iteration, variable in candidates:
            if is_histogram_of(buckets, self.values[iteration][variable], TOLERANCE):
                return variable, iteration
        return None, -1

    def _candidates(self, buckets: Floats) -> list[tuple[int, int]]:
        if not len(buckets) or not self.low.size:
            return []
        scale = TOLERANCE * np.maximum(np.abs(self.low), np.abs(self.high))
        near = (np.abs(self.low - buckets[0, 0]) <= scale) & (np.abs(self.high - buckets[-1, 1]) <= scale)
        return [(int(iteration), int(variable)) for iteration, variable in np.argwhere(near)]


def _other_kind(series: Histograms, training: Training, iterations: Sequence[int]) -> str:
    """Names for what a tag holds when it is no gradient, to say something helpful. The last point is looked at."""
    if not len(series.buckets) or not len(series.buckets[-1]) or any(bad_points(series)):
        return "unknown"
    at, last = iterations[-1], series.buckets[-1]
    if not 0 <= at < len(training.steps):
        return "unknown"
    step, after = training.steps[at], _parameters_after(training, at)
    count = len(step.losses)
    kinds: Mapping[str, Callable[[], Iterable[Floats]]] = {
        "weights": lambda: (*step.parameters, *after),
        "mean_gradient": lambda: (g / count for g in step.gradients),
        "absolute": lambda: (np.abs(g) for g in step.gradients),
        "negative": lambda: (-g for g in step.gradients),
        "change": lambda: (p - q for p, q in zip(after, step.parameters, strict=True)),
        "norm": lambda: (np.asarray(np.sqrt((g * g).sum())) for g in step.gradients),
        "all_in_one": lambda: [np.concatenate([g.ravel() for g in step.gradients])],
        "zeros": lambda: (np.zeros_like(g) for g in step.gradients),
        "clipped": lambda: (np.clip(g, *_edges(last)) for g in step.gradients if _cuts(last, g)),
    }
    held = (kind for kind, made in kinds.items() if any(is_histogram_of(last, value, TOLERANCE) for value in made()))
    return next(held, "unknown")


def _parameters_after(training: Training, at: int) -> Parameters:
    return training.steps[at + 1].parameters if at + 1 < len(training.steps) else training.final


def _edges(buckets: Floats) -> tuple[float, float]:
    return float(buckets[0, 0]), float(buckets[-1, 1])


def _cuts(buckets: Floats, values: Floats) -> bool:
    """Whether a histogram's range is a part of the values' range."""
    low, high = _edges(buckets)
    return low < high and (low > values.min() or high < values.max())


# --- scalars --------------------------------------------------------------------------------------------------------


def _read_scalars(scalars: Sequence[Scalars], seen: Traced) -> list[ScalarReading]:
    running = _running(seen.training)
    per_epoch = {"train_loss": seen.training.train_loss, "train_accuracy": seen.training.train_accuracy}
    steps = len(seen.training.epochs[0])
    found = [_validation_reading(s, seen.validated, steps) or _train_reading(s, running, per_epoch) for s in scalars]
    return [reading for reading in found if reading is not None]


def _validation_reading(series: Scalars, validated: Validated, steps: int) -> ScalarReading | None:
    grows = bool(np.all(np.diff(series.steps) > 0))
    for role, values, means, at_once in (
        ("validation_loss", validated.losses, validated.batch_losses, validated.at_once_losses),
        ("validation_accuracy", validated.accuracies, validated.batch_accuracies, validated.at_once_accuracies),
    ):
        began = bool(np.array_equal(series.steps, np.arange(len(validated.ends)) * steps))
        for quality, expected in (("exact", values), ("batch_means", means), ("exact", at_once)):
            if _selects(series.values, expected, validated.ends):
                return ScalarReading(tag=series.tag, role=role, quality=quality if grows else "mixed", began=began)
        if contains(series.values, values[list(validated.ends)]):
            return ScalarReading(tag=series.tag, role=role, quality="mixed")
    return None


def _selects(actual: Floats, candidates: Floats, ends: Sequence[int]) -> bool:
    """Whether values are candidates, in order, with one at least of each epoch: after the end of the one before it."""
    if _equal(actual, candidates[list(ends)]) or _equal(actual, candidates):
        return True
    places, place = [], -1
    for value in actual:
        found = np.flatnonzero(near(candidates[place + 1 :], value))
        if not len(found):
            return False
        place += 1 + int(found[0])
        places.append(place)
    before = (-1, *ends[:-1])
    return bool(ends) and all(any(a < p <= b for p in places) for a, b in zip(before, ends, strict=True))


def near(expected: Floats, actual: Floats | float) -> NDArray[np.bool_]:
    """Which values a logged one, of seven digits, may stand for."""
    return np.asarray(np.abs(expected - actual) <= TOLERANCE * np.abs(expected) + 1e-6)


def _equal(actual: Floats, expected: Floats) -> bool:
    return len(actual) == len(expected) and bool(near(expected, actual).all())


def contains(actual: Floats, expected: Floats) -> bool:
    """Whether the expected values occur in order among the actual ones."""
    position = 0
    for value in actual:
        if position < len(expected) and near(expected[position], value):
            position += 1
    return position == len(expected)


def _train_reading(
    series: Scalars, running: Mapping[str, Floats], per_epoch: Mapping[str, Floats]
) -> ScalarReading | None:
    for role, values in running.items():
        for shift in (0, 1):
            at = series.steps - shift
            inside = (at >= 0) & (at < len(values))
            if inside.all() and len(at) and np.allclose(series.values, values[at], rtol=TOLERANCE, atol=1e-6):
                return ScalarReading(tag=series.tag, role=role, quality="exact")
    for role, values in per_epoch.items():
        if _equal(series.values, values):
            return ScalarReading(tag=series.tag, role=role, quality="exact")
    return None


def _running(training: Training) -> dict[str, Floats]:
    """Loss and accuracy as Keras's metrics show them during an epoch: over the samples so far [steps]."""
    found: dict[str, list[float]] = {"train_loss": [], "train_accuracy": []}
    for steps in training.epochs:
        sizes = np.cumsum([len(step.losses) for step in steps])
        found["train_loss"] += list(np.cumsum([step.losses.sum() for step in steps]) / sizes)
        found["train_accuracy"] += list(np.cumsum([step.correct.sum() for step in steps]) / sizes)
    return {role: np.array(values) for role, values in found.items()}
