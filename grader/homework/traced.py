"""What the probe of fit_generator saw a training do: batches fetched, updates applied, weights at each of these moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.homework.expected import (
    Parameters,
    Step,
    Task,
    Training,
    batches,
    evaluate,
    followed,
    gradients,
    train,
    whole_training,
)
from grader.homework.questions import VALIDATION, task_of
from grader.language import Message, counted, say
from grader.records import Evidence, Floats

LONG = "long"  # the scenario with more batches than any number in the code
TRAINED = 5e-5  # of the way that weights went: a detour of the batches by float32 costs 4e-7 of it, one by float16 3e-4 and more
SAME = 1e-3  # of a weight, at one moment and at another


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fetch:
    """A batch's number, the moment it was fetched, and the parameters at that moment."""

    number: int
    when: int
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Update:
    """The moment of an update, the parameters before it, and the gradients that were applied (NaN where none was)."""

    when: int
    parameters: Parameters
    gradients: Parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validated:
    """What may be logged as validation: losses and accuracies of the whole validation set, batch by batch or all at once, and
    means of its batches' means, each [candidates], at each moment when a pass over it began and at each epoch's end; `ends` are
    the places of those."""

    losses: Floats
    accuracies: Floats
    batch_losses: Floats
    batch_accuracies: Floats
    at_once_losses: Floats
    at_once_accuracies: Floats
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traced:
    """A training as it was done. Each of `witnesses` has what a gradient of each of its steps may be: the first one, of the
    course's loss at the weights when a batch was fetched; the others, where training went its own way, of its updates, and
    what was applied in them."""

    witnesses: tuple[Training, ...]
    validated: Validated

    @property
    def training(self) -> Training:
        return self.witnesses[0]


@lru_cache(maxsize=8)
def traced(evidence: Evidence, name: str) -> Traced:
    """A scenario's training. Where the weights went the course's way it is the course's, computed; else what was seen."""
    task, way = task_of(evidence, name), distance(evidence, name)
    validation = _fetches(evidence, name, "validation")
    witnesses = [] if way is None or way <= TRAINED else _own_way(evidence, name, validation)
    training = witnesses[0] if witnesses else _course(evidence, name)
    return Traced(witnesses=tuple(witnesses or [training]), validated=_validated(task, training, validation))


def distance(evidence: Evidence, name: str) -> float | None:
    """How far a scenario's weights ended from where the course's method takes them, relative to how far they should
    have gone (the largest of all variables). None when they could not be read back."""
    task = task_of(evidence, name)
    expected, found = _course(evidence, name).final, _final(evidence, name)
    if any(a is None or a.shape != e.shape for a, e in zip(found, expected, strict=True)):
        return None
    three = zip(task.parameters, expected, found, strict=True)
    return max(_off(first, last, np.asarray(actual, np.float64)) for first, last, actual in three)


def _off(first: Floats, last: Floats, actual: Floats) -> float:
    """How far a variable ended from `last`, relative to its way from `first`."""
    way, gap = float(np.abs(last - first).max()), float(np.abs(actual - last).max())
    if not gap:
        return 0.0
    return gap / way if way and np.isfinite(gap) else np.inf


@lru_cache(maxsize=8)
def _course(evidence: Evidence, name: str) -> Training:
    """The course's own training of a scenario: along the weights that were seen where these are its own, else step by step."""
    task, final = task_of(evidence, name), _final(evidence, name)
    steps = task.epochs * len(batches(*task.train, task.batch_size))
    weights = _stacked(evidence, f"{name}_train_w", task, steps)
    if weights is None or any(a is None or a.shape != w.shape[1:] for a, w in zip(final, weights, strict=True)):
        return train(task)
    ends = [np.asarray(value, np.float64)[np.newaxis] for value in final]
    return followed(task, tuple(np.concatenate(pair) for pair in zip(weights, ends, strict=True))) or train(task)


def _final(evidence: Evidence, name: str) -> list[NDArray[np.generic] | None]:
    return [evidence.arrays.get(f"{name}_f{i}") for i in range(len(task_of(evidence, name).parameters))]


# --- notes ----------------------------------------------------------------------------------------------------------


def _fetches(evidence: Evidence, name: str, part: str) -> list[Fetch]:
    """In the order of fetching; nothing when the notes do not fit the task."""
    task, prefix = task_of(evidence, name), f"{name}_{part}"
    numbers, whens = (evidence.arrays.get(f"{prefix}_{what}", np.zeros(0, np.int64)) for what in ("at", "when"))
    weights = _stacked(evidence, f"{prefix}_w", task, len(whens))
    if weights is None or numbers.shape != whens.shape:
        return []
    count = len(batches(*(task.train if part == "train" else task.validation), task.batch_size))
    return [
        Fetch(number=int(number), when=int(when), parameters=tuple(w[i] for w in weights))
        for i, (number, when) in enumerate(zip(numbers, whens, strict=True))
        if 0 <= int(number) < count
    ]


