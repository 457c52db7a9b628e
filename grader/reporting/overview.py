"""What the class's pages need of one submission: small, kept as `overview.json` in its folder, and read back from there.

So the class's pages can be made at any time from what is on the disk, whether a submission was judged just now or long ago.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from grader.language import ENGLISH, decimal, tr, using
from grader.records import Criterion, Curve, Floats, Judgement, Message, Report, Status
from grader.reporting import kept, likeness
from grader.reporting.conclusion_view import final_numbers
from grader.reporting.text import clip, inert

FORMAT = "grader.overview/2"
STRETCHES = 16  # of a curve that a picture of the class shows
_MOST_WORDS = 6000  # characters of an answer: a person reads the rest on the student's page
_MOST_CLAIMS = 20
_MOST_CAUSES = 3  # of one criterion
_SHORT = 300  # characters of a claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why points of a criterion are lost: a finding, by its code."""

    criterion: str
    code: str
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A claim of an answer beside what the logs say; `agrees` is None when that cannot be told."""

    text: str
    logs: Message
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a person decides: a criterion of a submission. `key` names it together with the content that is decided on.

    `text` is the student's answer and `cell` where it begins; `table` holds the last numbers of the runs that it is about,
    its head first; `notes` say why the grader could not tell, where there is no answer but an open question."""

    key: str
    submission: str
    criterion: Criterion
    text: str = ""
    cell: int | None = None
    table: tuple[tuple[str, ...], ...] = ()
    claims: tuple[Said, ...] = ()
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A curve in few values: the means of up to sixteen stretches, NaN where a stretch is not finite. `points` is how many
    values there were."""

    run: str
    role: str
    points: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One submission among the others. `code`, `words` and `series` are what `likeness` compares, each fingerprint once: as
    arrays, for as sets of Python's numbers they take nine times the memory."""

    id: str
    causes: tuple[Cause, ...] = ()
    subjects: tuple[Subject, ...] = ()
    sketches: tuple[Sketch, ...] = ()
    code: Collection[int] = ()
    words: Collection[int] = ()
    series: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What of a submission no rubric changes, and takes long to make: the runs that have pictures, a name for all that is
    drawn, and what the overview says of curves and fingerprints."""

    runs: tuple[str, ...]
    pictures: str
    sketches: tuple[Sketch, ...]
    code: frozenset[int]
    words: frozenset[int]
    series: frozenset[int]


def outline(report: Report, given: frozenset[int] = frozenset()) -> Outline:
    """The outline of a submission; `given` are the fingerprints of the template's code, which say nothing of anybody."""
    exhibit, cells = report.exhibit, report.submission.cells if report.submission else ()
    curves, ridges = tuple(exhibit.curves), tuple(exhibit.ridges)
    return Outline(
        runs=tuple(dict.fromkeys([*(curve.run for curve in curves), *(ridge.run for ridge in ridges)])),
        pictures=kept.name_of(curves, ridges, exhibit.origins, report.grade.runs),
        sketches=tuple(_sketches(curves)),
        code=likeness.code_prints(cells) - given,
        words=likeness.word_prints(conclusion.text for conclusion in exhibit.conclusions),
        series=likeness.series_prints(report.submitted_runs.values()),
    )


def overview(report: Report, known: Outline | None = None) -> Overview:
    """What the class's pages need of a submission; its outline where that is known."""
    known = known or outline(report)
    return Overview(
        id=report.grade.id,
        causes=_of_all(cause for judgement in report.grade.criteria for cause in _causes(judgement)),
        subjects=tuple(_subject(j, report) for j in report.grade.criteria if _is_for_a_person(j)),
        sketches=known.sketches,
        code=_prints(known.code),
        words=_prints(known.words),
        series=_prints(known.series),
    )


def _prints(found: Iterable[int]) -> array[int]:
    return array("q", sorted(found))


