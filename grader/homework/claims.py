"""Numbers and claims of a conclusion beside what the logs say. They help a person to read; no points hang on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from grader.homework.roles import roles_of, series_of, tail_mean
from grader.language import listed
from grader.records import Case, Claim, Conclusion, Floats, Message, Run, say

_MOST = 12  # of one conclusion
_MOST_TEXT = 20_000  # characters of a conclusion: the page shows no more
_NUMBER = re.compile(r"(?<![\w.,\-/^])(\d{1,3}(?:[.,]\d{1,6})?)\s*(%?)(?![\w^]|[.,]\d)")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_ACCURACY = re.compile(r"accuracy|acc\b|точност|метрик", re.I)
_LOSS = re.compile(r"loss|лосс|ошибк|потер", re.I)
_NAN = re.compile(r"\bnan\b|не\s*число", re.I)
_NOT = re.compile(
    r"\b(?:не|нет|без|больше|no|not|without|never)\b", re.I
)  # "NaN больше нет": what is denied is for a reader
_BETTER = re.compile(r"\b(?:лучше|быстрее|выше|ниже|эффективнее|better|faster|higher|lower)\b", re.I)
_IDLE = re.compile(
    r"(?:не|почти не|плохо)\s+(?:об)?уч[аи]\w*|обучени\w* не (?:ид[её]т|происходит)|(?:does(?:n't| not)|not)\s+learn|learns? (?:badly|nothing)",
    re.I,
)
_NAMES: Mapping[str, re.Pattern[str]] = {
    "relu_smart_dense": re.compile(r"relu_smart_dense|smart_dense_relu|smart|умн", re.I),
    "relu_bn_fixed": re.compile(r"relu_bn_fixed|исправл|починен|repaired|fixed|batch.?norm|батч", re.I),
    "relu_bn": re.compile(r"relu_bn\b|испорч|сломан|flawed|spoil", re.I),
    "raw": re.compile(r"\braw\b|сыр|ненормализ|необработ|unscaled", re.I),
    "relu": re.compile(r"\brelu\b(?!\s*\+\s*batch)", re.I),
}
_LEARNT = 0.15  # accuracy above chance (0.1 for ten digits) that nobody would call nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logs:
    """What can be held against the words: the runs, and where they come from."""

    runs: Mapping[str, Run]
    whence: Message


def claims_of(conclusion: Conclusion, case: Case) -> tuple[Claim, ...]:
    """The numbers of a conclusion, then its claims, in the order of the text, at most twelve."""
    logs = _logs(case)
    sentences = [s.strip() for s in _SENTENCE.split(conclusion.text[:_MOST_TEXT]) if s.strip()]
    distinct = dict.fromkeys(number for s in sentences for number in _numbers(s))
    numbers = [_number_claim(number, conclusion, case, logs) for number in islice(distinct, _MOST)]
    words = islice((claim for s in sentences for claim in _words(s, conclusion, case, logs)), 10 * _MOST)
    return tuple(dict.fromkeys((*numbers, *words)))[:_MOST]


def _logs(case: Case) -> _Logs:
    """The logs that were handed in: the student wrote about those; without them, the re-run's."""
    if case.submitted_runs:
        return _Logs(runs=case.submitted_runs, whence=say("the logs that were handed in"))
    return _Logs(runs=case.runs, whence=say("the re-run"))


# --- numbers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """A number as written, its value, half a unit of its last digit, and what it is said to be of, if anything."""

    text: str
    value: float
    half: float
    role: str


def _numbers(sentence: str) -> Iterator[_Number]:
    """Numbers that can be a loss or an accuracy: with decimals, in per cent, or beside such a word."""
    role = "accuracy" if _ACCURACY.search(sentence) else "loss" if _LOSS.search(sentence) else ""
    for found in _NUMBER.finditer(sentence):
        digits, percent = found.group(1).replace(",", "."), found.group(2) == "%"
        if percent or "." in digits or (role and float(digits) <= 1):
            unit = 0.01 if percent else 1.0
            half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
            yield _Number(text=found.group().strip(), value=float(digits) * unit, half=half * unit, role=role)


