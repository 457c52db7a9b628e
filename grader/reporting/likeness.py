"""Submissions that are nearly the same: pairs for a person to look at, never a verdict.

Code is compared as MOSS does it (Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003): tokens in a normal form, hashes of
every eight in a row, of which the least in each window of four is kept. A name that the notebook chose is a `v`, a number
an `n`, a string an `s`, comments are nothing, and no cell touches the next: other names and another order of cells change
nothing. What the template says, and what many say, is left out. Answers are compared by four words in a row, submitted
curves value by value. docs/review.md says what likeness means here, and what it does not.
"""

from __future__ import annotations

import builtins
import keyword
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import Protocol

import numpy as np

from grader.records import Cell, CellKind, Ints, Run

_TOKENS_IN_A_ROW, _WINDOW = 8, 4
_WORDS_IN_A_ROW = 4
_MOST_TOKENS = 20_000  # of a notebook
_MOST_TEXT = 50_000  # characters of its answers
_MOST_SERIES = 500  # that were handed in
_FEWEST_CODE, _FEWEST_WORDS = 12, 8  # fingerprints, below which alike means nothing
_ALIKE = 0.6  # of the fingerprints of both
_COMMON = 10  # submissions that may share what is still somebody's own; MOSS's m
_FEWEST_POINTS, _FEWEST_VALUES = 5, 3  # of a curve: a constant is everybody's
_TOKEN = re.compile(  # a string that is never closed ends with its line, or the source: so nothing is tried twice
    r'#[^\n]*|(?P<string>"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z)|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?)'
    r"|(?P<number>\d[\w.]*)|(?P<name>[^\W\d]\w*)|(?P<sign>[^\s\w])"
)
_KNOWN = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"self", "tf", "np"}


