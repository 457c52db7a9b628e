"""reference/assignment.toml as frozen records, checked once here and typed ever after."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import BrokenReference, UsageError
from grader.records import Criterion, say
from grader.sandbox import Limits

_MAX_BYTES = 1 << 20  # of assignment.toml, which has a few kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A run that the brief asks for: its folder below logs/, its layers, and the activations and the numbers of units of those
    that have some; empty where any will do."""

    run: str
    layers: tuple[str, ...]
    activations: tuple[str, ...] = ()
    units: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How much of the data is used (0 is all), and the time that a notebook may take, in seconds of wall time."""

    name: str
    train: int
    test: int
    seconds_per_cell: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The homework as an instructor may change it. `folder` is where it was read from; `is_students` marks the copy that
    students get, which has no reference runs and no thresholds (`grader.student_package`)."""

    folder: Path
    name: str
    library: str
    epochs: int
    seed: int
    criteria: tuple[Criterion, ...]
    concerns: Mapping[str, tuple[str, ...]]
    experiments: tuple[Experiment, ...]
    profiles: Mapping[str, Profile]
    limits: Limits
    output_mib: int
    probe_seconds: float
    thresholds: Mapping[str, float]
    is_students: bool = False

    @property
    def library_file(self) -> Path:
        return self.folder / f"{self.library}.py"

    def experiment(self, run: str) -> Experiment:
        return next(experiment for experiment in self.experiments if experiment.run == run)

    def profile(self, name: str) -> Profile:
        if name not in self.profiles:
            raise UsageError(
                say(
                    "There is no profile {name}; the assignment has {known}.",
                    name=repr(name),
                    known=", ".join(self.profiles),
                )
            )
        return self.profiles[name]


def load_assignment(folder: Path) -> Assignment:
    """Read assignment.toml. Raises BrokenReference with the reason when it cannot be used."""
    path = folder / "assignment.toml"
    try:
        assignment = _assignment(folder, tomllib.loads(_text(path)))
        if not assignment.library_file.is_file():
            raise ValueError(f"the course library {assignment.library_file.name} is not beside it")
        return assignment
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            say("There is no assignment.toml in {folder}. Name the folder that holds it.", folder=str(folder))
        ) from error
    except RecursionError as error:
        raise _unusable(path, "it is nested too deeply") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise _unusable(path, reason[:300]) from error


def _unusable(path: Path, why: str) -> BrokenReference:
    return BrokenReference(say("{path} cannot be used: {why}. Mend it and try again.", path=str(path), why=why))


def _text(path: Path) -> str:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES >> 20} MiB")
    return data.decode("utf-8")


def _assignment(folder: Path, raw: dict[str, Any]) -> Assignment:
    limits, profiles = raw["limits"], raw["profiles"]
    longest = max(_positive(profile, "seconds") for profile in profiles.values())
    return Assignment(
        folder=folder,
        name=str(raw["name"]),
        library=str(raw["library"]),
        epochs=int(raw["epochs"]),
        seed=int(raw["seed"]),
        criteria=_criteria(raw["criteria"], raw.get("parts", {})),
        concerns={item["id"]: tuple(item.get("runs", ())) for item in raw["criteria"]},
        experiments=tuple(_experiment(item) for item in raw["experiments"]),
        profiles={name: _profile(name, values) for name, values in profiles.items()},
        limits=Limits(
            memory_mib=int(_positive(limits, "memory_mib")),
            processes=int(_positive(limits, "processes")),
            disk_mib=int(_positive(limits, "disk_mib")),
            file_mib=int(_positive(limits, "file_mib")),
            files=int(_positive(limits, "files")),
            cpu_seconds=int(longest * 2),
        ),
        output_mib=int(_positive(limits, "output_mib")),
        probe_seconds=_positive(limits, "probe_seconds"),
        thresholds={name: _finite(raw["thresholds"], name) for name in raw["thresholds"]},
        is_students=raw.get("students", False) is True,
    )


def _finite(raw: Mapping[str, Any], name: str) -> float:
    if not isinstance(raw[name], int | float) or not math.isfinite(raw[name]):
        raise ValueError(f"{name} is no number")
    return float(raw[name])


def _positive(raw: Mapping[str, Any], name: str) -> float:
    if _finite(raw, name) <= 0:
        raise ValueError(f"{name} is not above zero")
    return float(raw[name])


def _profile(name: str, raw: Mapping[str, Any]) -> Profile:
    return Profile(
        name=name,
        train=int(_finite(raw, "train")),
        test=int(_finite(raw, "test")),
        seconds_per_cell=_positive(raw, "seconds_per_cell"),
        seconds=_positive(raw, "seconds"),
    )


def _experiment(raw: Mapping[str, Any]) -> Experiment:
    lists = {name: tuple(map(str, raw.get(name, ()))) for name in ("layers", "activations")}
    if any(isinstance(raw.get(name), str) for name in lists):
        raise ValueError("layers and activations of an experiment are lists")
    units = raw.get("units", [])
    if not isinstance(units, list) or not all(type(number) is int and number > 0 for number in units):
        raise ValueError("units of an experiment are a list of whole numbers from 1 on")
    return Experiment(**{**raw, **lists, "units": tuple(units)})


def _criteria(raw: list[dict[str, Any]], headings: Mapping[str, Any]) -> tuple[Criterion, ...]:
    criteria = tuple(_criterion(number, c, headings) for number, c in enumerate(raw, start=1))
    if len({criterion.id for criterion in criteria}) != len(criteria):
        raise ValueError("a criterion stands twice")
    unknown = headings.keys() - {criterion.part for criterion in criteria}
    if unknown:
        raise ValueError(f"no criterion is of the part {min(unknown)}")
    return criteria


def _criterion(number: int, raw: Mapping[str, Any], headings: Mapping[str, Any]) -> Criterion:
    name = f"the criterion {raw['id']}" if "id" in raw else f"criterion {number}"
    lacking = [key for key in ("id", "part", "title", "points") if key not in raw]
    if lacking:
        raise ValueError(f"{name} lacks {', '.join(lacking)}")
    if not isinstance(raw["points"], int) or raw["points"] < 0:
        raise ValueError(f"the points of {name} are no whole number from 0 on")
    part = str(raw["part"])
    return Criterion(
        id=str(raw["id"]),
        part=part,
        title=str(raw["title"]),
        points=raw["points"],
        heading=str(headings.get(part, "")),
    )
