"""Classes of tiny notebooks, whose evidence may be there already, and the real command on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from grader import batch, pipeline, store
from grader.cli import parser
from grader.commands.prepared import prepared
from grader.pipeline import Setup
from grader.records import Submission
from grader.stages.intake import Candidate, find_submissions, read_submission

ROOT = Path(__file__).parents[2]
_CELL = "def preprocess(X, y):\n    return X.reshape((-1, 28 * 28)), y\n# {name}"


def notebook(path: Path, source: str) -> Path:
    """A notebook of one cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="only")]), path)
    return path


@dataclass(frozen=True)
class Stored:
    """A class of tiny notebooks, all of which have been executed: `evidence` is only copied, never written; `places` are
    the folders in it, in the order of the class."""

    folder: Path
    evidence: Path
    places: tuple[Path, ...]
    setup: Setup

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return find_submissions([self.folder], self.folder)

    def new_out(self, out: Path, count: int | None = None) -> Path:
        """A folder for results that holds nothing but the evidence, of all or of the first submissions."""
        for place in self.places[:count]:
            shutil.copytree(place, out / ".evidence" / place.relative_to(self.evidence))
        return out

    def into(self, out: Path) -> Setup:
        return replace(self.setup, evidence=out / ".evidence")


@contextmanager
def stored_class(folder: Path, count: int) -> Iterator[Stored]:
    """A class of `count`: one notebook is really executed, the others get copies of its evidence."""
    for number in range(count):
        notebook(folder / "class" / f"s{number:04}.ipynb", _CELL.format(name=number))
    evidence = folder / "evidence"
    with prepared(parser().parse_args(["grade", str(folder / "class"), "--data", "embedded"]), evidence) as setup:
        first, *others = find_submissions([folder / "class"], folder)
        model = batch.observe(first, setup, folder, lambda stage: None).evidence
        places = [_place(model, read_submission(other, folder), setup) for other in others]
        yield Stored(folder / "class", evidence, (model, *places), setup)


def _place(model: Path, submission: Submission, setup: Setup) -> Path:
    key = pipeline.evidence_key(submission, setup)
    return store.evidence_folder(setup.evidence, key, lambda target: _copy(model, target))


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


def command(class_folder: Path, out: Path, *more: str) -> list[str]:
    """The command line of `grade`."""
    words = ["grade", str(class_folder), "--out", str(out), "--data", "embedded", *more]
    return [sys.executable, "-m", "grader", *words]


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment())


def start(words: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command in a session of its own, so that a signal reaches nothing else."""
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
        start_new_session=True,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def wait_for(process: subprocess.Popen[str], said: Callable[[str], bool]) -> str:
    """Read what a process says on its standard error until a line is `said`; all of it up to there."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if said(line):
            return "".join(lines)
    raise AssertionError(f"it never said that: {''.join(lines)}")


def results(out: Path) -> dict[str, bytes]:
    """All files of the results by their place: what must not depend on how they came about."""
    files = [path for path in out.rglob("*") if path.is_file() and ".evidence" not in path.relative_to(out).parts]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def left_overs(out: Path) -> list[str]:
    """What was being written and never came to an end."""
    names = [str(path.relative_to(out)) for path in out.rglob("*")]
    return sorted(name for name in names if "making-" in name or name.endswith(".tmp"))