def _updates(evidence: Evidence, name: str) -> list[Update]:
    task, prefix = task_of(evidence, name), f"{name}_apply"
    whens = evidence.arrays.get(f"{prefix}_when", np.zeros(0, np.int64))
    weights, applied = (_stacked(evidence, f"{prefix}_{what}", task, len(whens)) for what in ("w", "g"))
    if weights is None or applied is None:
        return []
    return [
        Update(when=int(when), parameters=tuple(w[i] for w in weights), gradients=tuple(g[i] for g in applied))
        for i, when in enumerate(whens)
    ]


def _stacked(evidence: Evidence, prefix: str, task: Task, count: int) -> list[Floats] | None:
    """An array [count, …] for each parameter; None when one is missing or of another shape."""
    found = [
        np.asarray(evidence.arrays.get(f"{prefix}{i}", np.zeros(0)), np.float64) for i in range(len(task.parameters))
    ]
    fits = all(a.shape == (count, *p.shape) for a, p in zip(found, task.parameters, strict=True))
    return found if fits and count else None


# --- a way of its own -----------------------------------------------------------------------------------------------


def _own_way(evidence: Evidence, name: str, validation: Sequence[Fetch]) -> list[Training]:
    """The steps that were seen: one for each batch that was fetched, unless all were fetched beforehand; one for each update,
    with the gradients of the course's loss, and with those that were applied."""
    task, updates, train = task_of(evidence, name), _updates(evidence, name), _fetches(evidence, name, "train")
    final = tuple(np.asarray(value, dtype=np.float64) for value in _final(evidence, name))
    by_batch = [(f.when, f.parameters) for f in train] if _moves(train) else []
    by_update = [(u.when, u.parameters) for u in updates]
    found = [_retraced(task, own, train, validation, final) for own in (by_batch, by_update) if own and train]
    return [*found, *(_applied(t, updates) for t in found if len(t.steps) == len(updates))]


def _moves(train: Sequence[Fetch]) -> bool:
    """Whether weights change from batch to batch, as far as batches go: a set that is listed beforehand shows none of it."""
    return any(not _alike(a.parameters, b.parameters) for a, b in pairwise(train))


def _retraced(
    task: Task,
    moments: Sequence[tuple[int, Parameters]],
    train: Sequence[Fetch],
    validation: Sequence[Fetch],
    final: Parameters,
) -> Training:
    """A training whose steps are these moments, each with the batch that was fetched last before it."""
    parts, at, steps = batches(*task.train, task.batch_size), 0, []
    for when, parameters in moments:
        while at + 1 < len(train) and train[at + 1].when <= when:
            at += 1
        steps.append((when, gradients(task.layers, parameters, *parts[train[at].number])))
    epochs = _by_epoch(steps, validation, task.epochs)
    ends = [_end(own, validation, after) for own, after in _with_next(epochs, final)]
    return whole_training([[step for _, step in own] for own in epochs], ends)


def _with_next(
    epochs: Sequence[Sequence[tuple[int, Step]]], final: Parameters
) -> list[tuple[Sequence[tuple[int, Step]], Parameters]]:
    """Each epoch with the parameters that come after it."""
    return list(zip(epochs, [*(own[0][1].parameters for own in epochs[1:]), final], strict=True))


def _end(steps: Sequence[tuple[int, Step]], validation: Sequence[Fetch], after: Parameters) -> Parameters:
    """The parameters that an epoch is validated with: those at the next pass over the validation set, if there is one."""
    last = steps[-1][0]
    return next((fetch.parameters for fetch in validation if fetch.number == 0 and fetch.when > last), after)


def _by_epoch(
    steps: Sequence[tuple[int, Step]], validation: Sequence[Fetch], epochs: int
) -> list[list[tuple[int, Step]]]:
    """Steps between which a pass over the validation set began are of different epochs; without any, all are alike long."""
    begins = [fetch.when for fetch in validation if fetch.number == 0]
    found: dict[int, list[tuple[int, Step]]] = {}
    for index, (when, step) in enumerate(steps):
        epoch = int(np.searchsorted(begins, when)) if len(begins) > 1 else index * epochs // len(steps)
        found.setdefault(epoch, []).append((when, step))
    return list(found.values())


def _applied(training: Training, updates: Sequence[Update]) -> Training:
    """The same steps with the gradients that the optimizer was given."""
    rest = iter(updates)
    epochs = tuple(tuple(replace(step, gradients=next(rest).gradients) for step in steps) for steps in training.epochs)
    return replace(training, epochs=epochs)


# --- validation -----------------------------------------------------------------------------------------------------