def _of_all(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The causes, or the first one where the same cost everything: a notebook that was not begun."""
    found = tuple(causes)
    return found[:1] if len({(cause.code, cause.message) for cause in found}) == 1 else found


def _causes(judgement: Judgement) -> Iterator[Cause]:
    if judgement.decision is not None or judgement.status not in (Status.FAILED, Status.PARTIAL):
        return
    codes = {finding.code: finding for finding in reversed(judgement.findings)}  # the first of each code
    for finding in list(reversed(codes.values()))[:_MOST_CAUSES]:
        yield Cause(criterion=judgement.criterion.id, code=finding.code, message=finding.message)


# --- what a person decides ------------------------------------------------------------------------------------------


def _is_for_a_person(judgement: Judgement) -> bool:
    return judgement.decision is not None or judgement.status in (Status.REVIEW, Status.UNDECIDED)


def subject_key(criterion: str, report: Report) -> str:
    """A name for what is decided on: the criterion, the words of the answer (or where there are none, the notebook), and
    whose it is. Other spacing, another place in the notebook and other code leave an answer what it is."""
    answer = next((c.text for c in report.exhibit.conclusions if c.criterion == criterion), None)
    kind, content = ("notebook", report.grade.sha256) if answer is None else ("text", " ".join(answer.split()))
    digest = hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return f"{_spelled(criterion)}/{kind}:{digest}/{_spelled(report.grade.id)}"


def _spelled(name: str) -> str:
    """A name that passes through any table and spreadsheet as it is: letters and digits stay, signs become %XX."""
    return re.sub(r"[^\w. -]", lambda found: quote(found.group(), safe="", errors="replace"), inert(name))


def parts_of(key: str) -> tuple[str, str]:
    """The criterion and the submission that a key names, for people."""
    criterion, _, submission = key.split("/", 2)
    return unquote(criterion), unquote(submission)


def _subject(judgement: Judgement, report: Report) -> Subject:
    criterion = judgement.criterion
    answer = next((c for c in report.exhibit.conclusions if c.criterion == criterion.id), None)
    subject = Subject(
        key=subject_key(criterion.id, report),
        submission=report.grade.id,
        criterion=criterion,
        notes=tuple(finding.message for finding in judgement.findings[:_MOST_CAUSES]),
    )
    if answer is None:
        return subject
    with using(ENGLISH):  # whoever shows the table puts it into the language of the page
        head, rows = final_numbers(answer.runs, report.grade)
    claims = (Said(text=clip(c.text, _SHORT), logs=c.logs, agrees=c.agrees) for c in answer.claims)
    return dataclasses.replace(
        subject,
        text=clip(answer.text, _MOST_WORDS),
        cell=answer.cell,
        table=(head, *rows) if rows else (),
        claims=tuple(claims)[:_MOST_CLAIMS],
    )


# --- curves ---------------------------------------------------------------------------------------------------------


def shown_table(subject: Subject) -> tuple[tuple[str, ...], ...]:
    """The table of a subject in the current language: its head, and its rows by run; empty where there is none."""
    if not subject.table:
        return ()
    head, *rows = subject.table
    return tuple(map(tr, head)), *((run, *(decimal(tr(value)) for value in values)) for run, *values in rows)


def _sketches(curves: Iterable[Curve]) -> Iterator[Sketch]:
    """The longest curve of each role in each run, as the verdict takes it."""
    longest: dict[tuple[str, str], Curve] = {}
    for curve in curves:
        if curve.role is not None and len(curve.values):
            name = (curve.run, curve.role)
            if name not in longest or len(curve.values) > len(longest[name].values):
                longest[name] = curve
    for (run, role), curve in longest.items():
        means = tuple(float(f"{value:.5g}") for value in stretches(curve.values))
        yield Sketch(run=run, role=role, points=len(curve.values), values=means)


def stretches(values: Floats) -> Floats:
    """The means of up to sixteen stretches of a series [n], NaN where one holds a value that is not finite."""
    ends = np.cumsum([len(part) for part in np.array_split(values, min(len(values), STRETCHES))])
    begins = np.append(0, ends[:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.add.reduceat(values, begins) / (ends - begins)
    return np.where(np.isfinite(means), means, np.nan)


def placed(sketch: Sketch) -> tuple[Floats, Floats]:
    """The stretches' middles, in points from the beginning, and their means: how steps are labelled does not matter."""
    n = len(sketch.values)
    places = (np.arange(n, dtype=np.float64) + 0.5) * (sketch.points / n)
    return places.astype(np.float64), np.array(sketch.values, dtype=np.float64)


# --- on the disk ----------------------------------------------------------------------------------------------------


def overview_json(shown: Overview) -> str:
    """Strict JSON: NaN becomes null, arrays become lists."""
    raw = {"format": FORMAT, **_plain(shown)}
    return json.dumps(raw, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain) + "\n"


def _plain(value: Any) -> Any:
    """What JSON has no word for in words that it has, one level deep."""
    if isinstance(value, array):
        return value.tolist()
    raw = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Sketch):
        raw["values"] = [None if math.isnan(number) else number for number in value.values]
    return raw


def read_overview(text: str) -> Overview:
    """The reverse. Raises ValueError, KeyError, TypeError, AttributeError or OverflowError for anything else."""
    raw = json.loads(text)
    if raw.pop("format") != FORMAT:
        raise ValueError("another format")
    return Overview(
        id=raw["id"],
        causes=tuple(Cause(**{**one, "message": _message(one["message"])}) for one in raw["causes"]),
        subjects=tuple(_read_subject(one) for one in raw["subjects"]),
        sketches=tuple(_read_sketch(one) for one in raw["sketches"]),
        code=_prints(raw["code"]),
        words=_prints(raw["words"]),
        series=_prints(raw["series"]),
    )


def _read_subject(raw: dict[str, Any]) -> Subject:
    parts = {
        "criterion": Criterion(**raw["criterion"]),
        "table": tuple(tuple(row) for row in raw["table"]),
        "claims": tuple(Said(**{**claim, "logs": _message(claim["logs"])}) for claim in raw["claims"]),
        "notes": tuple(map(_message, raw["notes"])),
    }
    return Subject(**{**raw, **parts})


def _message(raw: dict[str, Any]) -> Message:
    values = ((name, _message(value) if isinstance(value, dict) else value) for name, value in raw["values"])
    return Message(**{**raw, "values": tuple(values)})


def _read_sketch(raw: dict[str, Any]) -> Sketch:
    values = tuple(math.nan if value is None else float(value) for value in raw["values"])
    return Sketch(**{**raw, "values": values})
