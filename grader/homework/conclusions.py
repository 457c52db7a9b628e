"""Conclusions: found wherever they stand, told from the task's own words, and handed to a person."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from grader.assignment import Assignment
from grader.contract import failed, review
from grader.formats.code import code_of
from grader.homework.claims import claims_of
from grader.homework.common import is_blank, runs_named, trains
from grader.records import Case, Cell, CellKind, Conclusion, Finding, Verdict, say

_PARTS = {"2": "relu.conclusion", "3": "bn.conclusion", "4": "raw.conclusion"}
_PART_OF = {criterion: part for part, criterion in _PARTS.items()}
_RUNS = {"relu": "2", "relu_smart_dense": "2", "relu_bn": "3", "relu_bn_fixed": "3", "raw": "4"}
_TOPICS = {
    "2": re.compile(r"smart|умн\w+ (?:dense|сло)|инициализац|two relus?|дв\w+ relu|relu\w* и relu", re.I),
    "3": re.compile(r"batch.?norm|\bbn\b|relu_bn|батч|норм[ае]лизац\w+ по батч|\bnan\b", re.I),
    "4": re.compile(r"\braw\b|сыр\w+|необработанн|unscaled|без (?:нормировк|масштаб|предобработ|делени)", re.I),
}
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*)$")
_NUMBERED = re.compile(r"^\W{0,9}(?:(?:задани[ея]|част[ьи]|пункт|task|part)\W{0,9})?([1-4])(?:\s?[.,:)]|\b)", re.I)
_PART_WORD = re.compile(r"^\W{0,9}(?:задани|част|пункт|task|part)", re.I)
_WHOLE = re.compile(r"общ|итог|все\w* эксперимент|summary|overall|conclusions\b|выводы\b", re.I)
_MARK = re.compile(
    r"[*_#> ]{0,9}(?:(?:ваш[иае]?|мо[йяеи]|your|my)\s+)?"
    r"(?:комментари[йи]|вывод[ы]?|ответ[ы]?|comments?|conclusions?|answers?)\s?"
    r"(?:[*_]{0,3}\s?:\s?[*_]{0,3}|\.[*_]{1,3}|[*_]{1,3}\s?$)",
    re.I | re.M,
)
_NAMED = re.compile(r"(?<=[/'\"])[\w-]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_FEWEST_WORDS = 2
_LABEL_WORDS = 5  # a heading, a bold line or a quotation of so many words at most names what follows
_SENTENCE_WORDS = 3  # a bold line of so many words that ends like a sentence is one
_TEXT_CELL = re.compile(r"%%(?:markdown|html|latex)\b[^\n]*\n")  # code that is shown as text
_SHOWN_BY = frozenset({"print", "Markdown", "HTML", "Latex", "display", "display_markdown", "display_html"})
_CONCLUDES = re.compile(r"вывод|итог|комментари|conclu|summary", re.I)
_GIVEN_WORDS = (
    5  # of a line that are looked for anywhere in the template: it may have been copied with other line breaks
)
_MUCH = 25  # words of a paragraph: no question of a task is so long
_MOST_TEXT, _MOST_LINE = 20_000, 2_000  # characters of a cell and of a line that are looked at: nobody reads more
_MOST_CODE, _MOST_ALL = 100_000, 1_000_000  # of a cell of code whose comments are read, and of all cells together
_FEWEST_WORDS_BESIDE_GIVEN = 8  # in the task's own cell a shorter rest is the task's
_FEWEST_WORDS_IN_CODE = 8  # comments in a code cell are a conclusion only when they are more than a label
_PLACEHOLDER = re.compile(
    r"^\W*(?:to.?do|fixme|tbd|xxx|lorem ipsum|(?:напи(?:сать|шу)|дописать|заполнить|добавить)\b.{0,40}(?:позже|потом|вывод|коммент)|"
    r"(?:здесь|тут|сюда)\b.{0,40}(?:вывод|текст|ответ|коммент)\w*\W*(?:\w+\W*){0,2}$|(?:your|write|put)\b.{0,30}\bhere\b)",
    re.I,
)
_IMPERATIVE = r"^\W{0,9}(?:(?:затем|потом|далее|теперь|также|и)\W{1,9})?(?:не\s+)?\w+(?:йте|ите|ьте)(?:сь)?\b"
_ASKS = re.compile(_IMPERATIVE, re.I)  # the task speaks to the student in the imperative, which conclusions do not use
_ASKS_OR_OPENS = re.compile(  # how the task's own paragraphs may begin beside that
    _IMPERATIVE
    + r"|^\W{0,9}(?:команда|шаблон|создание|эксперимент|можно|нужно|надо|следует|you|please|run|look|compare|"
    r"write|explain|describe|fix|find)\b",
    re.I,
)
_REQUEST = re.compile(r"\b(?!ваше|наше)\w{3,}(?:айте|яйте|уйте|ейте|ойте|ите|ьте)(?:сь)?\b", re.I)
_NO_REQUESTS = re.compile(r"\b(?:видите|знаете|хотите|можете|скажите|заметьте|смотрите|обратите)\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """Words of the student's own, and where they stand. `part` is None where the heading speaks of all experiments."""

    part: str | None
    cell: int
    text: str


