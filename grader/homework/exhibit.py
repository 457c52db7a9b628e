"""What the page shows beside the verdict: curves over their bands, gradients over time, conclusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from grader.assignment import Assignment
from grader.homework.common import logged_experiments
from grader.homework.conclusions import find, is_not_begun
from grader.homework.experiments import first_bad_value, model_of
from grader.homework.roles import ROLES, roles_of, series_of
from grader.homework.series import middle
from grader.homework.variables import Place, gradient_places, library_places, origin_of_nan
from grader.records import Band, Case, Curve, Exhibit, Floats, Ints, Message, Reference, Ridge, Run, RunSummary, say

_ENDS = ("low", "high")
_MIDDLE = 0.9  # of a gradient's values: the few largest differ most from seed to seed
_FEW_STEPS = 12  # as many as a page draws


def exhibit(case: Case, assignment: Assignment) -> Exhibit:
    runs = logged_experiments(case, assignment)
    places = {name: (library_places(model_of(case, name)), gradient_places(case, run)) for name, run in runs.items()}
    return Exhibit(
        curves=tuple(curve for run in runs.values() for curve in _curves(case, run)),
        ridges=tuple(ridge for name, run in runs.items() for ridge in _ridges(run, *places[name], case.reference)),
        origins={name: found for name, run in runs.items() if (found := origin_of_nan(run, *places[name]))},
        conclusions=find(case, assignment),
        notice=_notice(case),
    )


def _notice(case: Case) -> Message | None:
    if not is_not_begun(case):
        return None
    return say(
        "This is still the template: nothing in it has been worked on yet, so there is nothing to grade. "
        "Start with part 1, the function fit_generator: its comments say where to write."
    )


def _curves(case: Case, run: Run) -> Iterator[Curve]:
    roles = roles_of(case, run)
    order = {role: i for i, role in enumerate(ROLES)}
    for series in sorted(run.scalars, key=lambda s: order.get(roles.get(s.tag, ""), len(order))):
        role = roles.get(series.tag)
        band = case.reference.bands.get((run.name, role)) if role else None
        yield Curve(
            run=run.name,
            tag=series.tag,
            role=role,
            steps=series.steps,
            values=series.values,
            band=on_steps_of(band, series.steps, role) if band is not None else None,
        )


def on_steps_of(band: Band, steps: Ints, role: str | None) -> Band:
    """Validation points are matched epoch by epoch, wherever the student's labels put them."""
    if role is None or not role.startswith("validation") or len(steps) != len(band.steps):
        return band
    return Band(steps=steps, values=band.values)


def _ridges(
    run: Run, library: Mapping[str, Place], places: Mapping[str, Place], reference: Reference
) -> Iterator[Ridge]:
    """The gradients' histograms: those that are not the library's own."""
    for series in run.histograms:
        if series.tag not in library and len(series.buckets):
            place = places.get(series.tag)
            yield Ridge(
                run=run.name,
                tag=series.tag,
                variable=place.words if place else None,
                steps=series.steps,
                buckets=series.buckets,
                usual=_usual(reference, run.name, place, series.steps) if place else None,
            )


def _usual(reference: Reference, run: str, place: Place, steps: Ints) -> Floats | None:
    """Where the middle of the reference's gradients lay at these steps, over all its seeds [n, 2]."""
    low, high = (reference.bands.get((run, _role(place, end))) for end in _ENDS)
    if low is None or high is None:
        return None
    return np.stack([low.at(steps, low.low), high.at(steps, high.high)], axis=1)


def _role(place: Place, end: str) -> str:
    return f"gradient {end} {place.layer} {place.what}"


def summarise(case: Case, assignment: Assignment) -> Mapping[str, RunSummary]:
    """Of each logged run: is it finite, and where did it end."""
    return {name: _summary(case, run) for name, run in logged_experiments(case, assignment).items()}


def _summary(case: Case, run: Run) -> RunSummary:
    final: dict[str, float | None] = {}
    for role in ROLES:
        series = series_of(case, run, role)
        if series is not None and len(series.values):
            last = float(series.values[-1])
            final[role] = last if np.isfinite(last) else None
    return RunSummary(finite=first_bad_value(run) is None, final=final)


def band_points(case: Case, assignment: Assignment) -> Mapping[tuple[str, str], tuple[Ints, Floats]]:
    """(steps, values) by (run, role): what a run of the reference solution adds to the bands."""
    found = {}
    for name, run in logged_experiments(case, assignment).items():
        for role in ROLES:
            series = series_of(case, run, role)
            if series is not None and len(series.values):
                found[name, role] = (series.steps, series.values)
        for role, points in _gradient_points(case, run):
            found[name, role] = points
    return found


def _gradient_points(case: Case, run: Run) -> Iterator[tuple[str, tuple[Ints, Floats]]]:
    """Both ends of the middle of each variable's gradient, at a few steps."""
    places = gradient_places(case, run)
    for series in run.histograms:
        if series.tag in places:
            few = np.unique(np.linspace(0, len(series.steps) - 1, _FEW_STEPS).round().astype(int))
            middles = np.array([middle(series.buckets[i], _MIDDLE) for i in few])
            for at, end in enumerate(_ENDS):
                yield _role(places[series.tag], end), (series.steps[few], middles[:, at])