class Compared(Protocol):
    """What is compared of a submission."""

    @property
    def id(self) -> str: ...
    @property
    def code(self) -> Collection[int]: ...
    @property
    def words(self) -> Collection[int]: ...
    @property
    def series(self) -> Collection[int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two submissions to look at: the shares of their code and of their answers that are alike, 0 to 1, and how many
    submitted curves are equal value by value."""

    one: str
    other: str
    code: float
    words: float
    series: int


# --- fingerprints ---------------------------------------------------------------------------------------------------


def code_prints(cells: Iterable[Cell]) -> frozenset[int]:
    """Fingerprints of a notebook's code."""
    return frozenset(chain.from_iterable(_winnowed(grams) for grams in _code_grams(cells)))


def all_code_prints(cells: Iterable[Cell]) -> frozenset[int]:
    """All hashes of a notebook's code, from which the fingerprints are chosen: what is left out of other notebooks."""
    return frozenset(chain.from_iterable(_code_grams(cells)))


def _code_grams(cells: Iterable[Cell]) -> Iterator[list[int]]:
    left = _MOST_TOKENS
    for cell in cells:
        if cell.kind is CellKind.CODE and left > 0:
            tokens = list(_tokens(cell.source[: 20 * left]))[:left]
            left -= len(tokens)
            yield _grams(tokens, _TOKENS_IN_A_ROW)


def _tokens(source: str) -> Iterator[str]:
    """The normal form. What follows a dot belongs to a library, and keeps its name."""
    before = ""
    for found in _TOKEN.finditer(source):
        if found.lastgroup is not None:
            yield _normal(found.lastgroup, found.group(), before)
            before = found.group()


def _normal(kind: str, text: str, before: str) -> str:
    if kind == "name":
        return text if before == "." or text in _KNOWN else "v"
    return {"string": "s", "number": "n"}.get(kind, text)


def _grams(tokens: Sequence[str], length: int) -> list[int]:
    rows = (" ".join(tokens[i : i + length]) for i in range(len(tokens) - length + 1))
    return [zlib.crc32(row.encode("utf-8", "surrogatepass")) for row in rows]


def _winnowed(grams: Sequence[int]) -> Iterator[int]:
    for i in range(max(0, len(grams) - _WINDOW + 1)):
        yield min(grams[i : i + _WINDOW])


def word_prints(texts: Iterable[str]) -> frozenset[int]:
    """Fingerprints of answers: letters and digits alone count."""
    words = (re.findall(r"\w+", text[:_MOST_TEXT].lower()) for text in texts)
    return frozenset(chain.from_iterable(_grams(found, _WORDS_IN_A_ROW) for found in words))


def series_prints(runs: Iterable[Run]) -> frozenset[int]:
    """One fingerprint for each scalar series that was handed in and is nobody's by itself: five values or more, of which
    three differ."""
    found = set()
    for series in islice(chain.from_iterable(run.scalars for run in runs), _MOST_SERIES):
        values = series.values.astype(np.float32)
        if len(values) >= _FEWEST_POINTS and len(np.unique(values[np.isfinite(values)])) >= _FEWEST_VALUES:
            found.add(zlib.crc32(values.tobytes()))
    return frozenset(found)


# --- pairs ----------------------------------------------------------------------------------------------------------


def pairs(compared: Iterable[Compared]) -> tuple[Pair, ...]:
    """The pairs that are alike, the most alike first.

    Fingerprints that many submissions share are common knowledge and are left out; so only pairs that share rare ones are
    ever counted, and the time grows with the class, not with its square. Submissions whose fingerprints are all the same
    are found beforehand, however many they are; each is then paired with the first of them.
    """
    prints = {one.id: tuple(map(_sorted, (one.code, one.words, one.series))) for one in compared}
    code = _alike({name: found for name, (found, _, _) in prints.items()}, _FEWEST_CODE)
    words = _alike({name: found for name, (_, found, _) in prints.items()}, _FEWEST_WORDS)
    series = _shared({name: found.tolist() for name, (_, _, found) in prints.items()}, _first_with_each)
    found = [
        Pair(one=one, other=other, code=code.get((one, other), 0.0), words=words.get((one, other), 0.0), series=n)
        for one, other in {**code, **words, **series}
        for n in (series.get((one, other), 0),)
    ]
    return tuple(
        sorted(found, key=lambda pair: (-min(pair.series, 1), -max(pair.code, pair.words), pair.one, pair.other))
    )


_Name = tuple[str, str]


def _sorted(prints: Collection[int]) -> Ints:
    return np.sort(np.fromiter(prints, np.int64, len(prints)))


def _alike(prints: Mapping[str, Ints], fewest: int) -> dict[_Name, float]:
    """The share of fingerprints that two have in common (Jaccard), where it is high."""
    most = max(_COMMON, len(prints) // 15)
    known, counts = np.unique(np.concatenate([*prints.values(), _sorted(())]), return_counts=True)
    spread = {name: counts[np.searchsorted(known, found)] for name, found in prints.items()}
    own = {name: int((spread[name] <= most).sum()) for name in prints}
    rare = {name: found[(spread[name] > 1) & (spread[name] <= most)].tolist() for name, found in prints.items()}
    shared = _shared(rare, lambda members: combinations(members, 2))
    found = dict(_same(prints, fewest))
    for (one, other), n in shared.items():
        share = n / (own[one] + own[other] - n)
        if n >= fewest and share >= _ALIKE:
            found.setdefault((one, other), share)
    return found


def _same(prints: Mapping[str, Ints], fewest: int) -> Iterator[tuple[_Name, float]]:
    groups: dict[bytes, list[str]] = defaultdict(list)
    for name, found in prints.items():
        if len(found) >= fewest:
            groups[found.tobytes()].append(name)
    for members in groups.values():
        yield from ((pair, 1.0) for pair in _first_with_each(members))


def _shared(
    prints: Mapping[str, Iterable[int]], paired: Callable[[Sequence[str]], Iterable[_Name]]
) -> Mapping[_Name, int]:
    """How many fingerprints each pair shares. `paired` says which pairs those who share one make."""
    holders: dict[int, list[str]] = defaultdict(list)
    for name, found in prints.items():
        for one in found:
            holders[one].append(name)
    return Counter(chain.from_iterable(paired(members) for members in holders.values() if len(members) > 1))


def _first_with_each(members: Collection[str]) -> list[_Name]:
    first, *others = members
    return [(first, other) for other in others]
