"""What commands that run notebooks begin with: data, sandbox, warm worker, and how many run at a time."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from grader import store
from grader.assignment import Profile, load_assignment
from grader.data import Dataset, as_large_as_mnist, load, save
from grader.errors import BrokenReference
from grader.homework import HOMEWORK
from grader.pipeline import Setup
from grader.places import reference_folder
from grader.processes import threads
from grader.sandbox import WarmWorker, choose, interpreter
from grader.sandbox.plan import Plan

_MEMORY_PER_JOB_GIB = 3


@contextmanager
def prepared(options: argparse.Namespace, evidence: Path | None, *, own_code: bool = False) -> Iterator[Setup]:
    """All that a batch has in common. Data are found, or fetched, here: before anything is sandboxed. A folder for evidence
    that is to stay is this process's alone meanwhile."""
    assignment = load_assignment(options.reference or reference_folder())
    unknown = [criterion.id for criterion in assignment.criteria if criterion.id not in HOMEWORK.checks]
    if unknown:
        known = ", ".join(HOMEWORK.checks)
        raise BrokenReference(
            f"{assignment.folder / 'assignment.toml'} has criteria that nothing checks: {', '.join(unknown)[:300]}. Take some "
            f"of these: {known}."
        )
    lacking = sorted(HOMEWORK.thresholds - assignment.thresholds.keys())
    if lacking and not assignment.is_students:
        path = assignment.folder / "assignment.toml"
        raise BrokenReference(f"{path} lacks thresholds that checks need: {', '.join(lacking)}. Add them.")
    profile = assignment.profile(options.profile)
    interpreter.hide([assignment.folder, *getattr(options, "paths", ()), *([evidence.parent] if evidence else [])])
    with tempfile.TemporaryDirectory(prefix="gr-data-") as folder, ExitStack() as meanwhile:
        data, mechanism = _data_and_sandbox(options, profile, Path(folder), own_code)
        if evidence:
            meanwhile.enter_context(store.held(evidence))
        worker = meanwhile.enter_context(_worker(mechanism))
        plan = Plan(
            library=assignment.library_file,
            data=data.path,
            seed=assignment.seed,
            mechanism=mechanism,
            accelerated=not options.no_acceleration,
            first=(profile.train, profile.test, data.test_images) if profile.train else None,
            worker=worker,
            seconds=profile.seconds,
            seconds_per_cell=profile.seconds_per_cell,
            output_mib=assignment.output_mib,
            limits=assignment.limits,
        )
        yield Setup(
            homework=HOMEWORK,
            assignment=assignment,
            profile=profile,
            plan=plan,
            data_name=data.name,
            data_digest=data.digest,
            reference=store.read_reference(assignment, profile.name, data.name),
            evidence=evidence or Path(folder, "evidence"),
            language=options.lang,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """The data as notebooks get them. The images themselves would take 55 MB of a process that never looks at them again."""

    path: Path
    name: str
    digest: str
    test_images: int


def _data_and_sandbox(options: argparse.Namespace, profile: Profile, folder: Path, own_code: bool) -> tuple[_Data, str]:
    """The data, written into a folder that every notebook may read, and the way to confine."""
    with threads(1) as beside:  # both take a while, and a trial of the sandbox mostly waits
        loading = beside.submit(load, options.data)
        mechanism = choose(allow_unconfined=options.without_sandbox or own_code)
        return _written(loading.result(), profile, folder), mechanism


def _written(whole: Dataset, profile: Profile, folder: Path) -> _Data:
    data = as_large_as_mnist(whole) if profile.train else whole
    path = folder / "mnist.npz"
    save(data, path)
    folder.chmod(0o755)
    path.chmod(0o644)
    return _Data(path=path, name=data.name, digest=data.digest, test_images=len(data.x_test))


def _worker(mechanism: str) -> AbstractContextManager[WarmWorker | None]:
    """A warm worker in a sandbox. Without one every program is a fresh interpreter."""
    return WarmWorker() if mechanism != "none" else nullcontext()


def jobs_for(asked: int | None, work: int) -> int:
    """As many workers as cores, bounded by memory and by the work there is."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return max(1, min(asked or min(cores, max(1, memory // _MEMORY_PER_JOB_GIB)), work))
