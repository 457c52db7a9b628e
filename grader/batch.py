"""Many submissions: a pool of workers, progress, results on disk as soon as each is there, then the class pages."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from grader import journal as journals
from grader import pipeline, receipt, store
from grader.errors import CannotWrite, GraderError, SetAside, UnreadableSubmission, is_full_disk
from grader.formats.notebooks import read_file
from grader.journal import MOST_CRASHES, Done, Journal
from grader.judging import Judges, Observed, data_note, read_overviews, report, write
from grader.pipeline import Progress, Setup
from grader.processes import as_they_end
from grader.records import Grade, Report, say
from grader.reporting import html, machine
from grader.stages import execution
from grader.stages.intake import Candidate, read_submission

Part = TypeVar("Part")
Watch = Callable[[str, str], None]  # (submission id, stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a class."""

    grades: tuple[Grade, ...]

    @property
    def ungraded(self) -> tuple[Grade, ...]:
        return tuple(grade for grade in self.grades if grade.error is not None)


def grade_all(
    candidates: Sequence[Candidate], setup: Setup, out: Path, jobs: int, watch: Watch, *, journal: Journal | None = None
) -> Outcome:
    """Grade all candidates, `jobs` at a time, and write everything below `out`; what the journal knows as done is left as
    it is. Submissions keep their order; those with most to run are begun first, so that no long one is left for the end.
    Raises CannotWrite when a disk is full or cannot be written: nobody is graded on that."""
    with store.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with _kept(journal) as known, Judges(setup, out, jobs) as judges:
        batch = _Batch(setup, out, judges, watch, known)
        keyed = [_Keyed(candidate, batch.key(candidate)) for candidate in candidates]
        found = {one.candidate.id: grade for one in keyed if (grade := batch.done_before(one)) is not None}
        left = [one for one in keyed if one.candidate.id not in found]
        suspects = sorted((one for one in left if batch.crashes(one)), key=batch.crashes)
        usual = sorted((one for one in left if not batch.crashes(one)), key=batch.work, reverse=True)
        found |= batch.grade(usual, jobs)
        found |= batch.grade(suspects, 1)  # last and alone: the class is not held up, and only the culprit is blamed
    grades = tuple(found[candidate.id] for candidate in candidates)
    write_class(grades, setup, out)
    return Outcome(grades=grades)


def _kept(journal: Journal | None) -> AbstractContextManager[Journal]:
    """A caller's journal is the caller's to close; without one, what becomes of a class is known only as long as it lasts."""
    return nullcontext(journal) if journal else journals.opened(None)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A candidate, and a name for all that its grade depends on."""

    candidate: Candidate
    key: str


class _Batch:
    """What the submissions of a class share while they are graded."""

    def __init__(self, setup: Setup, out: Path, judges: Judges, watch: Watch, journal: Journal) -> None:
        self._setup, self._out, self._judges, self._watch, self._journal = setup, out, judges, watch, journal
        self._common, self._parts = common_digest(setup), _Once()

    def key(self, candidate: Candidate) -> str:
        """A mended notebook, grader or assignment has another key, and with it new attempts."""
        handed_in = [candidate.path, *candidate.also, *([candidate.logs] if candidate.logs else [])]
        about = f"{self._common} {candidate.id} {candidate.source}"
        try:
            return receipt.contents_digest(handed_in, about)
        except OSError as error:
            return receipt.contents_digest([], f"{about} {error.strerror}")  # whoever reads it will say what is wrong

    def crashes(self, one: _Keyed) -> int:
        return self._journal.crashes(one.key)

    def work(self, one: _Keyed) -> float:
        return expected_work(one.candidate, self._setup)

    def done_before(self, one: _Keyed) -> Grade | None:
        """The grade that an earlier command came to, if the files that it wrote are as they were left."""
        done = self._journal.found(one.candidate.id, one.key)
        if done is None or done.results != self._results(one):
            return None
        self._watch(one.candidate.id, "done")
        return self._parts.shared(done.grade)

    def grade(self, group: Sequence[_Keyed], jobs: int) -> dict[str, Grade]:
        """Grade a group, `jobs` at a time. When that is broken off, what has begun is not waited for: it does not count
        as an attempt, and ends with this process."""
        pool = ThreadPoolExecutor(max_workers=jobs)
        try:
            waiting = {pool.submit(self._one, one): one.candidate.id for one in group}
            found = {waiting[future]: future.result() for future in as_they_end(waiting)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with suppress(CannotWrite):
                self._journal.stop()
            raise
        pool.shutdown()
        return found

    def _one(self, one: _Keyed) -> Grade:
        """One submission, read, run, judged and written. Whatever goes wrong with it, the class goes on, unless it is the
        disk."""
        store.check_room(self._out, Path(tempfile.gettempdir()))
        if self._journal.crashes(one.key) >= MOST_CRASHES:
            grade = self._failed(one.candidate, _set_aside())
        else:
            self._journal.begin(one.key)
            grade = self._attempt(one)
        self._watch(one.candidate.id, "done")
        return self._parts.shared(grade)

    def _attempt(self, one: _Keyed) -> Grade:
        with tempfile.TemporaryDirectory(prefix="gr-", ignore_cleanup_errors=True) as workspace:
            try:
                grade = self._judges.judge(self._observe(one.candidate, Path(workspace)))
            except CannotWrite:
                raise
            except Exception as error:
                if is_full_disk(error):
                    raise CannotWrite.because_of(error, Path(workspace)) from error
                store.check_room(self._out, Path(workspace))  # a process of ours may have met that, and died of it
                self._journal.given_up(one.key)
                return self._failed(one.candidate, error)
        self._journal.done(one.candidate.id, one.key, Done(results=self._results(one), grade=grade))
        return grade

    def _observe(self, candidate: Candidate, workspace: Path) -> Observed:
        return observe(candidate, self._setup, workspace, lambda stage: self._watch(candidate.id, stage))

    def _failed(self, candidate: Candidate, error: Exception) -> Grade:
        return write(_ungraded(candidate, self._setup, error), self._setup, self._out)

    def _results(self, one: _Keyed) -> str:
        """A digest of all files in a submission's folder."""
        folder = self._out / one.candidate.id
        return receipt.contents_digest([folder] if folder.is_dir() else [])


