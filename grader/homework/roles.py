"""What a scalar tag of a run is: known by value from the probe, guessed by name only where the probe did not see it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grader.homework.common import evidence_for
from grader.homework.fit_analysis import ScalarReading, analyse
from grader.records import Case, Floats, Run, Scalars

ROLES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
_VALIDATION = ("val", "eval", "test")


def roles_of(case: Case, run: Run) -> Mapping[str, str]:
    """Roles by tag, for the scalars of a run whose role can be told."""
    known = _known(case)
    found = {series.tag: known.get(series.tag) or role_by_name(series.tag) for series in run.scalars}
    return {tag: role for tag, role in found.items() if role is not None}


def _known(case: Case) -> Mapping[str, str]:
    evidence = evidence_for(case, "fit_generator")
    return {reading.tag: reading.role for reading in analyse(evidence).scalars} if evidence else {}


def reading_of(case: Case, role: str) -> ScalarReading | None:
    """The tag that the probe knows, by value, to hold a role."""
    evidence = evidence_for(case, "fit_generator")
    return analyse(evidence).scalar(role) if evidence else None


def role_by_name(tag: str) -> str | None:
    """A guess from the words in a tag."""
    low = tag.lower()
    kind = "accuracy" if "acc" in low else "loss" if "loss" in low else None
    part = "validation" if any(word in low for word in _VALIDATION) else "train"
    return f"{part}_{kind}" if kind else None


def series_of(case: Case, run: Run, role: str) -> Scalars | None:
    """The longest series of a role in a run."""
    roles = roles_of(case, run)
    found = [series for series in run.scalars if roles.get(series.tag) == role]
    return max(found, key=lambda series: len(series.values), default=None)


def tail_mean(values: Floats) -> float:
    """Mean of the last third of a series (one value at least): where training has got to."""
    return float(tail_means(values))


def tail_means(values: Floats) -> Floats:
    """The same for each series of many [..., n]."""
    return np.asarray(values[..., -max(1, values.shape[-1] // 3) :].mean(axis=-1))
