"""Small cases for tests of checks that look at records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from grader.records import (
    Case,
    Cell,
    CellKind,
    CellRun,
    CellStatus,
    Execution,
    Reference,
    Resources,
    Run,
    Scalars,
    Submission,
)

NOWHERE = Path("/nowhere")


def scalars(tag: str, values: Sequence[float], *, every: int = 19, seconds: float = 5.0) -> Scalars:
    """A series with a point each `every` steps, `seconds` apart."""
    count = np.arange(1, len(values) + 1)
    return Scalars(tag=tag, steps=every * count, values=np.array(values, dtype=np.float64), times=1e9 + seconds * count)


def run(name: str, *series: Scalars) -> Run:
    return Run(name=name, scalars=series, histograms=(), files=())


def code(source: str, *, output: str = "", index: int = 1) -> Cell:
    return Cell(index=index, kind=CellKind.CODE, source=source, output=output)


def case(
    cells: Sequence[Cell] = (),
    *,
    runs: Sequence[Run] = (),
    submitted: Sequence[Run] = (),
    printed: Mapping[int, str] | None = None,
) -> Case:
    """A case whose cells all ran, printing what `printed` says by cell."""
    return Case(
        submission=Submission(id="x", source="x", notebook=NOWHERE, sha256="", cells=tuple(cells)),
        execution=Execution(
            cells=tuple(
                CellRun(index=c.index, status=CellStatus.OK, text=(printed or {}).get(c.index, "")) for c in cells
            ),
            fault=None,
            models=(),
            patch=None,
            resources=Resources(),
            versions=(),
            logs=NOWHERE,
            executed_notebook=NOWHERE,
        ),
        runs={r.name: r for r in runs},
        submitted_runs={r.name: r for r in submitted},
        definitions={},
        extraction_faults={},
        evidence={},
        reference=Reference(profile="fast", data="none", bands={}),
    )
