"""What people decided, in `reviews.csv` beside the results: the one file there that is theirs and not ours.

`grade` reads it and never writes it; `grader review` adds to it. A row holds for a criterion of a submission as long as
what was read is the same (`overview.subject_key`) and the criterion is worth as much as it was; otherwise it waits in the
file, and the criterion waits for a person again. docs/review.md says why.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from grader import store
from grader.errors import UsageError
from grader.language import shown, tr
from grader.records import Decision, Judgement, Report, Status
from grader.reporting.machine import csv_cell as cell
from grader.reporting.overview import Subject, parts_of, shown_table, subject_key
from grader.reporting.text import clip, one_line
from grader.reporting.words import tidy

NAME = "reviews.csv"
_COLUMNS = ("submission", "criterion", "points", "of", "comment", "by", "on", "key")
_SHEET_COLUMNS = (*_COLUMNS[:5], "title", "answer", "evidence", *_COLUMNS[5:])
_NEEDED = frozenset({"key", "points", "comment"})
_POINTS = re.compile(r"\d{1,6}(?:[.,]\d{1,6})?", re.ASCII)
_MOST_BYTES = 64 << 20
_RANGE = "points must be a number from 0 to {most}."
_AGAIN = "Nothing was taken from the file: mend it and give the command again."
_MOST_CELL = 30_000  # characters: a cell of Excel holds 32,767
# What begins a formula in the middle of a cell, should a spreadsheet with another separator cut it there.
_FORMULA_INSIDE = re.compile(r"(?<=[\n\t;,])([^\S\n]*)(?=[=+\-@＝＋－＠])")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row that has points. `number` counts as a spreadsheet does: the head is row 1."""

    number: int
    key: str
    points: float
    cells: Mapping[str, str]

    @property
    def owner(self) -> str:
        return one_line(clip(parts_of(self.key)[1], 80))


def decided(report: Report, decisions: Mapping[str, Decision]) -> Report:
    """The report with the decisions in it: a person's points where a person was asked for or the grader could not tell."""
    if not decisions or report.grade.error is not None:
        return report
    criteria = tuple(_decided(judgement, report, decisions) for judgement in report.grade.criteria)
    return replace(report, grade=replace(report.grade, criteria=criteria))


def _decided(judgement: Judgement, report: Report, decisions: Mapping[str, Decision]) -> Judgement:
    if judgement.status not in (Status.REVIEW, Status.UNDECIDED):
        return judgement
    decision = decisions.get(subject_key(judgement.criterion.id, report))
    if decision is None or decision.most != judgement.criterion.points:
        return judgement
    findings = judgement.findings if judgement.status is Status.REVIEW else ()  # no longer so: somebody could tell
    status = _status(decision)
    return replace(judgement, status=status, points=decision.points, findings=findings, decision=decision)


def _status(decision: Decision) -> Status:
    if decision.points >= decision.most:
        return Status.PASSED
    return Status.PARTIAL if decision.points > 0 else Status.FAILED


def waiting(subjects: Iterable[Subject], decisions: Mapping[str, Decision]) -> tuple[Subject, ...]:
    """Those that nobody has decided yet, or that are worth something else by now; the same question comes together."""
    found = [s for s in subjects if s.key not in decisions or decisions[s.key].most != s.criterion.points]
    order = list(dict.fromkeys(subject.criterion.id for subject in found))
    return tuple(sorted(found, key=lambda subject: order.index(subject.criterion.id)))


# --- the file -------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Decision]:
    """The decisions in a file, none when it is not there; of two on the same the later one holds. Raises UsageError with
    the row that cannot be understood."""
    if not path.exists():
        return {}
    return {row.key: _of_file(row, path) for row in _rows(path)}


def _of_file(row: _Row, path: Path) -> Decision:
    most = row.cells.get("of", "")
    if not re.fullmatch(r"\d{1,6}", most) or row.points > int(most):
        raise _wrong(path, row, _RANGE.format(most="what the column `of` says"))
    return _decision(row, int(most), row.cells.get("by", ""), row.cells.get("on", ""))


def record(path: Path, new: Mapping[str, Decision]) -> None:
    """Add decisions to the file, all or none; what others have added meanwhile stays. Raises UsageError where the file
    that is there cannot be understood."""
    with _alone(path.parent):
        known = read(path) | dict(new)
        store.write_text(path, _table(_COLUMNS, (_line(key, decision) for key, decision in known.items())))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time, by a lock on the folder itself, which leaves nothing behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _line(key: str, decision: Decision) -> dict[str, str]:
    criterion, submission = parts_of(key)
    return {
        "submission": _foreign(submission),
        "criterion": cell(criterion),
        "points": str(tidy(decision.points)),
        "of": str(decision.most),
        "by": cell(decision.by),
        "on": cell(decision.on),
        "comment": cell(decision.comment),
        "key": cell(key),
    }


# --- the spreadsheet ------------------------------------------------------------------------------------------------


def sheet(subjects: Sequence[Subject], decisions: Mapping[str, Decision]) -> str:
    """All that a person decides as a table, one question after the other; what is decided stands in it already."""
    order = list(dict.fromkeys(subject.criterion.id for subject in subjects))
    rows = sorted(subjects, key=lambda subject: order.index(subject.criterion.id))
    return _table(_SHEET_COLUMNS, (_sheet_line(subject, decisions.get(subject.key)) for subject in rows))


