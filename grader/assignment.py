"""reference/assignment.toml as frozen records, checked once here and typed ever after."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import BrokenReference, UsageError
from grader.records import Criterion, say
from grader.sandbox import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A run that the brief asks for: its folder below logs/, its layers, whether its values must be finite, and the
    activations of those layers that have one."""

    run: str
    layers: tuple[str, ...]
    finite: bool
    raw: bool = False
    activations: tuple[str, ...] = ()


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
    """The homework as an instructor may change it. `folder` is where it was read from."""

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
        return _assignment(folder, tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UsageError(
            say("There is no assignment.toml in {folder}. Name the folder that holds it.", folder=str(folder))
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenReference(
            say(
                "{path} cannot be used: {why}. Mend it and try again.",
                path=str(path),
                why=f"{type(error).__name__}: {error}",
            )
        ) from error


def _assignment(folder: Path, raw: dict[str, Any]) -> Assignment:
    limits, profiles = raw["limits"], raw["profiles"]
    longest = max(float(profile["seconds"]) for profile in profiles.values())
    return Assignment(
        folder=folder,
        name=str(raw["name"]),
        library=str(raw["library"]),
        epochs=int(raw["epochs"]),
        seed=int(raw["seed"]),
        criteria=_criteria(raw["criteria"]),
        concerns={item["id"]: tuple(item.get("runs", ())) for item in raw["criteria"]},
        experiments=tuple(_experiment(item) for item in raw["experiments"]),
        profiles={name: Profile(name=name, **values) for name, values in profiles.items()},
        limits=Limits(
            memory_mib=int(limits["memory_mib"]),
            processes=int(limits["processes"]),
            disk_mib=int(limits["disk_mib"]),
            file_mib=int(limits["file_mib"]),
            files=int(limits["files"]),
            cpu_seconds=int(longest * 2),
        ),
        output_mib=int(limits["output_mib"]),
        probe_seconds=float(limits["probe_seconds"]),
        thresholds={name: float(value) for name, value in raw["thresholds"].items()},
    )


def _experiment(raw: Mapping[str, Any]) -> Experiment:
    lists = {name: tuple(raw.get(name, ())) for name in ("layers", "activations")}
    return Experiment(**{**raw, **lists})


def _criteria(raw: list[dict[str, Any]]) -> tuple[Criterion, ...]:
    criteria = tuple(
        Criterion(id=str(c["id"]), part=str(c["part"]), title=str(c["title"]), points=int(c["points"])) for c in raw
    )
    if len({criterion.id for criterion in criteria}) != len(criteria):
        raise ValueError("a criterion stands twice")
    if any(criterion.points < 0 for criterion in criteria):
        raise ValueError("points below zero")
    return criteria
