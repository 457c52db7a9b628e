"""The vocabulary: what flows from a submission to its grade. A newcomer reads this file first.

    Submission ─ execution ─▶ Execution ─ events ─▶ Run… ──┐
               └ extraction ▶ Definition… ─ probing ▶ Evidence ─▶ Case ─ checks ▶ Verdict… ─▶ Grade

Every record is frozen and made once; a stage returns a new record and never edits an old one. What goes wrong in the
student's world is a `Fault` inside a record; what goes wrong in ours is an exception (see `grader.errors`).
Records that hold NumPy arrays compare by identity (`eq=False`), because arrays have no truth value.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.language import Message as Message  # noqa: PLC0414 - part of the vocabulary
from grader.language import say as say  # noqa: PLC0414

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# --- what people read -----------------------------------------------------------------------------------------------


class Severity(enum.StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was seen, with the place where it was seen. In a criterion it explains the points; beside the
    criteria it is a remark and costs nothing.

    `code` is stable and language-neutral; `expected` and `actual` are short texts: a message, or a plain
    string where they are code, names or values; `hint` says what to try next;
    `cell` counts from 1 over all cells of the notebook, `line` from 1 within the cell.
    """

    code: str
    message: Message
    severity: Severity = Severity.ERROR
    expected: Message | str | None = None
    actual: Message | str | None = None
    hint: Message | None = None
    cell: int | None = None
    line: int | None = None
    run: str | None = None
    tag: str | None = None
    step: int | None = None


# --- the submission -------------------------------------------------------------------------------------------------


class FaultKind(enum.StrEnum):
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    KERNEL_DIED = "kernel_died"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    DISK_LIMIT = "disk_limit"
    FILES_LIMIT = "files_limit"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that went wrong in the student's world: data, never raised. `traceback` is plain text, capped."""

    kind: FaultKind
    message: str
    cell: int | None = None
    line: int | None = None
    traceback: str = ""


class CellKind(enum.StrEnum):
    CODE = "code"
    MARKDOWN = "markdown"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell as it was handed in. `index` counts from 1 over all cells; `output` is the recorded text output."""

    index: int
    kind: CellKind
    source: str
    execution_count: int | None = None
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """Whose work it is, as a course system's download says. `key` is the system's own identifier (Moodle's participant,
    Canvas's user, Gradescope's student id or address, the login of nbgrader and GitHub); `late` is set where the download
    marks it so; `attempt` counts from 1 among those of the same student that were found."""

    system: str
    key: str
    name: str | None = None
    late: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What one student handed in. `notebook` is the file to run, `logs` the folder of submitted event files, if any;
    `student` is known where a course system's download tells.

    `remarks` are what intake noticed (two notebooks in one submission, …); `sha256` is that of the notebook's bytes.
    """

    id: str
    source: str
    notebook: Path
    sha256: str
    cells: tuple[Cell, ...]
    logs: Path | None = None
    remarks: tuple[Finding, ...] = ()
    student: Student | None = None


# --- what was observed ----------------------------------------------------------------------------------------------