def _sheet_line(subject: Subject, decision: Decision | None) -> dict[str, str]:
    known = _line(subject.key, decision) if decision and decision.most == subject.criterion.points else {}
    return {
        **known,
        "submission": _foreign(subject.submission),
        "criterion": cell(subject.criterion.id),
        "of": str(subject.criterion.points),
        "title": cell(subject.criterion.title),
        "answer": _foreign(subject.text),
        "evidence": _foreign("\n".join(evidence(subject))),
        "key": cell(subject.key),
    }


def evidence(subject: Subject) -> Iterator[str]:
    """What the logs say, in lines of plain text."""
    if subject.table:
        head, *rows = shown_table(subject)
        for row in rows:
            values = (f"{name} {value}" for name, value in zip(head[1:], row[1:], strict=True))
            yield f"{row[0]}: {', '.join(values)}"
    words = {True: tr("agrees"), False: tr("differs"), None: tr("open")}
    yield from (f"«{claim.text}» {words[claim.agrees]}: {shown(claim.logs)}" for claim in subject.claims)
    yield from map(shown, subject.notes)


def _foreign(text: str) -> str:
    """A student's text as a cell: nowhere in it does a formula begin."""
    return cell(_FORMULA_INSIDE.sub(r"\1'", clip(text, _MOST_CELL)))


def read_sheet(
    path: Path, subjects: Sequence[Subject], decisions: Mapping[str, Decision], by: str, on: str
) -> dict[str, Decision]:
    """The decisions of a sheet that are not known yet. Rows without points are left out. Raises UsageError, and then for
    the whole sheet, with the first row that cannot be taken and its student."""
    known = {subject.key: subject for subject in subjects}
    found: dict[str, Decision] = {}
    for row in _rows(path):
        if row.key not in known:
            raise _wrong(
                path,
                row,
                "there is no such answer in these results, or it has changed; clear its points, or write the sheet anew.",
            )
        most = known[row.key].criterion.points
        if row.points > most:
            raise _wrong(path, row, _RANGE.format(most=most))
        decision = _decision(row, most, by, on)
        if found.setdefault(row.key, decision) != decision:
            raise _wrong(path, row, "this answer stands in two rows, with different decisions.")
    return {key: decision for key, decision in found.items() if _differs(decision, decisions.get(key))}


def _differs(decision: Decision, known: Decision | None) -> bool:
    return known is None or replace(decision, by=known.by, on=known.on) != known


def _wrong(path: Path, row: _Row, why: str) -> UsageError:
    """The one sentence on a row that cannot be taken: where it is, whose it is, and what to do."""
    return UsageError(f"{path}, row {row.number} ({row.owner}): {why} {_AGAIN}")


# --- tables ---------------------------------------------------------------------------------------------------------


def _table(columns: Sequence[str], lines: Iterable[Mapping[str, str]]) -> str:
    """CSV with a byte order mark, without which Excel takes UTF-8 for something else."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return "\ufeff" + text.getvalue()


def _rows(path: Path) -> Iterator[_Row]:
    """The rows of a table that have points. Raises UsageError for what is no such table."""
    text = _text(path)
    separator = max(",;\t", key=text.split("\n", 1)[0].count)  # spreadsheets write what their country uses
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise UsageError(f"{path} is no table that can be read ({error}). Save it as “CSV UTF-8”.") from error
    head = [name.strip().lower() for name in lines[0]] if lines else []
    if not set(head) >= _NEEDED:
        raise UsageError(f"{path} lacks a column; it needs {', '.join(sorted(_NEEDED))}. Write the sheet anew.")
    for number, line in enumerate(lines[1:], start=2):
        cells = {name: _plain(value) for name, value in zip(head, line, strict=False)}
        if cells.get("points"):
            yield _row(path, number, cells)
        elif cells.get("comment"):
            row = _Row(number=number, key=cells.get("key", ""), points=0.0, cells=cells)
            raise _wrong(
                path, row, "there is a comment and there are no points; give points too, or clear the comment."
            )


def _row(path: Path, number: int, cells: Mapping[str, str]) -> _Row:
    key, points = cells.get("key", ""), points_from(cells["points"])
    row = _Row(number=number, key=key, points=points or 0.0, cells=cells)
    if key.count("/") < 2:
        raise UsageError(f"{path}, row {number}: the cell in the column `key` is not as it was. {_AGAIN}")
    if points is None:
        raise _wrong(path, row, _RANGE.format(most=cells.get("of") or "the criterion's"))
    return row


def points_from(typed: str) -> float | None:
    """The points that a person typed, with a decimal point or comma; None where that is no number from 0 on."""
    plain = typed.replace("\u00a0", "").strip()
    return float(plain.replace(",", ".")) if _POINTS.fullmatch(plain) else None


def _plain(value: str) -> str:
    """A cell without the apostrophe that `cell` put before it."""
    value = value.strip()
    return value[1:] if value.startswith("'") and cell(value[1:]) == value else value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than any sheet of a class ({_MOST_BYTES >> 20} MiB).")
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8. Save it as “CSV UTF-8” and try again.") from error


def _decision(row: _Row, most: int, by: str, on: str) -> Decision:
    return Decision(points=row.points, most=most, by=by, on=on, comment=row.cells.get("comment", ""))
