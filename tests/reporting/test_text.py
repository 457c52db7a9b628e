"""What `inert` takes away, and what it leaves."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.reporting.text import clip, inert, one_line

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x00b\x7f\x9b", "a\\x00b\\x7f\\x9b"),
        ("\u202egnp\u2066", "\\u202egnp\\u2066"),
        ("ad\u200bmin\ufeff", "ad\\u200bmin\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("over\rwritten\b", "over\\x0dwritten\\x08"),
        ("one\r\ntwo\n\tthree", "one\ntwo\n\tthree"),
        ("Вывод: NaN — “да” 😀 é", "Вывод: NaN — “да” 😀 é"),
    ],
)
def test_active_characters_are_spelled_out(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(any_text)
def test_nothing_active_is_left_and_nothing_changes_twice(text: str) -> None:
    shown = inert(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert all(
        unicodedata.bidirectional(c) not in ("RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")
        for c in shown
    )
    assert inert(shown) == shown
    shown.encode("utf-8")


@given(st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u115f\u1160\u3164\uffa0")))
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_a_megabyte_of_backspaces_is_cleaned_in_linear_time() -> None:
    assert len(inert("\b" * 1_000_000)) == 4_000_000


@given(any_text)
def test_one_line_has_no_line_break(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


def test_clip_keeps_both_ends_and_says_how_much_is_gone() -> None:
    shown = clip("a" * 100 + "z" * 100, 30)
    assert shown.startswith("a" * 20) and shown.endswith("z" * 10) and "170 characters" in shown
    assert clip("short", 30) == "short"
