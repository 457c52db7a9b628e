"""The corpus of situations, graded and compared with the verdicts that they must get: the grader's measure of itself."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import nbformat

from grader import batch
from grader.pipeline import Setup
from grader.records import Finding, Grade, Judgement, Status
from grader.situations import Situation, build
from grader.stages.intake import find_submissions

_Notebook = tuple[str, str, float | None]  # name, text, seconds for a cell where not the profile's
_GOOD = (Status.PASSED, Status.REVIEW)
_WHOLE = ("points", "remarks", "sentences")
_PAGES = "pages"
_SOLUTION = "solution"
_LETTERS = 160  # of a finding, where a verdict is not what it must be
ACCUSED, OVERLOOKED, OTHER = "wrongly accused", "wrongly passed", "otherwise wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a verdict is not what it must be. `criterion` is an id, or one of _WHOLE for a whole grade."""

    criterion: str
    kind: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A situation, its grade, and where the two do not agree."""

    situation: Situation
    grade: Grade
    differences: tuple[Difference, ...]


def run(
    situations: Sequence[Situation], setup: Setup, folder: Path, jobs: int, watch: batch.Watch
) -> tuple[Checked, ...]:
    """Grade all situations and the notebooks that they are made of; `folder` takes the notebooks and the pages."""
    bases = {situation.base for situation in situations}
    notebooks: list[_Notebook] = [(base.stem, base.read_text("utf-8"), None) for base in sorted(bases)]
    notebooks += [(s.name, nbformat.writes(build(s)), s.seconds_per_cell) for s in situations]
    grades = _grades(notebooks, setup, folder, jobs, watch)
    return tuple(_checked(s, grades[s.name], grades[s.base.stem], folder / _PAGES) for s in situations)


def _checked(situation: Situation, grade: Grade, base: Grade, pages: Path) -> Checked:
    said = _said(pages / grade.id / "result.json") if situation.says and grade.error is None else ""
    return Checked(situation=situation, grade=grade, differences=compare(situation, grade, base, said))


def _said(result: Path) -> str:
    """All that the findings of a result say."""
    criteria = json.loads(result.read_text("utf-8"))["criteria"]
    return "\n".join(
        str(value) for criterion in criteria for finding in criterion["findings"] for value in finding.values()
    )


def _grades(
    notebooks: Sequence[_Notebook], setup: Setup, folder: Path, jobs: int, watch: batch.Watch
) -> Mapping[str, Grade]:
    """Grades by name: those that share a limit of time go through one batch."""
    found: dict[str, Grade] = {}
    for seconds, group in groupby(sorted(notebooks, key=lambda n: n[2] or 0.0), key=lambda n: n[2]):
        submissions = folder / f"submissions-{seconds or 'usual'}"
        submissions.mkdir(parents=True, exist_ok=True)
        own = {submissions / f"{name}.ipynb": text for name, text, _ in group}  # others may lie there from another time
        for path, text in own.items():
            path.write_text(text, encoding="utf-8")
        plan = dataclasses.replace(setup.plan, seconds_per_cell=seconds or setup.plan.seconds_per_cell)
        candidates = find_submissions(sorted(own), folder)
        outcome = batch.grade_all(candidates, dataclasses.replace(setup, plan=plan), folder / _PAGES, jobs, watch)
        found |= {grade.id: grade for grade in outcome.grades}
    return found


# --- comparing ------------------------------------------------------------------------------------------------------


def compare(situation: Situation, grade: Grade, base: Grade, said: str) -> tuple[Difference, ...]:
    """Where a grade, and what its findings `said`, differ from what its situation says, given the grade of the notebook that
    it was made of."""
    if grade.error is not None:
        return (Difference(criterion="points", kind=OTHER, expected="a grade", found=str(grade.error)),)
    usual = {judgement.criterion.id: _wanted(situation, judgement) for judgement in base.criteria}
    wanted = usual | dict(situation.expect)
    wrong = [_difference(j, wanted[j.criterion.id]) for j in grade.criteria if j.status not in wanted[j.criterion.id]]
    return (*wrong, *_points(situation, grade, base), *_remarks(situation, grade), *_unsaid(situation, said))


def _wanted(situation: Situation, judgement: Judgement) -> tuple[Status, ...]:
    """What a criterion that a situation does not touch must be: what it is in the notebook that it was made of, and the
    solution passes all."""
    return _GOOD if situation.base.stem == _SOLUTION and judgement.status not in _GOOD else (judgement.status,)


def _difference(judgement: Judgement, allowed: tuple[Status, ...]) -> Difference:
    good, may_be_good = judgement.status in _GOOD, any(status in _GOOD for status in allowed)
    kind = OVERLOOKED if good and not may_be_good else ACCUSED if may_be_good and not good else OTHER
    expected = " or ".join(map(str, allowed))
    found = "; ".join((judgement.status, *map(_in_short, judgement.findings)))
    return Difference(criterion=judgement.criterion.id, kind=kind, expected=expected, found=found)


def _in_short(finding: Finding) -> str:
    seen = "" if finding.actual is None else f" ({finding.actual})"
    return textwrap.shorten(f"{finding.code}{seen}", _LETTERS)


def _points(situation: Situation, grade: Grade, base: Grade) -> list[Difference]:
    lost = base.score + base.awaiting_review - grade.score - grade.awaiting_review
    least, most = situation.lost
    if least <= lost <= most:
        return []
    expected = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    return [Difference(criterion="points", kind=OTHER, expected=f"{expected} lost", found=f"{lost:g} lost")]


def _remarks(situation: Situation, grade: Grade) -> list[Difference]:
    there = {remark.code for remark in grade.remarks}
    return [
        Difference(criterion="remarks", kind=OTHER, expected=code, found="not there")
        for code in situation.remarks
        if code not in there
    ]


def _unsaid(situation: Situation, said: str) -> list[Difference]:
    wanted = [words for words in situation.says if words not in said]
    return [Difference(criterion="sentences", kind=OTHER, expected=repr(words), found="not said") for words in wanted]


# --- the table ------------------------------------------------------------------------------------------------------


def table(checked: Sequence[Checked]) -> str:
    """What went right and wrong by criterion, then every difference in a line of its own, in plain text."""
    wrong = Counter((d.criterion, d.kind) for c in checked for d in c.differences)
    graded = next((c.grade for c in checked if c.grade.error is None), None)
    names = [j.criterion.id for j in graded.criteria] if graded else []
    kinds = (ACCUSED, OVERLOOKED, OTHER)
    head = f"{'':<28}{'right':>8}" + "".join(f"{kind:>18}" for kind in kinds)
    rows = [_row(name, len(checked), [wrong[name, kind] for kind in kinds]) for name in (*names, *_WHOLE)]
    return "\n".join([head, *rows, "", *_lines(checked), _summary(checked)])


def _row(name: str, total: int, wrong: Sequence[int]) -> str:
    return f"{name:<28}{total - sum(wrong):>8}" + "".join(f"{count:>18}" for count in wrong)


def _lines(checked: Sequence[Checked]) -> list[str]:
    return [
        f"{c.situation.name}: {d.criterion} is {d.kind}: {d.found}, not {d.expected}"
        for c in checked
        for d in c.differences
    ]


def _summary(checked: Sequence[Checked]) -> str:
    valid = sum(1 for c in checked if c.situation.lost[1] == 0)
    right = sum(1 for c in checked if not c.differences)
    return f"{right} of {len(checked)} situations right ({valid} valid, {len(checked) - valid} faulty)."
