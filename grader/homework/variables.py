"""Whose values the histograms of a run are: the library's by their names, the student's gradients by their order.

A student may call gradients as they like. The probe tells by value which variable each of its tags belongs to; where the
tags come there in the order of the variables, or in the opposite one, they do so in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grader.homework.common import evidence_for
from grader.homework.experiments import model_of
from grader.homework.fit_analysis import LIBRARY_SUFFIXES, Analysis, analyse
from grader.homework.series import bad_points, first_bad_step, sizes
from grader.records import Case, Histograms, Message, ModelUse, Run, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something of a layer: `layer` counts from 1, `kind` is its class, `what` is `w` or a suffix of the library's tags."""

    layer: int
    kind: str
    what: str

    @property
    def words(self) -> Message:
        return say("{what} of layer {layer}, {kind}", what=self.what, layer=self.layer, kind=self.kind)


def library_places(model: ModelUse | None) -> Mapping[str, Place]:
    """The tags that the course's layers write by themselves, in the order of the forward pass."""
    suffixes = [suffix for group in LIBRARY_SUFFIXES.values() for suffix in group]
    layers = enumerate(model.layers, start=1) if model else ()
    return {f"{own.name}_{s}": Place(layer=n, kind=own.kind, what=s) for n, own in layers for s in suffixes}


def gradient_places(case: Case, run: Run) -> Mapping[str, Place]:
    """The variable of each tag that holds gradients; nothing where that cannot be told for all of them."""
    model, order = model_of(case, run.name), _order(case)
    if model is None or order is None:
        return {}
    library = library_places(model)
    own = [series for series in run.histograms if series.tag not in library]
    variables = list(variables_of(model))[::order]
    fits = len(own) == len(variables) and all(_may_hold(h, n) for h, (_, n) in zip(own, variables, strict=True))
    return {h.tag: place for h, (place, _) in zip(own, variables, strict=True)} if fits else {}


def _order(case: Case) -> int | None:
    """1 where the probe's tags come in the order of the variables, -1 in the opposite one, None in another."""
    evidence = evidence_for(case, "fit_generator")
    if evidence is None:
        return None
    analysis: Analysis = analyse(evidence)
    found = [tag.variable for tag in analysis.tags if tag.kind == "gradient"]
    straight = [variable.index for variable in analysis.variables]
    return next((step for step in (1, -1) if found == straight[::step]), None)


def variables_of(model: ModelUse) -> Iterator[tuple[Place, int]]:
    """The trainable variables of the course's layers in order, with the number of their values."""
    for n, layer in enumerate(model.layers, start=1):
        if layer.inputs is not None and layer.outputs is not None:
            sizes = {"w": layer.inputs * layer.outputs, "b": layer.outputs}
        else:
            sizes = {"beta": 1, "gamma": 1}
        for what, count in sizes.items():
            yield Place(layer=n, kind=layer.kind, what=what), count


def _may_hold(series: Histograms, count: int) -> bool:
    """Whether a histogram has that many values at every step where they can be counted."""
    return all(bad or held == count for bad, held in zip(bad_points(series), sizes(series), strict=True))


# --- where NaN begins -------------------------------------------------------------------------------------------------


def origin_of_nan(run: Run, forward: Mapping[str, Place], backward: Mapping[str, Place]) -> Message | None:
    """Where a run stops being finite: the step, and the layer and variable where it is seen first. Within a step that is
    the forward pass in its order, then the gradients, from the loss on backwards; a scalar only when no histogram says it."""
    seen = [(step, series.tag) for series in run.histograms if (step := first_bad_step(series)) is not None]
    if not seen:
        return None
    step = min(first for first, _ in seen)
    bad = {tag for first, tag in seen if first == step}
    tag = next((tag for tag in (*forward, *reversed(list(backward))) if tag in bad), None)
    if tag is None:
        return say("First seen at step {step}, in the histogram {tag}.", step=step, tag=min(bad))
    if tag in forward:
        return say("First seen at step {step}: {what}.", step=step, what=forward[tag].words)
    if tag == list(backward)[-1]:
        return say("First seen at step {step}: the gradient of {what}.", step=step, what=backward[tag].words)
    return say(
        "First seen at step {step}: the gradient of {what}. The forward pass, and the gradients of the layers after it, "
        "are still finite.",
        step=step,
        what=backward[tag].words,
    )
