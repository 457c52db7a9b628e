"""Answers of probes are read with suspicion: they were written beside code that may have touched them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.records import Definition
from grader.stages.probing import _faults

FAULTS = {
    "deep": "[" * 400_000,
    "deep in a message": '{"main": {"message": ' + "[" * 900 + "]" * 900 + ', "traceback": 5}}',
    "a long number": '{"main": {"message": ' + "9" * 6000 + "}}",
    "no object": "[1, 2]",
    "cut off": '{"main": {"message": "x"',
    "no text": "\0\xff",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_faults_that_are_no_faults_are_none_or_have_no_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "faults.json").write_text(text, encoding="latin-1")
    definition = Definition(wanted="f", name="f", source="", cell=3, line=1, normal="")
    found = _faults(tmp_path, definition)
    assert all(fault.message == fault.traceback == "" for fault in found.values())
