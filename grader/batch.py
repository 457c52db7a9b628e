"""Many submissions: a pool of workers, progress, results on disk as soon as each is there, then the class pages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline, store
from grader.errors import GraderError, UnreadableSubmission
from grader.pipeline import Progress, Setup
from grader.records import Grade, Message, Report, say
from grader.reporting import html, machine
from grader.stages.intake import Candidate, read_submission

Watch = Callable[[str, str], None]  # (submission id, stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a class. `faulty` are ids that the harness itself could not grade."""

    grades: tuple[Grade, ...]

    @property
    def ungraded(self) -> tuple[Grade, ...]:
        return tuple(grade for grade in self.grades if grade.error is not None)


def grade_all(candidates: Sequence[Candidate], setup: Setup, out: Path, jobs: int, watch: Watch) -> Outcome:
    """Grade all candidates with `jobs` workers and write everything below `out`. Submissions keep their order."""
    found: dict[str, Grade] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {pool.submit(_grade_one, candidate, setup, out, watch): candidate for candidate in candidates}
        try:
            for future in as_completed(waiting):
                found[waiting[future].id] = future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    grades = tuple(found[candidate.id] for candidate in candidates)
    write_class(grades, setup, out)
    return Outcome(grades=grades)


def _grade_one(candidate: Candidate, setup: Setup, out: Path, watch: Watch) -> Grade:
    """One submission, read, graded and written. Whatever goes wrong with it, the class goes on."""
    with tempfile.TemporaryDirectory(prefix="gr-", ignore_cleanup_errors=True) as workspace:
        report = grade_candidate(candidate, setup, Path(workspace), lambda stage: watch(candidate.id, stage))
    execution = report.execution
    files = {
        "result.json": machine.result_json(report.grade),
        "report.html": html.student_page(report, data_note=data_note(setup)),
    }
    store.write_results(
        out,
        candidate.id,
        files,
        execution.executed_notebook if execution else None,
        execution.logs if execution else None,
    )
    watch(candidate.id, "done")
    return report.grade


def grade_candidate(candidate: Candidate, setup: Setup, workspace: Path, progress: Progress) -> Report:
    """Grade one candidate; one that cannot be graded becomes a report that says why."""
    try:
        submission = read_submission(candidate, workspace)
        return pipeline.grade(submission, setup, progress)
    except UnreadableSubmission as error:
        return _ungraded(candidate, setup, error.message)
    except GraderError as error:
        reason = say(
            "The harness failed on this submission; that is not its author's fault. {reason}", reason=str(error)
        )
        return _ungraded(candidate, setup, reason)


def _ungraded(candidate: Candidate, setup: Setup, reason: Message) -> Report:
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
    """The three files of the class."""
    store.write_text(out / "results.json", machine.class_json(grades))
    store.write_text(out / "grades.csv", machine.grades_csv(grades))
    page = html.class_page(grades, title=setup.assignment.name, data_note=data_note(setup))
    store.write_text(out / "index.html", page)


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
