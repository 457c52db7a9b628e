"""Evidence to grade, page and files: in processes of its own, so that it never waits for a run, nor a run for it."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from grader import memory, pipeline, reviews, store
from grader.errors import GraderError
from grader.memory import Memory
from grader.pipeline import Setup
from grader.processes import FORKED, end_if_orphan, end_with_parent
from grader.records import Grade, Message, Report, Submission, say
from grader.reporting import html, likeness, machine
from grader.reporting.overview import Outline, Overview, outline, overview, overview_json, read_overview

_JUDGE_SECONDS = 600  # it takes a tenth of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A submission that has been run and probed, and the folder with the evidence."""

    submission: Submission
    evidence: Path


def judge(observed: Observed, setup: Setup, out: Path, common: str) -> Grade:
    """Judge a submission and write its folder below `out`. What is known of it from before is not found out again, as far as
    it rests on the same: `common` is what the class's submissions have in common of that."""
    with _known(observed, setup, common) as known:
        done = report(observed, setup, known)
        made_from = ("exhibit", "runs")
        return write(done, setup, out, known.part("outline", Outline, lambda: _outline(done, setup), after=made_from))


def _known(observed: Observed, setup: Setup, common: str) -> AbstractContextManager[Memory]:
    """What is remembered: of each submission and its evidence once."""
    submission, evidence, thresholds = observed.submission, observed.evidence, setup.assignment.thresholds
    try:
        basis = pipeline.basis_of(submission, evidence, common)
    except OSError:  # a submitted event file that may not be read: what the reader says of it is not worth remembering
        return nullcontext(Memory(thresholds))
    return memory.kept(store.derived_path(setup.evidence, submission.id, evidence.name), basis, thresholds)


def report(observed: Observed, setup: Setup, known: Memory | None = None) -> Report:
    """The verdict on a submission and what its page shows, from the evidence and what people have decided alone."""
    case = pipeline.case_of(observed.submission, observed.evidence, setup)
    return reviews.decided(pipeline.report_of(case, observed.evidence, setup, known), setup.decisions)


def _outline(done: Report, setup: Setup) -> Outline:
    return outline(done, _given(setup.assignment.folder))


def write(done: Report, setup: Setup, out: Path, known: Outline | None = None) -> Grade:
    """Write the folder of one submission; its grade comes back without the findings, which stand in there."""
    execution, known = done.execution, known or _outline(done, setup)
    files = {
        "result.json": machine.result_json(done.grade),
        "report.html": html.student_page(
            done,
            data_note=data_note(setup),
            language=setup.language,
            keep=partial(store.kept_text, setup.evidence / store.PICTURES),
            known=known,
        ),
        store.OVERVIEW: overview_json(overview(done, known)),
    }
    store.write_results(
        out,
        done.grade.id,
        files,
        execution.executed_notebook if execution else None,
        execution.logs if execution else None,
    )
    criteria = tuple(dataclasses.replace(judgement, findings=()) for judgement in done.grade.criteria)
    return dataclasses.replace(done.grade, criteria=criteria)


def read_overviews(out: Path, submissions: Iterable[str]) -> Iterator[Overview]:
    """What `write` left of these submissions for the pages of the class, read one by one; nothing of one that an older
    grader wrote."""
    return (_read_overview(out / submission / store.OVERVIEW, submission) for submission in submissions)


def _read_overview(path: Path, submission: str) -> Overview:
    try:
        return read_overview(path.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return Overview(id=submission)


@cache
def _given(folder: Path) -> frozenset[int]:
    """The fingerprints of what everybody was given to begin with."""
    return likeness.all_code_prints(pipeline.template_of(folder))


class Judges:
    """Up to `count` processes that judge; with one, the work is done where it is asked for."""

    def __init__(self, setup: Setup, out: Path, count: int) -> None:
        plan = dataclasses.replace(setup.plan, worker=None)  # nothing is run here
        self._work, self._count = (dataclasses.replace(setup, plan=plan), out, pipeline.common_basis(setup)), count
        self._lock = threading.Lock()
        self._pool = self._new(count)

    def __enter__(self) -> Judges:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _new(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, mp_context=FORKED, initializer=_prepare, initargs=self._work)

    def judge(self, observed: Observed) -> Grade:
        """The grade of a submission, whose folder has been written. Raises GraderError when judging it ends a process."""
        if self._count == 1:
            return judge(observed, *self._work)
        pool = self._pool
        try:
            return pool.submit(_judge, observed).result(_JUDGE_SECONDS)
        except BrokenProcessPool:
            return self._alone(observed, pool)
        except TimeoutError as error:
            raise GraderError(f"Judging did not come to an end in {_JUDGE_SECONDS} s.") from error

    def _alone(self, observed: Observed, broken: ProcessPoolExecutor) -> Grade:
        """Again, with a process to itself: the one that ended may have been another's."""
        with self._lock:
            if self._pool is broken:
                self._pool = self._new(self._count)
        try:
            with self._new(1) as pool:
                return pool.submit(_judge, observed).result(_JUDGE_SECONDS)
        except BrokenProcessPool as error:
            raise GraderError("The process that judges ended twice on this submission.") from error


_WORK: list[tuple[Setup, Path, str]] = []


def _prepare(setup: Setup, out: Path, common: str) -> None:
    end_with_parent()
    store.count_as_writer(setup.evidence)
    end_if_orphan()  # or another command may be at work already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began the batch
    _WORK[:] = [(setup, out, common)]


def _judge(observed: Observed) -> Grade:
    return judge(observed, *_WORK[0])


def data_note(setup: Setup) -> Message | None:
    """The sentence that stands on every page when the data are not MNIST."""
    if setup.data_name == "mnist":
        return None
    if setup.data_name == "embedded":
        return say(
            "Graded on embedded digits, not on MNIST: MNIST was not found on this machine and could not be fetched, "
            "or the embedded digits were asked for. Values differ from those of MNIST; the criteria are the same."
        )
    return say("Graded on data of the instructor's own file, not on MNIST. Values differ from those of MNIST.")
