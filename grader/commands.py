"""The commands, one function each: options in, exit code out."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grader import (
    batch,
    board,
    journal,
    pipeline,
    receipt,
    reviewing,
    reviews,
    store,
    student_package,
    watching,
)
from grader import selftest as corpus
from grader.assignment import Assignment, load_assignment
from grader.data import load, mnist, save, slice_for
from grader.errors import BrokenReference, GraderError, SandboxUnavailable, UnreadableSubmission, UsageError
from grader.exports import github, gradescope, junit
from grader.exports.results import Result, parse
from grader.formats.notebooks import read_notebook
from grader.homework import HOMEWORK, at_once
from grader.judging import read_overviews
from grader.language import tr, tr_n
from grader.pipeline import Setup
from grader.places import reference_folder
from grader.processes import threads
from grader.progress import display
from grader.records import Decision, Floats, Ints, Report, Status, say
from grader.reporting import machine, roll, terminal
from grader.reporting.overview import Subject
from grader.reporting.text import inert, one_line
from grader.sandbox import WarmWorker, choose, describe
from grader.sandbox.plan import Plan
from grader.situations import Situation, load_all
from grader.situations import load as load_situation
from grader.stages import execution
from grader.stages.intake import Candidate, find_submissions, read_submission, take_in

_MEMORY_PER_JOB_GIB = 3


@contextmanager
def prepared(options: argparse.Namespace, evidence: Path | None, *, own_code: bool = False) -> Iterator[Setup]:
    """All that a batch has in common. Data are found, or fetched, here: before anything is sandboxed. A folder for evidence
    that is to stay is this process's alone meanwhile."""
    assignment = load_assignment(options.reference or reference_folder())
    unknown = [criterion.id for criterion in assignment.criteria if criterion.id not in HOMEWORK.checks]
    if unknown:
        raise BrokenReference(f"assignment.toml has criteria that nothing checks: {', '.join(unknown)[:300]}. Mend it.")
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
    """A warm worker in a sandbox. Without one every program is a fresh interpreter."""
    return WarmWorker() if mechanism != "none" else nullcontext()


def _jobs(asked: int | None, work: int) -> int:
    """As many workers as cores, bounded by memory and by the work there is."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return max(1, min(asked or min(cores, max(1, memory // _MEMORY_PER_JOB_GIB)), work))


def grade(options: argparse.Namespace) -> int:
    """Grade a class and write its pages."""
    digest, evidence = receipt.command_digest(options), options.out / ".evidence"
    decisions = reviews.read(options.out / reviews.NAME)
    with tempfile.TemporaryDirectory(prefix="gr-intake-") as workspace:
        intake = take_in(options.paths, Path(workspace))
        candidates = intake.candidates
        jobs = _jobs(options.jobs, len(candidates))
        with prepared(options, evidence) as usual:
            setup = dataclasses.replace(usual, decisions=decisions)
            print(roll.roll(intake), file=sys.stderr)
            with journal.opened(evidence) as known, display(len(candidates)) as watch:
                outcome = batch.grade_all(candidates, setup, options.out, jobs, watch, journal=known)
            return _tell(outcome, setup, options, digest)


def _tell(outcome: batch.Outcome, setup: Setup, options: argparse.Namespace, digest: str | None) -> int:
    """Print what became of a class, and leave a receipt if all of it could be graded."""
    pages = inert(tr("Pages: {path}", path=str(options.out / "index.html")))
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
    return _watch(options) if options.watch else _check(options)


def _check(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="gr-check-") as workspace, prepared(options, None, own_code=True) as setup:
        candidate = _own(options, Path(workspace))
        with display(1, quiet=options.format != "text" or options.watch) as watch:
            report = batch.grade_candidate(candidate, setup, Path(workspace), lambda stage: watch(candidate.id, stage))
        if setup.plan.mechanism == "none":
            unconfined = tr("the sandbox is missing; the notebook ran unconfined, with your own rights.")
            print(f"grader: {unconfined}", file=sys.stderr)
        print(_FORMATS[options.format](report))
        if options.format == "github":
            _add_summary(report)
    if report.grade.error is not None:
        return 3
    return 1 if any(j.status is Status.FAILED for j in report.grade.criteria) else 0


def _watch(options: argparse.Namespace) -> int:
    """Grade the notebook whenever it is saved, until Ctrl-C."""
    if options.format != "text":
        raise UsageError("--watch prints text: leave --format out.")
    watching.watch(options.notebook, partial(_at_once, options), partial(_check, options))
    return 0


def _at_once(options: argparse.Namespace) -> str:
    """What the notebook's text tells, before it is run."""
    head = f"\n{datetime.now():%H:%M:%S} {options.notebook.name}"
    try:
        cells = read_notebook(options.notebook).cells
    except UnreadableSubmission as error:
        return f"{head}: {one_line(str(error))}"
    found = terminal.findings(at_once.findings(cells, options.reference or reference_folder()))
    seen = f"before it is run:\n{found}" if found else "nothing to mend is seen before it is run."
    return f"{head}: {seen}\nRunning it in the background. The next save begins anew, Ctrl-C ends."


