"""Many submissions: a pool of workers, progress, results on disk as soon as each is there, then the class pages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline, store
from grader.errors import GraderError, UnreadableSubmission
from grader.formats.notebooks import read_file
from grader.judging import Judges, Observed, data_note, read_overviews, report, write
from grader.pipeline import Progress, Setup
from grader.records import Grade, Report, say
from grader.reporting import html, machine
from grader.stages.intake import Candidate, read_submission

Watch = Callable[[str, str], None]  # (submission id, stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a class."""

    grades: tuple[Grade, ...]

    @property
    def ungraded(self) -> tuple[Grade, ...]:
        return tuple(grade for grade in self.grades if grade.error is not None)


def grade_all(candidates: Sequence[Candidate], setup: Setup, out: Path, jobs: int, watch: Watch) -> Outcome:
    """Grade all candidates, `jobs` at a time, and write everything below `out`. Submissions keep their order; those with
    most to run are begun first, so that no long one is left for the end."""
    found: dict[str, Grade] = {}
    order = sorted(candidates, key=lambda candidate: expected_work(candidate, setup), reverse=True)
    with Judges(setup, out, jobs) as judges, ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {pool.submit(_grade_one, candidate, setup, out, judges, watch): candidate for candidate in order}
        try:
            for future in as_completed(waiting):
                found[waiting.pop(future).id] = future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    grades = tuple(found[candidate.id] for candidate in candidates)
    write_class(grades, setup, out)
    return Outcome(grades=grades)


def expected_work(candidate: Candidate, setup: Setup) -> float:
    """How much there is to run, as far as the notebook's text tells; 0 for what has to be looked for or unpacked first."""
    if candidate.path.suffix != ".ipynb":
        return 0.0
    try:
        return setup.homework.effort(read_file(candidate.path).decode("utf-8", "replace"))
    except UnreadableSubmission:
        return 0.0


def _grade_one(candidate: Candidate, setup: Setup, out: Path, judges: Judges, watch: Watch) -> Grade:
    """One submission, read, run, judged and written. Whatever goes wrong with it, the class goes on."""
    with tempfile.TemporaryDirectory(prefix="gr-", ignore_cleanup_errors=True) as workspace:
        try:
            grade = judges.judge(observe(candidate, setup, Path(workspace), lambda stage: watch(candidate.id, stage)))
        except Exception as error:  # noqa: BLE001 - ours or the submission's, the others are graded all the same
            grade = write(_ungraded(candidate, setup, error), setup, out)
    watch(candidate.id, "done")
    return grade


def observe(candidate: Candidate, setup: Setup, workspace: Path, progress: Progress) -> Observed:
    """Read a candidate, run it and ask the probes, unless the evidence is there. Raises GraderError when it cannot be."""
    submission = read_submission(candidate, workspace)
    found = pipeline.extract(submission, setup)
    evidence = pipeline.observe(submission, found, setup, progress)
    progress("judging")
    return Observed(submission=submission, found=found, evidence=evidence)


def grade_candidate(candidate: Candidate, setup: Setup, workspace: Path, progress: Progress) -> Report:
    """Grade one candidate; one that cannot be graded becomes a report that says why."""
    try:
        return report(observe(candidate, setup, workspace, progress), setup)
    except GraderError as error:
        return _ungraded(candidate, setup, error)


def _ungraded(candidate: Candidate, setup: Setup, error: Exception) -> Report:
    reason = (
        error.message
        if isinstance(error, UnreadableSubmission)
        else say(
            "The harness failed on this submission; that is not its author's fault. {reason}",
            reason=str(error) if isinstance(error, GraderError) else repr(error),
        )
    )
    grade = Grade(
        id=candidate.id,
        source=candidate.source,
        sha256="",
        profile=setup.profile.name,
        environment={"sandbox": setup.plan.mechanism, "data": setup.data_name, "seed": setup.plan.seed},
        error=reason,
    )
    return Report(grade=grade)


def write_class(grades: Sequence[Grade], setup: Setup, out: Path) -> None:
    """The files of the class: two for programs, and the pages, from the overview that lies in each submission's folder."""
    store.write_text(out / "results.json", machine.class_json(grades))
    store.write_text(out / "grades.csv", machine.grades_csv(grades))
    overviews = read_overviews(out, [grade.id for grade in grades])
    pages = html.class_pages(
        grades, overviews, setup.reference.bands, title=setup.assignment.name, data_note=data_note(setup)
    )
    for name, page in pages.items():
        store.write_text(out / name, page)