def _validated(task: Task, training: Training, fetches: Sequence[Fetch]) -> Validated:
    """The moments that validation may be of: those when a pass began, if every epoch's end is among them; else these."""
    ends, seen = training.validated, _distinct([fetch.parameters for fetch in fetches if fetch.number == 0])
    places = _places(ends, seen)
    moments, at = (seen, places) if len(places) == len(ends) else (ends, tuple(range(len(ends))))
    values = np.array([evaluate(task, parameters) for parameters in moments]).reshape(-1, 4)
    whole = replace(task, batch_size=max(1, len(task.validation[1])))  # batch norm sees other statistics there
    at_once = np.array([evaluate(whole, parameters) for parameters in moments]).reshape(-1, 4)
    return Validated(
        losses=values[:, 0],
        accuracies=values[:, 1],
        batch_losses=values[:, 2],
        batch_accuracies=values[:, 3],
        at_once_losses=at_once[:, 0],
        at_once_accuracies=at_once[:, 1],
        ends=at,
    )


def _distinct(moments: Sequence[Parameters]) -> list[Parameters]:
    """Without those that are like the one before: a set that is gone over twice is validated once."""
    return [p for i, p in enumerate(moments) if i == 0 or not _alike(p, moments[i - 1])]


def _places(ends: Sequence[Parameters], seen: Sequence[Parameters]) -> tuple[int, ...]:
    """Where the ends of epochs stand among the moments that were seen, as far as they are found in order."""
    places: list[int] = []
    for parameters in ends:
        after = range(places[-1] + 1 if places else 0, len(seen))
        place = next((i for i in after if _alike(seen[i], parameters)), None)
        if place is None:
            break
        places.append(place)
    return tuple(places)


def _alike(some: Parameters, others: Parameters) -> bool:
    """As `numpy.allclose` of each pair, which takes three times as long on arrays as small as these."""
    with np.errstate(invalid="ignore"):
        return all(bool(((a == b) | (np.abs(a - b) <= _room(b))).all()) for a, b in zip(some, others, strict=True))


def _room(values: Floats) -> Floats:
    """How far another value may be from each of these: what is infinite is like nothing else."""
    return np.where(np.isfinite(values), 1e-6 + SAME * np.abs(values), -1.0)


# --- in words -------------------------------------------------------------------------------------------------------


def scenarios_of(evidence: Evidence) -> tuple[str, ...]:
    scenarios: Any = evidence.question.settings["scenarios"]
    return tuple(str(scenario["name"]) for scenario in scenarios)


def passes_cut_short(evidence: Evidence) -> tuple[int, int] | None:
    """(batches seen, batches there are) of a validation in the long scenario that left some out; None where all is well."""
    if LONG not in scenarios_of(evidence):
        return None
    fetches, task = _fetches(evidence, LONG, "validation"), task_of(evidence, LONG)
    seen, there = len({fetch.number for fetch in fetches}), len(batches(*task.validation, task.batch_size))
    return (seen, there) if 0 < seen < min(there - 1, VALIDATION) else None


def seen_otherwise(evidence: Evidence, name: str) -> Message | None:
    """What a training was seen to do otherwise, as far as the notes tell; None where they tell nothing."""
    task, updates = task_of(evidence, name), _updates(evidence, name)
    train, validation = (_fetches(evidence, name, part) for part in ("train", "validation"))
    count = len(batches(*task.train, task.batch_size))
    asked = count * task.epochs
    if not updates:  # not used, or inside of a compiled function
        return say("no update by the optimizer that was passed in was seen") if train else None
    if len(updates) != asked:
        return counted(
            "{n} update instead of {asked} ({epochs})",
            "{n} updates instead of {asked} ({epochs})",
            len(updates),
            asked=asked,
            epochs=counted("{n} epoch of {count} batches", "{n} epochs of {count} batches", task.epochs, count=count),
        )
    if any(a.number == 0 and not _alike(a.parameters, b.parameters) for a, b in _same_pass(validation)):
        return say("the weights change while validation goes on")
    left_out = sum(bool(np.isnan(g).all()) for g in updates[0].gradients)
    if left_out:
        return say(
            "{left_out} of {all} variables are left out of the update", left_out=left_out, all=len(task.parameters)
        )
    if [fetch.number for fetch in train[:count]] != list(range(count)) and len(train) == asked:
        return say("the batches come in another order")
    return _other_gradients(evidence, name, updates)


def _same_pass(fetches: Sequence[Fetch]) -> list[tuple[Fetch, Fetch]]:
    """The first fetch of each pass with the last one of it."""
    starts = [i for i, fetch in enumerate(fetches) if fetch.number == 0]
    return [(fetches[a], fetches[b - 1]) for a, b in zip(starts, [*starts[1:], len(fetches)], strict=True)]


def _other_gradients(evidence: Evidence, name: str, updates: Sequence[Update]) -> Message | None:
    """Whether the first update's gradients are the course's."""
    expected = _course(evidence, name).steps[0].gradients
    same = all(np.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(updates[0].gradients, expected, strict=True))
    return None if same else say("the gradients that are applied are not those of the loss's sum over the batch")
