"""How the notebooks and probes of a batch are run: one record, the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader.sandbox.box import Limits
from grader.sandbox.warm import WarmWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`library` is the course library's file, `data` an .npz with Keras's keys; seconds are of wall time. `accelerated`
    lets library code be compiled behind the notebook's back; `worker` forks programs, where there is one. `first` is how many
    training and test images the course library's sequences hold, and how many test images there are; None is all."""

    library: Path
    data: Path
    seed: int
    mechanism: str
    accelerated: bool = True
    first: tuple[int, int, int] | None = None
    worker: WarmWorker | None = None
    seconds: float
    seconds_per_cell: float
    output_mib: int
    limits: Limits
