"""What is remembered of a submission: as it was, for as long as nothing that it follows from has changed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import memory, store
from grader.formats.plain_records import from_plain, to_plain
from grader.language import Message
from grader.later import LaterMapping, LaterSequence
from grader.memory import Memory
from grader.records import Claim, Conclusion, Exhibit, Finding, RunSummary, Severity, Status, Verdict
from grader.reporting.overview import Outline, Sketch

LINES = {"epsilon": 0.5, "gain": 2.0}


class Check:
    """Says how often it was asked; looks at one threshold."""

    def __init__(self, look: Callable[[Memory], object] = lambda known: known.thresholds["epsilon"]) -> None:
        self.asked, self._look = 0, look

    def __call__(self, known: Memory) -> Verdict:
        def make() -> Verdict:
            self.asked += 1
            self._look(known)
            return Verdict(status=Status.PARTIAL, share=1 / 3)

        return known.part("check", Verdict, make)


def asked(path: Path, key: str, check: Check, thresholds: dict[str, float] = LINES) -> Verdict:
    with memory.kept(path, key, thresholds) as known:
        return check(known)


def test_a_verdict_is_found_out_once(tmp_path: Path) -> None:
    check = Check()
    assert asked(tmp_path / "m", "key", check) == asked(tmp_path / "m", "key", check)
    assert check.asked == 1


def test_a_verdict_is_found_out_again_for_another_key(tmp_path: Path) -> None:
    check = Check()
    for key in ("one", "other", "one"):
        asked(tmp_path / "m", key, check)
    assert check.asked == 3


@pytest.mark.parametrize(
    ("look", "times"),
    [
        (lambda known: known.thresholds["epsilon"], 1),
        (lambda known: known.thresholds["gain"], 2),
        (lambda known: known.thresholds.get("gain"), 2),
        (lambda known: dict(known.thresholds), 2),
        (lambda known: len(known.thresholds), 2),
        (lambda known: "gain" in known.thresholds, 2),
        (lambda known: known.thresholds.get("new"), 2),
        (lambda known: None, 1),
    ],
)
def test_a_verdict_is_found_out_again_when_a_threshold_that_was_looked_at_has_changed(
    tmp_path: Path, look: Callable[[Memory], object], times: int
) -> None:
    check = Check(look)
    asked(tmp_path / "m", "key", check)
    asked(tmp_path / "m", "key", check, {"epsilon": 0.5, "gain": 3.0, "new": 1.0})
    assert check.asked == times


def test_what_one_check_looked_at_is_not_held_against_another() -> None:
    known = Memory(LINES)
    Check()(known)
    known.part("other", Verdict, lambda: Verdict(status=Status.PASSED))
    assert known.known["other"]["thresholds"] == {}


@pytest.mark.parametrize("look", [list, len])
def test_a_check_that_looked_at_all_thresholds_is_asked_again_when_there_is_another(
    tmp_path: Path, look: Callable[[object], object]
) -> None:
    check = Check(lambda known: look(known.thresholds))
    for thresholds in (LINES, LINES, {**LINES, "new": 1.0}):
        asked(tmp_path / "m", "key", check, thresholds)
    assert check.asked == 2


def test_what_is_made_from_a_part_is_made_again_with_it(tmp_path: Path) -> None:
    made = []

    def outline(known: Memory) -> None:
        known.part("outline", str, lambda: made.append(1) or "", after=("check",))  # type: ignore[func-returns-value]

    for thresholds in (LINES, LINES, {**LINES, "gain": 0.0}, {**LINES, "epsilon": 0.0}):
        with memory.kept(tmp_path / "m", "key", thresholds) as known:
            Check()(known)
            outline(known)
    assert len(made) == 2


def test_after_an_error_nothing_is_remembered(tmp_path: Path) -> None:
    """What an exhibit that failed for want of memory left empty must not be left empty for good."""

    def broken(known: Memory) -> object:
        raise MemoryError

    for _ in range(2):
        with memory.kept(tmp_path / "m", "key", LINES) as known:
            with pytest.raises(MemoryError):
                known.part("exhibit", Exhibit, lambda: broken(known))
            Check()(known)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("spoil", [b"", b"7\n{}", b'{"key": "key", "parts": {}}', None])
def test_a_torn_memory_is_none(tmp_path: Path, spoil: bytes | None) -> None:
    check = Check()
    asked(tmp_path / "m", "key", check)
    whole = (tmp_path / "m").read_bytes()
    (tmp_path / "m").write_bytes(whole[:-2] + b" }" if spoil is None else spoil)
    assert asked(tmp_path / "m", "key", check).share == 1 / 3
    assert check.asked == 2


@pytest.mark.parametrize("parts", [[], {"check": None}, {"check": {"thresholds": {}, "value": {"status": "odd"}}}])
def test_a_memory_of_another_shape_is_none(tmp_path: Path, parts: object) -> None:
    store.keep(tmp_path / "m", json.dumps({"key": "key", "parts": parts}))
    assert asked(tmp_path / "m", "key", Check()).share == 1 / 3


def test_what_json_has_no_words_for_is_found_out_again_each_time(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        with memory.kept(tmp_path / "m", "key", LINES) as known:
            made.append(known.part("runs", RunSummary, lambda: RunSummary(finite=True, final={"loss": np.float64(1)})))
    assert [type(one.final["loss"]) for one in made] == [np.float64, np.float64]


# --- to the last bit ------------------------------------------------------------------------------------------------

words = st.text(max_size=20)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
messages: st.SearchStrategy[Message] = st.recursive(
    st.builds(Message, template=words, plural=words),
    lambda inner: st.builds(
        Message, template=words, values=st.lists(st.tuples(words, words | numbers | inner), max_size=3).map(tuple)
    ),
    max_leaves=4,
)
texts = st.none() | words | messages
places = st.none() | st.integers(0, 99)
findings = st.builds(
    Finding,
    code=words,
    message=messages,
    severity=st.sampled_from(Severity),
    expected=texts,
    actual=texts,
    hint=st.none() | messages,
    cell=places,
    run=st.none() | words,
)
several = st.lists(findings, max_size=3).map(tuple)
kinds: dict[Any, st.SearchStrategy[Any]] = {
    Verdict: st.builds(Verdict, status=st.sampled_from(Status), share=st.floats(0, 1), findings=several),
    tuple[Finding, ...]: several,
    RunSummary: st.builds(
        RunSummary, finite=st.booleans(), final=st.dictionaries(words, st.none() | st.floats(allow_nan=False))
    ),
    Conclusion: st.builds(
        Conclusion,
        criterion=words,
        text=words,
        cell=places,
        runs=st.lists(words).map(tuple),
        claims=st.lists(st.builds(Claim, text=words, logs=messages, agrees=st.none() | st.booleans()), max_size=2).map(
            tuple
        ),
    ),
    Outline: st.builds(
        Outline,
        runs=st.lists(words).map(tuple),
        pictures=words,
        sketches=st.just(()),
        code=st.frozensets(st.integers(0)),
        words=st.frozensets(st.integers(0)),
        series=st.frozensets(st.integers(0)),
    ),
}


@given(st.sampled_from(list(kinds)).flatmap(lambda kind: st.tuples(st.just(kind), kinds[kind])))
def test_a_record_comes_back_from_the_disk_as_it_was(made: tuple[Any, Any]) -> None:
    kind, value = made
    written = json.dumps(to_plain(value))
    back = from_plain(kind, json.loads(written))
    assert back == value and json.dumps(to_plain(back)) == written  # which tells 1 from 1.0


def test_stretches_that_are_not_finite_come_back_too() -> None:
    sketch = Sketch(run="raw", role="loss", points=2, values=(1.0, math.nan))
    assert math.isnan(from_plain(Sketch, to_plain(sketch)).values[1])


@pytest.mark.parametrize("odd", [np.float64(1), np.int64(1), [1], {1: 2}, b"", {"a": {"set"}}, Path("a"), "\ud800"])
def test_what_would_come_back_as_something_else_is_refused(odd: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        to_plain(odd)


def test_pictures_are_no_part_of_what_is_kept() -> None:
    assert from_plain(Exhibit, to_plain(Exhibit())).curves == ()


# --- later ----------------------------------------------------------------------------------------------------------


def test_what_is_read_later_is_read_once_and_only_when_it_is_looked_at() -> None:
    read: list[str] = []
    runs = LaterMapping(lambda: read.append("runs") or {"relu": 1, "raw": 2})  # type: ignore[func-returns-value]
    curves = LaterSequence(lambda: read.append("curves") or (1, 2))  # type: ignore[func-returns-value]
    assert read == []
    assert dict(runs) == {"relu": 1, "raw": 2} and len(runs) == 2 and runs["raw"] == 2 and "none" not in runs
    assert tuple(curves) == (1, 2) and curves[1:] == (2,) and len(curves) == 2
    assert read == ["runs", "curves"]


def test_a_key_error_while_reading_is_not_taken_for_a_missing_key() -> None:
    with pytest.raises(RuntimeError, match="lacks 'bands'"):
        LaterMapping(lambda: {"relu": {}["bands"]}).get("relu")
