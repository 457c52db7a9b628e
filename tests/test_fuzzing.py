"""A short round of fuzzing for every reader, and the fuzzer itself: it finds what only its guidance can find."""

from __future__ import annotations

from pathlib import Path

import pytest
from bounded import bounded
from fuzzing import TARGETS, Outcome, Target, confine, fuzz


def rounds(target: Target, executions: int) -> Outcome:
    confine()
    return fuzz(target, executions, seed=1)


@pytest.mark.parametrize(
    ("name", "executions"), [("events", 2000), ("archives", 1000), ("notebooks", 1500), ("arrays", 1000)]
)
def test_a_short_round_finds_nothing(name: str, executions: int) -> None:
    outcome = bounded(rounds, TARGETS[name], executions, mib=2048)
    assert outcome.executions == executions
    assert len(outcome.corpus) > len(TARGETS[name].seeds)
    assert not outcome.failures, "\n".join(text for text, _ in outcome.failures.values())


def fragile(path: Path) -> None:
    """Breaks on the fourth of four letters, each of which has a line of its own."""
    data = path.read_bytes()
    if data[:1] != b"x":
        return
    if data[1:2] != b"g":
        return
    if data[2:3] != b"S":
        return
    if data[3:4] != b"L":
        return
    raise KeyError(data)


@pytest.mark.parametrize(
    ("watched", "found"), [(frozenset([__file__]), {"KeyError in fragile"}), (frozenset[str](), set())]
)
def test_what_takes_four_steps_is_found_by_its_lines_only(watched: frozenset[str], found: set[str]) -> None:
    target = Target(run=fragile, seeds=(b"....",), repair=bytes, watched=watched)
    assert set(bounded(rounds, target, 20_000).failures) == found
