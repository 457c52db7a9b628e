"""Classes whose evidence is there already: a few notebooks are executed, and their evidence is copied for each copy."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import notebooks
from bench.session import Session
from bench.warm import warm_setup
from grader import batch, pipeline, store
from grader.pipeline import Setup
from grader.records import Submission
from grader.stages.intake import find_submissions, read_submission


def prepare(session: Session, models: list[Path], count: int, evidence: Path) -> list[Path]:
    """`count` notebooks made of the models, each with its own evidence below `evidence`, as if all had been executed."""
    made = notebooks.copies(models, count, session.new_folder("class"))
    workspace = session.new_folder("intake")
    with warm_setup(session, "fast", evidence) as setup:
        sources = [_observed(model, setup, workspace) for model in models]
        for number, copy in enumerate(made):
            _place(sources[number % len(sources)], _read(copy, workspace), setup)
    return made


def _observed(model: Path, setup: Setup, workspace: Path) -> Path:
    candidate = find_submissions([model], workspace)[0]
    return batch.observe(candidate, setup, workspace, lambda stage: None).evidence


def _place(source: Path, submission: Submission, setup: Setup) -> None:
    def copy(target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)

    store.evidence_folder(setup.evidence, pipeline.evidence_key(submission, setup), copy)


def _read(notebook: Path, workspace: Path) -> Submission:
    return read_submission(find_submissions([notebook], workspace)[0], workspace)
