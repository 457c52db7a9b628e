"""Submissions and the reference side by side in TensorBoard.

The event files of the submissions are those that the re-run left in the results. The reference's are written here from its
bands, under the tags of the submissions, so that the curves share their charts: the seed that submissions are run with, and
the lowest and highest value of all seeds. Bands hold scalars alone; who wants the reference's histograms too grades
reference/solution.ipynb along with the class and names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader import store
from grader.assignment import Assignment
from grader.errors import UsageError
from grader.formats.event_writer import scalar_file
from grader.formats.events import read_runs
from grader.homework.exhibit import on_steps_of
from grader.homework.roles import role_by_name
from grader.records import Band, Floats, Ints, Reference
from grader.reporting.text import first_of

_MOST_NAMED = 20
Curves = Mapping[tuple[str, str], Band]
"""Bands by (run, tag)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What TensorBoard will show: submissions by their folders' names, and how many curves the reference has beside them."""

    submissions: tuple[str, ...]
    reference_curves: int


def lay_out(out: Path, ids: Sequence[str], assignment: Assignment, folder: Path) -> Board:
    """Fill `folder` for TensorBoard with the logs of submissions in `out` (all that have some, if none is named) and the
    reference's curves. Raises UsageError for a name that has no logs."""
    graded = sorted(path.parent.name for path in out.glob("*/logs") if path.is_dir())
    for name in ids:
        if name not in graded:
            there = first_of(graded, _MOST_NAMED)
            raise UsageError(f"There are no logs of {name!r} in {out}. Those that have some: {there or 'none'}.")
    if not graded:
        raise UsageError(f"There are no submissions with logs in {out}. Name the folder that grade wrote.")
    found = tuple(dict.fromkeys(ids or graded))
    for name in found:
        (folder / name).symlink_to((out / name / "logs").resolve(), target_is_directory=True)
    curves = {key: band for name in found for key, band in _curves(out / name, assignment)}
    _write(curves, assignment.seed, folder)
    return Board(submissions=found, reference_curves=len(curves))


def _curves(results: Path, assignment: Assignment) -> Iterator[tuple[tuple[str, str], Band]]:
    """The reference's bands for the scalars of a submission, as far as their names tell what they are."""
    reference = _reference(results / "result.json", assignment)
    for run in read_runs(results / "logs").values():
        for series in run.scalars:
            role = role_by_name(series.tag)
            band = reference.bands.get((run.name, role)) if role else None
            if band is not None:
                yield (run.name, series.tag), on_steps_of(band, series.steps, role)


def _reference(result: Path, assignment: Assignment) -> Reference:
    """The reference for the profile and the data that a submission was graded with."""
    try:
        raw = json.loads(result.read_text(encoding="utf-8"))
        return store.read_reference(assignment, str(raw["profile"]), str(raw["environment"]["data"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{result} cannot be read ({error!r}). Grade again.") from error


def _write(curves: Curves, seed: int, folder: Path) -> None:
    """The reference as three runs for each of its experiments."""
    for run in sorted({run for run, _ in curves}):
        bands = {tag: band for (name, tag), band in curves.items() if name == run}
        seeds = max(len(band.values) for band in bands.values())
        shown: dict[str, dict[str, tuple[Ints, Floats]]] = {
            f"reference seed {seed}": {tag: (band.steps, band.values[0]) for tag, band in bands.items()},
            f"reference lowest of {seeds}": {tag: (band.steps, band.low) for tag, band in bands.items()},
            f"reference highest of {seeds}": {tag: (band.steps, band.high) for tag, band in bands.items()},
        }
        for name, series in shown.items():
            place = folder / name / run
            place.mkdir(parents=True)
            (place / "events.out.tfevents.0.reference").write_bytes(scalar_file(series))