def find(case: Case, assignment: Assignment) -> tuple[Conclusion, ...]:
    """The student's own words for each criterion that has any, with numbers and claims beside what the logs say."""
    return tuple(
        _with_claims(criterion, parts, case, assignment)
        for criterion, parts in _by_criterion(case.submission.cells, case.template).items()
    )


def is_not_begun(case: Case) -> bool:
    """Whether nothing of the student's own is there: no definition, and no word."""
    return is_blank(case) and not _by_criterion(case.submission.cells, case.template)


def _with_claims(criterion: str, parts: Sequence[_Words], case: Case, assignment: Assignment) -> Conclusion:
    words = Conclusion(
        criterion=criterion,
        text="\n\n".join(words.text for words in parts),
        cell=parts[0].cell,
        runs=assignment.concerns.get(criterion, ()),
    )
    return replace(words, claims=claims_of(words, case))


def judge(criterion: str, case: Case) -> Verdict:
    """Conclusions that are there go to a person; one that is missing is failed."""
    if criterion in _by_criterion(case.submission.cells, case.template):
        return review()
    return failed(
        Finding(
            code="conclusion.missing",
            message=say("No conclusion of your own was found for part {part}.", part=_PART_OF[criterion]),
            expected=say("a few sentences on what the curves show, and why"),
            actual=say("nothing but the task's own words"),
            hint=say(
                "Write it below the words «Ваш комментарий» of this part, or in a text cell of its own after the experiment."
            ),
        )
    )


