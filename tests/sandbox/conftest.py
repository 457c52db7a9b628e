"""What tests of the warm worker share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from grader.data import digits, save, slice_for
from grader.places import reference_folder
from grader.records import Execution
from grader.sandbox import Limits, WarmWorker
from grader.sandbox.plan import Plan
from grader.stages import execution

from .running import Run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """How notebooks and probes are run that need hardly any data; all that a module runs comes from one worker."""
    folder = tmp_path_factory.mktemp("warm")
    folder.chmod(0o755)
    save(slice_for(digits(), 64, 32), folder / "data.npz")
    (folder / "data.npz").chmod(0o644)
    with WarmWorker() as worker:
        yield Plan(
            library=reference_folder() / "utils.py",
            data=folder / "data.npz",
            seed=1,
            mechanism="bubblewrap",
            worker=worker,
            seconds=120,
            seconds_per_cell=60,
            output_mib=4,
            limits=Limits(memory_mib=2048, processes=128, disk_mib=64, file_mib=32, files=1000, cpu_seconds=120),
        )


@pytest.fixture(scope="module")
def run(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs cells as a notebook of its own."""

    def run_cells(*cells: str) -> Execution:
        place = Path(tmp_path_factory.mktemp("run"))
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), place / "n.ipynb"
        )
        execution.execute(place / "n.ipynb", plan, place / "evidence")
        return execution.read(place / "evidence")

    return run_cells
