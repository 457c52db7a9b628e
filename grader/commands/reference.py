"""`grader reference build`: the bands that curves are compared with."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

from grader import pipeline, store
from grader.commands.prepared import jobs_for, prepared
from grader.errors import GraderError
from grader.homework import HOMEWORK
from grader.language import tr_n
from grader.pipeline import Setup
from grader.processes import as_they_end, threads
from grader.progress import display
from grader.records import Floats, Ints, say
from grader.stages import execution
from grader.stages.intake import Candidate, find_submissions, read_submission


def run(options: argparse.Namespace) -> int:
    """Run the reference solution over several seeds and write the bands for one profile and data set."""
    with (
        tempfile.TemporaryDirectory(prefix="gr-reference-") as workspace,
        prepared(options, Path(workspace, "evidence")) as setup,
    ):
        seeds = range(setup.assignment.seed, setup.assignment.seed + options.seeds)
        solution = find_submissions([setup.assignment.folder / "solution.ipynb"], Path(workspace))[0]
        with display(len(seeds)) as watch, threads(jobs_for(options.jobs, len(seeds))) as pool:
            asked = {pool.submit(_points, solution, setup, seed, Path(workspace), watch): seed for seed in seeds}
            found = {asked[future]: future.result() for future in as_they_end(asked)}
        about = {"profile": setup.profile.name, "data": setup.data_name, "versions": dict(execution.versions())}
        path = store.bands_path(setup.assignment.folder, setup.profile.name, setup.data_name)
        store.write_text(path, store.bands_json({seed: found[seed] for seed in seeds}, about))
    print(tr_n("Bands of {n} seed: {path}", "Bands of {n} seeds: {path}", len(seeds), path=str(path)))
    return 0


def _points(
    solution: Candidate, setup: Setup, seed: int, workspace: Path, watch: Callable[[str, str], None]
) -> dict[tuple[str, str], tuple[Ints, Floats]]:
    own = dataclasses.replace(setup, plan=dataclasses.replace(setup.plan, seed=seed))
    folder = workspace / str(seed)
    folder.mkdir()
    name = f"seed {seed}"
    submission = read_submission(solution, folder)
    evidence = pipeline.observe(submission, own, lambda stage: watch(name, stage))
    case = pipeline.case_of(submission, evidence, own)
    points = dict(HOMEWORK.band_points(case, setup.assignment))
    if not points:
        raise GraderError(say("The reference solution logged nothing: grade it by itself to see why."))
    watch(name, "done")
    return points