def _number_claim(number: _Number, conclusion: Conclusion, case: Case, logs: _Logs) -> Claim:
    near = _nearest(number, conclusion.runs, case, logs)
    if near is None:
        return Claim(text=number.text, logs=say("no value to compare with was logged"), agrees=None)
    distance, where = near
    if distance <= max(number.half + 1e-9, 0.02 * abs(number.value)):
        return Claim(text=number.text, logs=say("in {whence}: {where}", whence=logs.whence, where=where), agrees=True)
    if not case.submitted_runs:  # the student's own training, on all of the data, need not come near the re-run
        message = say("not in the re-run (nearest: {where}), which trains anew; no logs were handed in", where=where)
        return Claim(text=number.text, logs=message, agrees=None)
    return Claim(text=number.text, logs=say("in no log of these runs; nearest: {where}", where=where), agrees=False)


def _nearest(number: _Number, names: tuple[str, ...], case: Case, logs: _Logs) -> tuple[float, Message] | None:
    """Distance to the closest logged value among the scalars of these runs, and where it stands."""
    found = []
    for name in filter(logs.runs.__contains__, names):
        roles = roles_of(case, logs.runs[name])
        for series in logs.runs[name].scalars:
            if number.role not in roles.get(series.tag, series.tag.lower()):  # the tag's own words where it has no role
                continue
            gaps = np.abs(series.values - number.value)
            if np.isfinite(gaps).any():
                at = int(np.nanargmin(np.where(np.isfinite(gaps), gaps, np.nan)))
                where = say(
                    "{run}, {tag}, step {step}: {value:.4g}",
                    run=name,
                    tag=series.tag,
                    step=int(series.steps[at]),
                    value=float(series.values[at]),
                )
                found.append((float(gaps[at]), where))
    return min(found, key=lambda near: (near[0], str(near[1])), default=None)


# --- words ----------------------------------------------------------------------------------------------------------


def _words(sentence: str, conclusion: Conclusion, case: Case, logs: _Logs) -> Iterator[Claim]:
    named = [run for run, name in _NAMES.items() if run in conclusion.runs and name.search(sentence)]
    text = sentence if len(sentence) <= 160 else sentence[:157] + "…"
    if _NAN.search(sentence):
        yield from _nan_claim(text, named, conclusion, logs)
    if _BETTER.search(sentence) and len(named) == 2:
        yield from _better_claim(text, sentence, named, case, logs)
    elif _IDLE.search(sentence) and len(named) == 1:
        yield from _idle_claim(text, named[0], case, logs)


def _nan_claim(text: str, named: list[str], conclusion: Conclusion, logs: _Logs) -> Iterator[Claim]:
    names = [name for name in named or conclusion.runs if name in logs.runs]
    spoiled = [name for name in names if any(np.isnan(s.values).any() for s in logs.runs[name].scalars)]
    if names:
        said = (
            say("NaN in: {runs}", runs=", ".join(spoiled))
            if spoiled
            else say("NaN in none of: {runs}", runs=", ".join(names))
        )
        yield Claim(text=text, logs=said, agrees=None if _NOT.search(text) else bool(spoiled))


def _better_claim(text: str, sentence: str, named: list[str], case: Case, logs: _Logs) -> Iterator[Claim]:
    """Which of two runs ends better. Which one the sentence means is left to the reader."""
    role = "validation_loss" if _LOSS.search(sentence) and not _ACCURACY.search(sentence) else "validation_accuracy"
    ends = {name: _end(name, role, case, logs) for name in named}
    known = {name: end for name, end in ends.items() if end is not None}
    if len(known) == 2:
        shown = listed(say("{run} {value:.4g}", run=name, value=end) for name, end in known.items())
        yield Claim(text=text, logs=_ends(role, shown), agrees=None)


def _idle_claim(text: str, name: str, case: Case, logs: _Logs) -> Iterator[Claim]:
    end = _end(name, "validation_accuracy", case, logs)
    if end is not None:
        shown = say("{run} {value:.4g}", run=name, value=end)
        yield Claim(text=text, logs=_ends("validation_accuracy", shown), agrees=True if end < 0.1 + _LEARNT else None)


def _ends(role: str, shown: Message) -> Message:
    return say("{role}, mean of the last third: {shown}", role=say(role.replace("_", " ")), shown=shown)


def _end(name: str, role: str, case: Case, logs: _Logs) -> float | None:
    run = logs.runs.get(name)
    series = series_of(case, run, role) if run else None
    if series is None or not len(series.values):
        return None
    values: Floats = series.values
    return tail_mean(values)