class _Once:
    """What many grades of a class have in common, kept once: a large class would take much memory otherwise."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Any] = {}

    def shared(self, grade: Grade) -> Grade:
        """The same grade, made of the same parts as the grades before, as far as it has them."""
        return dataclasses.replace(
            grade,
            criteria=tuple(map(self._first, grade.criteria)),
            remarks=tuple(map(self._first, grade.remarks)),
            environment=self._first(grade.environment),
        )

    def _first(self, part: Part) -> Part:
        spelled = repr(part)  # whatever is equal is not the same: 1 == True
        name = hashlib.sha256(spelled.encode("utf-8", "backslashreplace")).digest()
        first: Part = self._kept.setdefault(name, part)
        return first


def _set_aside() -> SetAside:
    sentence = say(
        "The grader itself was killed {times} times while it was at work on it, so it is not tried again. "
        "Look whether memory is short, then try once more: grade it alone into another folder (--out), or delete "
        "{journal} in the folder of the results and give the same command.",
        times=MOST_CRASHES,
        journal=f".evidence/{journals.NAME}",
    )
    return SetAside(sentence)


def common_digest(setup: Setup) -> str:
    """A digest of all that the grades of a class have in common: grader, assignment, data, how notebooks are run."""
    plan = setup.plan
    settings = {
        "profile": setup.profile.name,
        "seconds_per_cell": plan.seconds_per_cell,
        "data": (setup.data_name, setup.data_digest),
        "seed": plan.seed,
        "sandbox": plan.mechanism,
        "accelerated": plan.accelerated,
        "language": setup.language,
        "decisions": sorted((key, repr(decision)) for key, decision in setup.decisions.items()),
    }
    return receipt.digest_of(settings, [Path(__file__).parent, setup.assignment.folder])


def expected_work(candidate: Candidate, setup: Setup) -> float:
    """How much there is to run, as far as the notebook's text tells; 0 for what has to be looked for or unpacked first."""
    if candidate.path.suffix.lower() != ".ipynb":
        return 0.0
    try:
        return setup.homework.effort(read_file(candidate.path).decode("utf-8", "replace"))
    except UnreadableSubmission:
        return 0.0


def observe(candidate: Candidate, setup: Setup, workspace: Path, progress: Progress) -> Observed:
    """Read a candidate, run it and ask the probes, unless the evidence is there. Raises GraderError when it cannot be."""
    submission = read_submission(candidate, workspace, setup.homework.names.all)
    evidence = pipeline.observe(submission, setup, progress)
    progress("judging")
    return Observed(submission=submission, evidence=evidence)


def grade_candidate(candidate: Candidate, setup: Setup, workspace: Path, progress: Progress) -> Report:
    """Grade one candidate; one that cannot be graded becomes a report that says why."""
    try:
        return report(observe(candidate, setup, workspace, progress), setup)
    except CannotWrite:
        raise
    except Exception as error:  # noqa: BLE001 - as in a class: whatever goes wrong with it is said of this submission
        return _ungraded(candidate, setup, error)


def _ungraded(candidate: Candidate, setup: Setup, error: Exception) -> Report:
    reason = (
        error.message
        if isinstance(error, UnreadableSubmission)
        else say(
            "The harness failed on this submission; that is not its author's fault. {reason}",
            reason=error.message if isinstance(error, GraderError) else repr(error),
        )
    )
    template = pipeline.template_of(setup.assignment.folder)
    grade = Grade(
        id=candidate.id,
        source=candidate.source,
        sha256="",
        student=candidate.student,
        profile=setup.profile.name,
        environment=pipeline.environment(execution.versions(), setup),
        error=reason,
        language=pipeline.language_of(template) if template else None,
        harness_failed=not isinstance(error, UnreadableSubmission),
    )
    return Report(grade=grade)


def write_class(grades: Sequence[Grade], setup: Setup, out: Path) -> None:
    """The files of the class: two for programs, and the pages, from the overview that lies in each submission's folder."""
    store.write_text(out / "results.json", machine.class_json(grades))
    store.write_text(out / "grades.csv", machine.grades_csv(grades))
    pages = html.class_pages(
        grades,
        lambda: read_overviews(out, [grade.id for grade in grades]),
        setup.reference.bands,
        title=setup.assignment.name,
        data_note=data_note(setup),
        language=setup.language,
    )
    for name, page in pages:
        store.write_text(out / name, page)