def relu(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says why one network learns badly and the other well; a person reads it."""
    return judge("relu.conclusion", case)


def batch_norm(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says why the spoiled layer gives NaN, and whether the repaired one learns better; a person reads it."""
    return judge("bn.conclusion", case)


def raw(case: Case, assignment: Assignment) -> Verdict:
    """The conclusion says whether the network learns from raw data, and why not; a person reads it."""
    return judge("raw.conclusion", case)


# --- whose part -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _by_criterion(cells: tuple[Cell, ...], template: tuple[Cell, ...]) -> Mapping[str, tuple[_Words, ...]]:
    """Words by criterion: those of its part; where there are none, those that stand elsewhere and speak of it."""
    words, begins = tuple(_own_words(cells, _Given.of(template))), _beginnings(cells)
    found = {part: tuple(w for w in words if w.part == part) for part in _PARTS}
    for part in _PARTS:
        if not _enough(found[part]):
            found[part] = tuple(w for w in words if _speaks_of(w, part, found, begins))
    return {_PARTS[part]: parts for part, parts in found.items() if _enough(parts)}


def _enough(parts: Iterable[_Words], least: int = _FEWEST_WORDS) -> bool:
    return len(_LETTERS.findall(" ".join(words.text for words in parts))) >= least


def _speaks_of(words: _Words, part: str, found: Mapping[str, tuple[_Words, ...]], begins: Mapping[str, int]) -> bool:
    """Whether words from elsewhere are meant for this part: they stand after its experiment and name it, and they are
    below a heading for all parts, or name nothing of the part that they stand in."""
    if words.cell <= begins.get(part, 0):
        return False
    topics = _topics(words.text)
    if words.part is None:
        return part in topics or (part == "4" and not topics)
    if words.part == "4" and {"2", "3"} <= topics:  # a last word on everything, without a heading of its own
        return part in topics
    lonely = len(found.get(words.part, ())) > 1 or words.part not in _PARTS  # something stays where it is taken from
    return lonely and part in topics and words.part not in topics


def _topics(text: str) -> frozenset[str]:
    return frozenset(part for part, topic in _TOPICS.items() if topic.search(text))


def _beginnings(cells: tuple[Cell, ...]) -> Mapping[str, int]:
    """The first cell of code that names a run of a part."""
    named = [
        (_RUNS[n], c.index) for c in cells if c.kind is CellKind.CODE for n in _NAMED.findall(c.source) if n in _RUNS
    ]
    return dict(reversed(named))


def _own_words(cells: tuple[Cell, ...], template: _Given) -> Iterator[_Words]:
    """What the student wrote, in order, as far as anybody would read it."""
    part: str | None = "1"
    left = _MOST_ALL
    for cell in cells:
        left -= min(len(cell.source), _MOST_CODE if cell.kind is CellKind.CODE else _MOST_TEXT)
        if left < 0:
            return
        if cell.kind is CellKind.MARKDOWN or _TEXT_CELL.match(cell.source):
            source = _TEXT_CELL.sub("", cell.source, count=1)
            for part, text in _sections(_plain(source), part):  # noqa: B020 - the last section's part goes on
                yield from _kept(part, cell, _without_given(text, template), 1)
        elif cell.kind is CellKind.CODE:
            part = _part_of_code(cell, part)
            text = _without_given(_bounded(_only_comments(cell.source)), template)
            yield from _kept(part, cell, text, _FEWEST_WORDS_IN_CODE)


def _part_of_code(cell: Cell, part: str | None) -> str | None:
    """Code that trains a run of a later part begins that part; code that only looks at runs, or repeats one, does not."""
    parts = [_RUNS[name] for name in runs_named(cell) if name in _RUNS] if trains(cell) else []
    return max(parts[-1], part) if parts and part is not None else part


def _kept(part: str | None, cell: Cell, text: str, least: int) -> Iterator[_Words]:
    words = _Words(part=part, cell=cell.index, text=text)
    if text and _enough([words], least):
        yield words


def _sections(text: str, part: str | None) -> Iterator[tuple[str | None, str]]:
    """A text cell cut at its headings, each piece with its part; the first one goes on with the part before."""
    lines: list[str] = []
    marked = False
    for line in text.splitlines():
        title = _title(line)
        marked = marked or bool(_MARK.search(line))
        next_part = _part_of_heading(title, part, bare=not marked) if title else part
        if next_part != part:
            yield part, "\n".join(lines)
            part, lines = next_part, []
        lines.append(line)
    yield part, "\n".join(lines)


def _part_of_heading(title: str, part: str | None, *, bare: bool) -> str | None:
    """The part that a heading begins. Below a mark a `bare` number is the student's own numbering."""
    numbered = _NUMBERED.match(title)
    topics = [number for number, topic in _TOPICS.items() if topic.search(title)]
    if numbered and (_PART_WORD.match(title) or (bare and _is_of_part(title, numbered, topics))):
        return numbered.group(1)
    if len(topics) == 1:
        return topics[0]
    return None if _WHOLE.search(title) and part == "4" and not _MARK.fullmatch(title.strip()) else part


def _is_of_part(title: str, numbered: re.Match[str], topics: Sequence[str]) -> bool:
    """Whether the number that a title begins with is a part's: «3. Почему», «3» and «3 Батч-норм», but not «3 причины»."""
    after = title[numbered.end(1) :]
    return not after.strip() or after.lstrip()[0] in ".,:)" or numbered.group(1) in {*topics, "1"}


# --- whose words ----------------------------------------------------------------------------------------------------


def _without_given(text: str, template: _Given) -> str:
    """A text without the task's own words: what stands after the first mark, and before it or without one, what is left
    without the lines that the template has and those that speak to the student."""
    mark = _MARK.search(text)
    before, after = (text[: mark.start()], text[mark.end() :]) if mark else (text, "")
    given = any(_NUMBERED.match(title) for title in map(_title, before.splitlines()) if title)
    own = _own_lines(before, template, given=given)
    if given and len(_LETTERS.findall(own)) < _FEWEST_WORDS_BESIDE_GIVEN:
        own = ""
    return "\n\n".join(filter(None, (own, _own_lines(after, template, given=False, marked=True))))


def _title(line: str) -> str:
    heading = _HEADING.match(line)
    return heading.group(1) if heading else ""


def _own_lines(text: str, template: _Given, *, given: bool, marked: bool = False) -> str:
    """The lines that are the student's. Where the task's words are `given`, a paragraph that asks for something is its; below
    a mark, one that says much is the student's, even if it asks the reader to look."""
    kept = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line for line in paragraph.splitlines() if not template.has(line) and not _is_label(line, given=given)]
        own = "\n".join(lines).strip().strip("-—_*#> \n")
        asks = _only_asks(own) and not (marked and len(_LETTERS.findall(own)) >= _MUCH)
        if own and not asks and not (given and _requests(own)):
            kept.append(_LINE_END.sub(" ", own))
    return "\n\n".join(kept)


# Where the source of a paragraph goes to its next line: not at an item of a list, a row of a table or a <br>.
_LINE_END = re.compile(r"(?<!\s{2})\n(?!\s*(?:[-*+•–—]\s|\d+[.)]\s|\|))")