_FORMATS: dict[str, Callable[[Report], str]] = {
    "text": terminal.render,
    "json": lambda report: machine.result_json(report.grade),
    "github": machine.github_annotations,
    "gradescope": lambda report: gradescope.render(_result(report)),
    "junit": lambda report: junit.render([_result(report)]),
}


def _result(report: Report) -> Result:
    """The result as exports read it: from the same text that `grade` writes."""
    return parse(machine.result_json(report.grade))


def _add_summary(report: Report) -> None:
    """In a GitHub job, the summary as well. The verdict stands without it."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        github.append(Path(summary), [_result(report)])
    except OSError as error:
        print(f"grader: the job summary cannot be written: {error.strerror}.", file=sys.stderr)


def _own(options: argparse.Namespace, workspace: Path) -> Candidate:
    """The one candidate of `check`: the notebook alone, or together with the logs that were named."""
    if options.logs is not None and not options.logs.exists():
        raise UsageError(
            say("There are no logs at {path}. Name the folder logs/ or an archive of it.", path=str(options.logs))
        )
    return dataclasses.replace(find_submissions([options.notebook], workspace)[0], logs=options.logs)


# --- review ---------------------------------------------------------------------------------------------------------


def review(options: argparse.Namespace) -> int:
    """Take down what people decide, from the terminal or through a spreadsheet."""
    subjects = _subjects(options.out)
    path = options.out / reviews.NAME
    known = reviews.read(path)
    left = reviews.waiting(subjects, known)
    try:
        if options.write is not None:
            return _write_sheet(options.write, options.out, subjects, known)
        by, on = options.by or _login(), date.today().isoformat()
        if options.read is not None:
            made = reviews.read_sheet(options.read, subjects, known, by, on)
            reviews.record(path, made)
            print(tr_n("{n} decision taken over.", "{n} decisions taken over.", len(made)))
        elif left:
            reviewing.ask(left, options.out, by, on, lambda decision: reviews.record(path, decision))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(
            say("{path} cannot be written: {why}.", path=str(error.filename or path), why=str(error.strerror))
        ) from error
    waiting = len(reviews.waiting(subjects, reviews.read(path)))
    print(
        tr_n(
            "{n} answer of {all} to be decided. Decisions are in {path}; the `grader grade` command "
            "that wrote these results, given again, takes them into points and pages. It runs no notebook again.",
            "{n} answers of {all} to be decided. Decisions are in {path}; the `grader grade` command "
            "that wrote these results, given again, takes them into points and pages. It runs no notebook again.",
            waiting,
            all=len(subjects),
            path=str(path),
        )
    )
    return 0


def _subjects(out: Path) -> list[Subject]:
    """All that a person decides in the results of a class."""
    try:
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]
        names = [str(result["submission"]["id"]) for result in results]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            say(
                "There are no results of a class in {folder}. Name the folder that `grader grade` wrote.",
                folder=str(out),
            )
        ) from error
    return [subject for shown in read_overviews(out, names) for subject in shown.subjects]


def _write_sheet(path: Path, out: Path, subjects: Sequence[Subject], known: Mapping[str, Decision]) -> int:
    if path.exists():
        raise UsageError(
            say("{path} is there already, and may hold somebody's work. Name another file.", path=str(path))
        )
    store.write_text(path, reviews.sheet(subjects, known))
    print(
        tr_n(
            "{n} answer: {path}. Fill in `points` and `comment`; then grader review {folder} --read {path}.",
            "{n} answers: {path}. Fill in `points` and `comment`; then grader review {folder} --read {path}.",
            len(subjects),
            path=str(path),
            folder=str(out),
        )
    )
    return 0


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise UsageError(say("This login has no name. Say who decides: --by NAME.")) from error


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


# --- TensorBoard ----------------------------------------------------------------------------------------------------


def tensorboard(options: argparse.Namespace) -> int:
    """Open submissions and the reference side by side, until Ctrl-C."""
    assignment = load_assignment(options.reference or reference_folder())
    with tempfile.TemporaryDirectory(prefix="gr-board-") as folder:
        if not board.lay_out(options.out, options.ids, assignment, Path(folder)):
            print("grader: there are no reference runs for these data and tags.", file=sys.stderr)
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder]
        port = ["--port", str(options.port)] if options.port is not None else []
        process = subprocess.Popen([*command, *port], env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        try:
            return 0 if process.wait() == 0 else GraderError.exit_code
        except KeyboardInterrupt:  # how one closes it
            return 0
        finally:
            process.terminate()
            process.wait()


# --- the package for students ---------------------------------------------------------------------------------------


def pack_for_students(options: argparse.Namespace) -> int:
    """Write the zip that students get."""
    assignment = load_assignment(options.reference or reference_folder())
    data = student_package.package(assignment)
    try:
        options.into.write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{options.into} cannot be written: {error.strerror}. Name another file with --into."
        ) from error
    print(f"For students, without the solution, its runs and the thresholds: {options.into}")
    return 0


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
    if assignment.is_students:
        return True, "reference", "the copy for students: without the solution, its runs and the thresholds"
    bands = sorted(path.stem for path in (assignment.folder / "bands").glob("*.json"))
    return (
        bool(bands),
        "reference",
        tr("bands for {names}", names=", ".join(bands)) if bands else tr("no bands: run grader reference build"),
    )