class CellStatus(enum.StrEnum):
    OK = "ok"
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    DIED = "died"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """How one code cell went. `text` is what it printed, capped; `fault` is set unless the status is OK or NOT_RUN."""

    index: int
    status: CellStatus
    seconds: float = 0.0
    text: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Seconds of wall and CPU time, and the highest sum of resident memory of all the submission's processes."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mib: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            wall_seconds=self.wall_seconds + other.wall_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            peak_memory_mib=max(self.peak_memory_mib, other.peak_memory_mib),
        )

    def beside(self, other: Resources) -> Resources:
        """What both used together when they ran at the same time."""
        return Resources(
            wall_seconds=max(self.wall_seconds, other.wall_seconds),
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            peak_memory_mib=self.peak_memory_mib + other.peak_memory_mib,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerUse:
    """A layer of a model that the notebook trained. `origin` is the module of its class (`utils` or `__main__`);
    `aliases` are other names that the notebook gave to a class of its own. One with the same `number` is the same layer."""

    kind: str
    origin: str
    name: str
    aliases: tuple[str, ...] = ()
    number: int | None = None
    inputs: int | None = None
    outputs: int | None = None
    activation: str | None = None

    def is_a(self, kind: str) -> bool:
        return kind in (self.kind, *self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceUse:
    """A data sequence that a model was fed from. `low`, `high` bound the values of its first batch."""

    number: int
    length: int
    batch_size: int
    samples: int
    preprocess: str | None
    low: float
    high: float
    labels: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """A model as the course library saw it at work: its number among the notebook's, its layers, the run it logged to,
    and what it was fed, in order. A model that logged to several runs is there once for each. `steps` is how many batches were
    fetched for it and went through it together; None where that was not counted."""

    number: int
    run: str | None
    layers: tuple[LayerUse, ...]
    sequences: tuple[SequenceUse, ...]
    steps: int | None = None

    @property
    def image_sets(self) -> tuple[tuple[int, str], ...]:
        """What tells the images of one sequence from those of another, whatever `preprocess` makes of them, in the order of
        feeding: how many there are, and the first labels that came."""
        first: dict[int, tuple[int, str]] = {}
        for sequence in self.sequences:
            first.setdefault(sequence.number, (sequence.samples, sequence.labels))
        return tuple(first.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What `Sequential.fit_generator` was when the notebook had run: a function, and where it was defined."""

    is_function: bool
    module: str
    name: str
    cell: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The notebook as it ran. `fault` is what ended it early, None when it reached its last cell."""

    cells: tuple[CellRun, ...]
    fault: Fault | None
    models: tuple[ModelUse, ...]
    patch: Patch | None
    resources: Resources
    versions: tuple[tuple[str, str], ...]
    logs: Path
    executed_notebook: Path

    def cell(self, index: int) -> CellRun | None:
        return next((run for run in self.cells if run.index == index), None)


class FileState(enum.StrEnum):
    OK = "ok"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """An event file: how far it could be read. `detail` says what stopped the reader, and at which byte."""

    name: str
    state: FileState
    events: int
    detail: Message | str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scalars:
    """A scalar series in the order of writing: steps int64 [n], values float64 [n], wall times in seconds [n]."""

    tag: str
    steps: Ints
    values: Floats
    times: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histograms:
    """A histogram series in the order of writing: steps int64 [n]; buckets n arrays float64 [k, 3] with rows
    (left edge, right edge, count). A NaN among the values makes all edges NaN and all counts 0."""

    tag: str
    steps: Ints
    buckets: tuple[Floats, ...]
    times: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """All that was logged in one folder below `logs/`; `name` is that folder, with `/` between parts."""

    name: str
    scalars: tuple[Scalars, ...]
    histograms: tuple[Histograms, ...]
    files: tuple[LogFile, ...]

    def scalar(self, tag: str) -> Scalars | None:
        return next((series for series in self.scalars if series.tag == tag), None)

    def histogram(self, tag: str) -> Histograms | None:
        return next((series for series in self.histograms if series.tag == tag), None)


# --- extraction and probing -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A definition that the brief asks for, found in the syntax tree. `wanted` is the brief's name, `name` the
    notebook's; `source` is a self-contained program: the definition and all it needs, without the course library's
    classes. `normal` is the definition alone in normal form (no comments, no docstring), to compare it with others."""

    wanted: str
    name: str
    source: str
    cell: int
    line: int
    normal: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What a probe is asked: drawn by the parent, unknown beforehand. `settings` is JSON data, `arrays` go as .npz."""

    probe: str
    definition: Definition
    settings: Mapping[str, object]
    arrays: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a probe answered: a claim, until the parent has compared it with what it knows. `faults` names the step of
    the probe that went wrong (`""` is the whole probe); `logs` is the folder of its event files, `runs` what they hold
    once they have been read."""

    question: Question
    arrays: Mapping[str, NDArray[np.generic]]
    logs: Path
    runs: Sequence[Run] = ()
    faults: Mapping[str, Fault] = dataclasses.field(default_factory=dict)

    def with_runs(self, runs: Sequence[Run]) -> Evidence:
        return dataclasses.replace(self, runs=runs)


# --- the reference --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """What the reference solution did over several seeds: steps int64 [n], values float64 [seeds, n]."""

    steps: Ints
    values: Floats

    @property
    def low(self) -> Floats:
        return np.asarray(self.values.min(axis=0))

    @property
    def high(self) -> Floats:
        return np.asarray(self.values.max(axis=0))

    def at(self, steps: Ints, values: Floats) -> Floats:
        """Something that is known at the band's steps, at other ones [n]: in a straight line between them. What is not finite
        spoils the stretches beside it, but not the known steps where they end."""
        found = np.interp(steps, self.steps, values)
        place = np.clip(np.searchsorted(self.steps, steps), 0, len(values) - 1)
        return np.asarray(np.where(self.steps[place] == steps, values[place], found))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Bands by (run, role), e.g. ("relu", "validation_loss"), for one profile on one data set. Empty when the
    reference was never run on these data."""

    profile: str
    data: str
    bands: Mapping[tuple[str, str], Band]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """All that a check may look at, for one submission. `template` are the cells that everybody was given to begin with."""

    submission: Submission
    execution: Execution
    runs: Mapping[str, Run]
    submitted_runs: Mapping[str, Run]
    definitions: Mapping[str, Definition]
    extraction_faults: Mapping[str, Fault]
    evidence: Mapping[str, Evidence]
    reference: Reference
    template: tuple[Cell, ...] = ()


# --- the grade ------------------------------------------------------------------------------------------------------


class Status(enum.StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    PARTIAL = "partial"
    REVIEW = "review"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says. `share` is the part of the criterion's points that is earned, 0 to 1."""

    status: Status
    share: float = 0.0
    findings: tuple[Finding, ...] = ()
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A line of the rubric. `heading` is what its part is called where the rubric says so."""

    id: str
    part: str
    title: str
    points: int
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided on one criterion of one submission: `points` of `most`, who, on which day (ISO 8601), and a
    comment for the student."""

    points: float
    most: int
    by: str
    on: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A criterion with its verdict and its points; `claim` is the sentence that the student reads. `decision` is set where
    a person has decided, and the points are theirs."""

    criterion: Criterion
    claim: str
    status: Status
    points: float
    blocked_by: str | None
    findings: tuple[Finding, ...]
    decision: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """`finite` is False when a scalar or a histogram of the run is NaN or infinite; `final` maps a role to the last value (None when
    it is not finite)."""

    finite: bool
    final: Mapping[str, float | None]


def undecided_points(criteria: Iterable[Judgement]) -> float:
    """Points that are neither given nor lost: the grader could not tell."""
    return sum(j.criterion.points - j.points for j in criteria if j.status is Status.UNDECIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """The verdict on one submission: what result.json holds. `error` is set when it could not be graded, and then
    there are no points; `harness_failed` tells whether that is our fault. `language` is that of the notebook's own words, where
    it could not be read that of the template, None without one."""

    id: str
    source: str
    sha256: str
    profile: str
    criteria: tuple[Judgement, ...] = ()
    remarks: tuple[Finding, ...] = ()
    runs: Mapping[str, RunSummary] = dataclasses.field(default_factory=dict)
    resources: Resources = Resources()
    environment: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    error: Message | None = None
    language: str | None = None
    harness_failed: bool = False
    student: Student | None = None

    @property
    def score(self) -> float:
        return sum(judgement.points for judgement in self.criteria)

    @property
    def max_score(self) -> int:
        return sum(judgement.criterion.points for judgement in self.criteria)

    @property
    def awaiting_review(self) -> int:
        return sum(j.criterion.points for j in self.criteria if j.status is Status.REVIEW)

    @property
    def undecided(self) -> float:
        """Points that are neither given nor lost: the grader could not tell."""
        return undecided_points(self.criteria)


# --- what a page shows beside the verdict ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A scalar series to draw. `role` is what it was found to be (`validation_loss`, …) or None; `band` lies on the
    same steps as the reference's own points."""

    run: str
    tag: str
    role: str | None
    steps: Ints
    values: Floats
    band: Band | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ridge:
    """A histogram series to draw, as in `Histograms`; `variable` is whose gradient it is, when that is known, and `usual`
    where most of the reference's values lay at each step, lowest and highest [n, 2]."""

    run: str
    tag: str
    variable: Message | None
    steps: Ints
    buckets: tuple[Floats, ...]
    usual: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A number or a word of a conclusion, beside what the logs say. `agrees` is None when that cannot be told."""

    text: str
    logs: Message
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The student's own words for one criterion, where they stand, and the runs that they speak of."""

    criterion: str
    text: str
    cell: int | None
    runs: tuple[str, ...]
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exhibit:
    """Everything that a page shows beside the verdict. `notice` is a kind word on top (an untouched template, …); `origins`
    says of runs that do not stay finite where that begins."""

    curves: Sequence[Curve] = ()
    ridges: Sequence[Ridge] = ()
    conclusions: tuple[Conclusion, ...] = ()
    notice: Message | None = None
    origins: Mapping[str, Message] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What is handed to reporting: the grade, and what to show beside it (None where the submission is ungraded).
    `submitted_runs` are those that were handed in, not those of the re-run."""

    grade: Grade
    submission: Submission | None = None
    execution: Execution | None = None
    exhibit: Exhibit = dataclasses.field(default_factory=Exhibit)
    submitted_runs: Mapping[str, Run] = dataclasses.field(default_factory=dict)
