"""The commands, one function each: options in, exit code out."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grader import batch, journal, pipeline, receipt, store
from grader import selftest as corpus
from grader.assignment import Assignment, load_assignment
from grader.data import load, mnist, save, slice_for
from grader.errors import GraderError, SandboxUnavailable, UsageError
from grader.homework import HOMEWORK
from grader.language import tr, tr_n
from grader.pipeline import Setup
from grader.places import reference_folder
from grader.processes import threads
from grader.progress import display
from grader.records import Floats, Ints, Report, Status, say
from grader.reporting import machine, terminal
from grader.sandbox import WarmWorker, choose, describe
from grader.sandbox.plan import Plan
from grader.situations import Situation, load_all
from grader.situations import load as load_situation
from grader.stages import execution
from grader.stages.intake import Candidate, find_submissions, read_submission

_MEMORY_PER_JOB_GIB = 3


@contextmanager
def prepared(options: argparse.Namespace, evidence: Path | None, *, own_code: bool = False) -> Iterator[Setup]:
    """All that a batch has in common. Data are found, or fetched, here: before anything is sandboxed. A folder for evidence
    that is to stay is this process's alone meanwhile."""
    assignment = load_assignment(options.reference or reference_folder())
    profile = assignment.profile(options.profile)
    mechanism = choose(allow_unconfined=options.without_sandbox or own_code)
    alone = store.held(evidence) if evidence else nullcontext()
    with alone, tempfile.TemporaryDirectory(prefix="gr-data-") as folder, _worker(mechanism) as worker:
        data = slice_for(load(options.data), profile.train, profile.test)
        path = Path(folder, "mnist.npz")
        save(data, path)
        Path(folder).chmod(0o755)
        path.chmod(0o644)
        plan = Plan(
            library=assignment.library_file,
            data=path,
            seed=assignment.seed,
            mechanism=mechanism,
            accelerated=not options.no_acceleration,
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


def _worker(mechanism: str) -> AbstractContextManager[WarmWorker | None]:
    """A warm worker where a box can be joined. Without a sandbox every program is a fresh interpreter."""
    return WarmWorker() if mechanism == "bubblewrap" else nullcontext()


def _jobs(asked: int | None, work: int) -> int:
    """As many workers as cores, bounded by memory and by the work there is."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return max(1, min(asked or min(cores, max(1, memory // _MEMORY_PER_JOB_GIB)), work))


def grade(options: argparse.Namespace) -> int:
    """Grade a class and write its pages."""
    digest, evidence = receipt.command_digest(options), options.out / ".evidence"
    with tempfile.TemporaryDirectory(prefix="gr-intake-") as workspace:
        candidates = find_submissions(options.paths, Path(workspace))
        jobs = _jobs(options.jobs, len(candidates))
        with prepared(options, evidence) as setup:
            with journal.opened(evidence) as known, display(len(candidates)) as watch:
                outcome = batch.grade_all(candidates, setup, options.out, jobs, watch, journal=known)
            return _tell(outcome, setup, options, digest)


def _tell(outcome: batch.Outcome, setup: Setup, options: argparse.Namespace, digest: str | None) -> int:
    """Print what became of a class, and leave a receipt if all of it could be graded."""
    pages = tr("Pages: {path}", path=str(options.out / "index.html"))
    lines = [*map(terminal.one_line, outcome.grades), pages]
    printed, code = "\n".join(lines) + "\n", _exit_code(outcome, options.fail_under)
    print(printed, end="")
    as_asked = setup.data_name == "mnist" or options.data != "auto"
    if digest is not None and as_asked and code != GraderError.exit_code:
        receipt.write(options.out, digest, printed, code)
    return code


def _exit_code(outcome: batch.Outcome, fail_under: float | None) -> int:
    if outcome.ungraded:
        return GraderError.exit_code
    return int(fail_under is not None and any(grade.score < fail_under for grade in outcome.grades))


def check(options: argparse.Namespace) -> int:
    """Grade one notebook and print the result. The notebook is the caller's own: it may run unconfined."""
    if not options.notebook.is_file():
        raise UsageError(
            say("There is no notebook {path}. Name the .ipynb file that you want to check.", path=str(options.notebook))
        )
    with tempfile.TemporaryDirectory(prefix="gr-check-") as workspace, prepared(options, None, own_code=True) as setup:
        candidate = _own(options, Path(workspace))
        with display(1, quiet=options.format != "text") as watch:
            report = batch.grade_candidate(candidate, setup, Path(workspace), lambda stage: watch(candidate.id, stage))
        if setup.plan.mechanism == "none":
            unconfined = tr("the sandbox is missing; the notebook ran unconfined, with your own rights.")
            print(f"grader: {unconfined}", file=sys.stderr)
        print(_FORMATS[options.format](report))
    if report.grade.error is not None:
        return 3
    return 1 if any(j.status is Status.FAILED for j in report.grade.criteria) else 0


_FORMATS: dict[str, Callable[[Report], str]] = {
    "text": terminal.render,
    "json": lambda report: machine.result_json(report.grade),
    "github": machine.github_annotations,
}


def _own(options: argparse.Namespace, workspace: Path) -> Candidate:
    """The one candidate of `check`: the notebook alone, or together with the logs that were named."""
    if options.logs is None:
        return find_submissions([options.notebook], workspace)[0]
    if not options.logs.exists():
        raise UsageError(
            say("There are no logs at {path}. Name the folder logs/ or an archive of it.", path=str(options.logs))
        )
    folder = workspace / options.notebook.stem
    folder.mkdir()
    shutil.copyfile(options.notebook, folder / options.notebook.name)
    if options.logs.is_dir():
        shutil.copytree(options.logs, folder / "logs", symlinks=True)
    else:
        shutil.copyfile(options.logs, folder / ("logs" + "".join(options.logs.suffixes[-2:])))
    found = find_submissions([folder], workspace)[0]
    return dataclasses.replace(found, source=str(options.notebook))


# --- reference build ------------------------------------------------------------------------------------------------


def build_reference(options: argparse.Namespace) -> int:
    """Run the reference solution over several seeds and write the bands for one profile and data set."""
    with (
        tempfile.TemporaryDirectory(prefix="gr-reference-") as workspace,
        prepared(options, Path(workspace, "evidence")) as setup,
    ):
        seeds = range(setup.assignment.seed, setup.assignment.seed + options.seeds)
        solution = find_submissions([setup.assignment.folder / "solution.ipynb"], Path(workspace))[0]
        with display(len(seeds)) as watch, threads(_jobs(options.jobs, len(seeds))) as pool:
            points = list(pool.map(lambda seed: _points(solution, setup, seed, Path(workspace), watch), seeds))
        about = {"profile": setup.profile.name, "data": setup.data_name, "versions": dict(execution.versions())}
        path = store.bands_path(setup.assignment.folder, setup.profile.name, setup.data_name)
        store.write_text(path, store.bands_json(dict(zip(seeds, points, strict=True)), about))
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
    found = pipeline.extract(submission, own)
    evidence = pipeline.observe(submission, found, own, lambda stage: watch(name, stage))
    case = pipeline.case_of(submission, found, evidence, own)
    points = dict(HOMEWORK.band_points(case, setup.assignment))
    if not points:
        raise GraderError(say("The reference solution logged nothing: grade it by itself to see why."))
    watch(name, "done")
    return points


# --- selftest -------------------------------------------------------------------------------------------------------


def selftest(options: argparse.Namespace) -> int:
    """Grade the corpus of situations and print where verdicts are not what they must be."""
    situations = _chosen(options)
    with (
        tempfile.TemporaryDirectory(prefix="gr-selftest-") as workspace,
        prepared(options, (options.out or Path(workspace)) / ".evidence") as setup,
        display(len(situations)) as watch,
    ):
        folder = options.out or Path(workspace)
        checked = corpus.run(situations, setup, folder, _jobs(options.jobs, len(situations)), watch)
    print(corpus.table(checked))
    return int(any(found.differences for found in checked))


def _chosen(options: argparse.Namespace) -> tuple[Situation, ...]:
    """The situations that were named, or all. Raises UsageError for an unknown name and an empty corpus."""
    reference = options.reference or reference_folder()
    if options.names:
        return tuple(load_situation(options.corpus / name, reference) for name in options.names)
    found = load_all(options.corpus, reference)
    if not found:
        raise UsageError(
            say("There are no situations in {folder}. Name their folder with --corpus.", folder=str(options.corpus))
        )
    return found


# --- doctor ---------------------------------------------------------------------------------------------------------


def doctor(options: argparse.Namespace) -> int:
    """Say what this machine can do, and how to get what is missing."""
    lines = [*_programs(), _sandbox_line(), _data_line(), _reference_line(load_assignment(reference_folder()))]
    for good, name, text in lines:
        print(f"{tr('ok') if good else tr('missing'):<7}  {name:<12} {text}")
    print("\n" + tr("Ways to confine notebooks, the best first. docs/isolation.md says what none of them promises."))
    print("\n".join(describe()))
    return 0 if all(good for good, name, _ in lines if name != "data") else 3


def _programs() -> Iterator[tuple[bool, str, str]]:
    yield True, "python", sys.version.split()[0]
    for name in ("tensorflow", "tensorboard", "nbclient", "ipykernel"):
        try:
            yield True, name, version(name)
        except PackageNotFoundError:
            yield False, name, tr("not installed in {folder}: install the grader again", folder=sys.prefix)


def _sandbox_line() -> tuple[bool, str, str]:
    try:
        return True, "sandbox", tr("{name}, the best that works here", name=choose(allow_unconfined=False))
    except SandboxUnavailable:
        return False, "sandbox", tr("none works here: `grade` refuses other people's notebooks")


def _data_line() -> tuple[bool, str, str]:
    path = mnist.cached()
    if path is not None:
        return True, "data", tr("MNIST in {path}", path=str(path))
    return (
        False,
        "data",
        tr("MNIST is not in the Keras cache: it is fetched at the first use, else embedded digits are used"),
    )


def _reference_line(assignment: Assignment) -> tuple[bool, str, str]:
    bands = sorted(path.stem for path in (assignment.folder / "bands").glob("*.json"))
    return (
        bool(bands),
        "reference",
        tr("bands for {names}", names=", ".join(bands)) if bands else tr("no bands: run grader reference build"),
    )