def _is_label(line: str, *, given: bool) -> bool:
    """A command, a word that holds a place, or a short heading, bold line or quotation; where the task's words are `given`
    also a long one."""
    plain = line.strip()
    set_apart = bool(re.fullmatch(r"\*\*[^*]{1,400}\*\*", plain) or _HEADING.match(line) or plain.startswith(">"))
    words = len(_LETTERS.findall(plain))
    says_something = words >= _SENTENCE_WORDS and bool(re.search(r"[.!…][*_ ]*$", plain))
    if set_apart and (given or (words <= _LABEL_WORDS and not says_something)):
        return True
    return plain.startswith(("$ ", "`$ ")) or bool(_PLACEHOLDER.match(plain))


def _only_asks(text: str) -> bool:
    """Whether every sentence is a question or a request: the task's words, copied."""
    sentences = [s for s in re.split(r"(?<=[.?!])\s+|\n+", text) if _LETTERS.search(s)]
    return bool(sentences) and all(s.rstrip().endswith("?") or _ASKS.match(s) for s in sentences)


def _requests(paragraph: str) -> bool:
    """Whether a paragraph speaks to the student, as the task does and a conclusion does not."""
    words = _NO_REQUESTS.sub("", paragraph)
    return bool(_REQUEST.search(words)) or bool(_ASKS_OR_OPENS.match(paragraph)) or paragraph.rstrip().endswith("?")


def _bounded(text: str) -> str:
    """A text as far as a person would read it: patterns below take time that grows faster than its length."""
    short = re.sub(r"([^\w\s])\1{3,}", r"\1\1\1", re.sub(r"[^\S\n]+", " ", text[:_MOST_TEXT]))
    return "\n".join(line[:_MOST_LINE] for line in short.splitlines())


def _plain(source: str) -> str:
    """Markdown and HTML as plain lines."""
    text = re.sub(r"<br\s?/?>|</p>|</div>|</li>|</h\d>|</tr>", "  \n", _bounded(source), flags=re.I)
    text = re.sub(r"<h\d[^<>]{0,500}>", "\n## ", text, flags=re.I)
    text = re.sub(r"<(style|script)\b.{0,5000}?</\1>|<!--.{0,5000}?-->", "", text, flags=re.I | re.S)
    text = re.sub(r"!\[[^\]]{0,300}\]\([^)]{0,2000}\)", "", text)
    return html.unescape(re.sub(r"</?[A-Za-z!][^<>]{0,500}>", "", text))


def _only_comments(source: str) -> str:
    """The words of a code cell: comments, and strings that stand alone. In one that does something, comments from a mark
    («Вывод:») on."""
    if len(source) > _MOST_CODE:
        return ""
    tree = code_of(source)
    if tree is None:
        return ""
    body = tree.body
    strings = [n.value.value for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    comments = [line.strip().lstrip("#") for line in source.splitlines() if line.strip().startswith("#")]
    if len(strings) < len(body) or any(not isinstance(s, str) for s in strings):  # it does something
        shown = _shown_texts(body) if any(name in source for name in _SHOWN_BY) else ""
        return "\n\n".join(filter(None, (_from_mark("\n".join(comments)), shown)))
    return "\n".join([*comments, *map(str, strings)])


def _shown_texts(body: Iterable[ast.stmt]) -> str:
    """Texts that a cell prints or displays as they stand in it, if they say that they conclude something."""
    calls = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    names = [getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls]
    shown = [argument for call, name in zip(calls, names, strict=True) if name in _SHOWN_BY for argument in call.args]
    texts = [a.value for a in shown if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return "\n".join(texts) if any(_CONCLUDES.search(text) for text in texts) else ""


def _from_mark(text: str) -> str:
    """Comments beside code explain the code, unless they say that they are a conclusion."""
    mark = _MARK.search(text)
    return text[mark.start() :] if mark else ""


@dataclass(frozen=True, slots=True)
class _Given:
    """The words that everybody was given: the template's lines, and all of them in a row."""

    lines: frozenset[str]
    text: str

    @classmethod
    @lru_cache(maxsize=1)
    def of(cls, template: tuple[Cell, ...]) -> _Given:
        texts = [_plain(cell.source) for cell in template if cell.kind is CellKind.MARKDOWN]
        lines = frozenset(key for text in texts for line in text.splitlines() if (key := _key(line)))
        return cls(lines=lines, text=f" {_key(' '.join(texts))} ")

    def has(self, line: str) -> bool:
        key = _key(line)
        return key in self.lines or (key.count(" ") >= _GIVEN_WORDS - 1 and f" {key} " in self.text)


def _key(line: str) -> str:
    return " ".join(_LETTERS.findall(line.lower()))
