"""Conclusions: found wherever they stand, told from the task's own words, and handed to a person."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

from grader.assignment import Assignment
from grader.contract import failed, review
from grader.formats.notebooks import read_notebook
from grader.places import reference_folder
from grader.records import Case, Cell, CellKind, Conclusion, Finding, Verdict, say

_PARTS = {"2": "relu.conclusion", "3": "bn.conclusion", "4": "raw.conclusion"}
_HEADING = re.compile(
    r"^\s{0,3}#{1,6}\s*\**\s*(?:задание|часть|task|part)?\s*№?\s*([1-4])\s*[.,:)]?\s*[abабвv]?\b", re.I | re.M
)
_MARK = re.compile(r"\**\s*(?:ваш[иае]?\s+)?(?:комментари[йи]|вывод[ы]?|your\s+comment|conclusions?)\s*:\s*\**", re.I)
_RUNS = {"relu": "2", "relu_smart_dense": "2", "relu_bn": "3", "relu_bn_fixed": "3", "raw": "4"}
_LOGDIR = re.compile(r"logs/([\w-]+)")
_LETTERS = re.compile(r"[^\W\d_]+")
_FEWEST_WORDS = 3
_GIVEN_OPENING = re.compile(r"^\s*(?:#|\*\*[^*]+\*\*\s*$|>|`?\$ )")


def find(case: Case, assignment: Assignment) -> Mapping[str, Conclusion]:
    """The student's own words by criterion; a criterion without any is not in it."""
    texts: dict[str, list[tuple[int, str]]] = {}
    for part, cell, text in _words_of(case.submission.cells):
        texts.setdefault(_PARTS[part], []).append((cell, text))
    return {
        criterion: Conclusion(
            criterion=criterion,
            text="\n\n".join(text for _, text in parts),
            cell=parts[0][0],
            runs=assignment.concerns.get(criterion, ()),
        )
        for criterion, parts in texts.items()
        if len(_LETTERS.findall(" ".join(text for _, text in parts))) >= _FEWEST_WORDS
    }


def judge(criterion: str, case: Case, assignment: Assignment) -> Verdict:
    """Conclusions that are there go to a person; one that is missing is failed."""
    if criterion in find(case, assignment):
        return review()
    return failed(
        Finding(
            code="conclusion.missing",
            message=say("No conclusion of your own was found for this part."),
            expected="a few sentences on what the curves show, and why",
            actual="nothing but the task's own words",
            hint=say(
                "Write it below the words «Ваш комментарий» of this part, or in a text cell of its own after the experiment."
            ),
        )
    )


def relu(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says why one network learns badly and the other well; a person reads it."""
    return judge("relu.conclusion", case, assignment)


def batch_norm(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says why the spoiled layer gives NaN, and whether the repaired one learns better; a person reads it."""
    return judge("bn.conclusion", case, assignment)


def raw(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says whether the network learns from raw data, and why not; a person reads it."""
    return judge("raw.conclusion", case, assignment)


@lru_cache(maxsize=2)
def _words_of(cells: tuple[Cell, ...]) -> tuple[tuple[str, int, str], ...]:
    return tuple(_own_words(cells))  # asked for by every criterion with a conclusion, and by the page


def _own_words(cells: tuple[Cell, ...]) -> Iterator[tuple[str, int, str]]:
    """(part, cell, text) of what the student wrote, in order."""
    part = "1"
    for cell in cells:
        part = _part_of(cell, part)
        if cell.kind is not CellKind.MARKDOWN or part not in _PARTS:
            continue
        words = _without_given(cell.source)
        if words:
            yield part, cell.index, words


def _part_of(cell: Cell, part: str) -> str:
    """The part that a cell belongs to: by its heading, or by the run that its code writes."""
    if cell.kind is CellKind.MARKDOWN:
        headings = _HEADING.findall(cell.source)
        return headings[-1] if headings else part
    runs = [_RUNS[name] for name in _LOGDIR.findall(cell.source) if name in _RUNS]
    return runs[-1] if runs else part


def _without_given(source: str) -> str:
    """A text cell without the task's own words: what stands after the mark, else the lines that the template lacks."""
    plain = _plain(source)
    marks = list(_MARK.finditer(plain))
    if marks and _is_task_text(plain[: marks[-1].start()]):
        plain = plain[marks[-1].end() :]
    elif _GIVEN_OPENING.match(plain) and not marks:
        plain = plain if not _is_task_text(plain) else ""
    given = _given_lines(reference_folder())
    lines = [line for line in plain.splitlines() if _key(line) not in given]
    return "\n".join(lines).strip().strip("-—_* \n")


def _is_task_text(text: str) -> bool:
    """Whether a text opens like the task's own: with a heading, a bold line or a quotation; or there is none."""
    return not text.strip() or _GIVEN_OPENING.match(text.lstrip("\n")) is not None


def _plain(source: str) -> str:
    """Markdown and HTML as plain lines."""
    text = re.sub(r"<br\s*/?>|</p>|</div>|</li>", "\n", source, flags=re.I)
    text = re.sub(r"<style.*?</style>|<script.*?</script>", "", text, flags=re.I | re.S)
    return html.unescape(re.sub(r"<[^<>]{0,500}>", "", text))


@cache
def _given_lines(folder: Path) -> frozenset[str]:
    path = folder / "template.ipynb"
    cells = read_notebook(path).cells if path.is_file() else ()
    lines = (line for cell in cells if cell.kind is CellKind.MARKDOWN for line in _plain(cell.source).splitlines())
    return frozenset(key for line in lines if (key := _key(line)))


def _key(line: str) -> str:
    return " ".join(_LETTERS.findall(line.lower()))
