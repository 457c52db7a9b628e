"""What instructors may change: whatever is wrong with it, one sentence says so, and nothing is run."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bounded import bounded
from hypothesis import given, settings
from hypothesis import strategies as st
from stages.making import notebook, put

from grader.assignment import load_assignment
from grader.cli import main
from grader.errors import BrokenReference, GraderError, UsageError
from grader.places import reference_folder
from grader.records import Reference
from grader.reporting.view import part_words
from grader.store import bands_path, read_reference

TEXT = (reference_folder() / "assignment.toml").read_text(encoding="utf-8")
BANDS = bands_path(reference_folder(), "fast", "embedded").read_text(encoding="utf-8")


def without(key: str) -> str:
    return "\n".join(line for line in TEXT.splitlines() if not line.startswith(f"{key} ="))


def changed(key: str, value: str) -> str:
    lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in TEXT.splitlines()]
    assert lines != TEXT.splitlines()
    return "\n".join(lines)


BROKEN = {
    "empty": ("", "lacks"),
    "cut off": (TEXT[: len(TEXT) // 2], "end of document"),
    "no TOML": ("a = = 1", "line 1"),
    "twice the same key": (TEXT + '\n[limits]\nmemory_mib = 1\n', "limits"),
    "nested": ("a = " + "[" * 10_000 + "]" * 10_000, "nested too deeply"),
    "huge": ("#" * (2 << 20), "larger than 1 MiB"),
    "no UTF-8": (TEXT.encode("utf-16"), "utf-8"),
    "a long number": (changed("epochs", "9" * 5000), "digits"),
    "no end": (changed("epochs", "inf"), "infinity"),
    "no number": (changed("probe_seconds", "nan"), "probe_seconds"),
    "a word": (changed("memory_mib", '"much"'), "memory_mib"),
    "less than nothing": (changed("output_mib", "-1"), "output_mib"),
    "no library": (without("library"), "lacks 'library'"),
    "a list in the place of a table": (changed("epochs", "[1]"), "list"),
    "tables in the place of numbers": (changed("seed", "{a = 1}"), "dict"),
    "layers in a row": (TEXT.replace("layers = [", "layers = '' #["), "lists"),
    "units in words": (TEXT.replace("units = [", 'units = ["many", ', 1), "units of an experiment"),
    "points in words": (TEXT.replace("points = 4", 'points = "four"', 1), "the points of the criterion notebook.runs"),
    "points below zero": (TEXT.replace("points = 4", "points = -4", 1), "the points of the criterion notebook.runs"),
    "a slip in a key": (TEXT.replace("points = 4", "ponts = 4", 1), "the criterion notebook.runs lacks points"),
    "a criterion twice": (TEXT + '\n[[criteria]]\nid = "notebook.runs"\npart = "x"\ntitle = "x"\npoints = 1\n', "twice"),
}  # fmt: skip


def sentence(folder: Path, text: str | bytes) -> str:
    put(folder / "assignment.toml", text.encode() if isinstance(text, str) else text)
    with pytest.raises(BrokenReference) as caught:
        bounded(load_assignment, folder, mib=256)
    assert len(str(caught.value)) < 500 + len(str(folder)) and str(caught.value).endswith("try again.")
    return str(caught.value)


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_assignment_gets_a_sentence(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert words in sentence(tmp_path, text)


def test_an_assignment_without_its_library_gets_a_sentence(tmp_path: Path) -> None:
    assert "utils.py is not beside it" in sentence(tmp_path, TEXT)


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("made", PLACES.values(), ids=PLACES)
def test_what_is_no_file_is_no_assignment(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "assignment.toml")
    with pytest.raises((BrokenReference, UsageError)):
        bounded(load_assignment, tmp_path, mib=256)


def test_a_folder_that_is_a_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_assignment(put(tmp_path / "file", b"x"))


@pytest.mark.parametrize(
    "text",
    [BROKEN["no TOML"][0], TEXT.replace('id = "notebook.runs"', 'id = "no\x1b.check"')],
    ids=["broken", "unknown"],
)
def test_the_command_says_it_in_one_line_and_runs_nothing(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(reference_folder(), tmp_path / "reference")
    put(tmp_path / "reference" / "assignment.toml", text.replace("\x1b", "\\u001b").encode())
    work = str(put(tmp_path / "hw.ipynb", notebook()))
    options = ("--data", "embedded", "--out", str(tmp_path / "out"), "--reference", str(tmp_path / "reference"))
    assert main(["grade", work, *options]) == GraderError.exit_code
    said = capsys.readouterr().err
    assert said.startswith("grader: ") and said.count("\n") == 1 and "\x1b" not in said


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mistyped_assignment_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mistyped"
    put(folder / "assignment.toml", mistyped(TEXT, data).encode())
    try:
        load_assignment(folder)
    except BrokenReference as error:
        assert str(error).endswith("try again.")


def mistyped(text: str, data: st.DataObject) -> str:
    """The text with a few of its values and signs in other places."""
    values = ["1", "-1", "nan", "[]", "{}", "'x'", "true", "1e400", "9" * 30, "null", "1979-05-27", "", "]", '"']
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text = text[:at] + data.draw(st.sampled_from(values)) + text[at + data.draw(st.integers(0, 12)) :]
    return text


# --- bands ----------------------------------------------------------------------------------------------------------


def read_bands(folder: Path, text: str | bytes) -> Reference:
    put(bands_path(folder, "fast", "embedded"), text.encode() if isinstance(text, str) else text)
    assignment = dataclasses.replace(load_assignment(reference_folder()), folder=folder)
    return read_reference(assignment, "fast", "embedded")


BROKEN_BANDS = {
    "empty": "",
    "cut off": BANDS[:1000],
    "a list": "[]",
    "no bands": "{}",
    "nested": '{"bands": ' + "[" * 100_000,
    "no UTF-8": BANDS.encode("utf-16"),
    "a step too large": '{"bands": {"relu/train_loss": {"steps": [1e400], "values": [[1]]}}}',
    "a huge step": '{"bands": {"relu/train_loss": {"steps": [' + "9" * 100 + '], "values": [[1]]}}}',
    "no seeds": '{"bands": {"relu/train_loss": {"steps": [], "values": []}}}',
    "fewer values than steps": '{"bands": {"relu/train_loss": {"steps": [1, 2], "values": [[1]]}}}',
    "values in no row": '{"bands": {"relu/train_loss": {"steps": [1], "values": [1]}}}',
    "words": '{"bands": {"relu/train_loss": {"steps": ["x"], "values": [[1]]}}}',
}


@pytest.mark.parametrize("text", BROKEN_BANDS.values(), ids=BROKEN_BANDS)
def test_broken_bands_get_a_sentence_with_the_next_step(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(BrokenReference, match="grader reference build") as caught:
        read_bands(tmp_path, text)
    assert str(caught.value).count("\n") == 0 and len(str(caught.value)) < 500 + len(str(tmp_path))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mistyped_bands_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    try:
        read = read_bands(tmp_path_factory.getbasetemp() / "bands", mistyped(BANDS[:400] + BANDS[-400:], data))
    except BrokenReference:
        return
    assert all(len(band.low) == len(band.steps) for band in read.bands.values())


def test_a_part_is_called_as_the_rubric_says_or_by_its_own_name(tmp_path: Path) -> None:
    put(tmp_path / "utils.py", b"")
    put(tmp_path / "assignment.toml", TEXT.replace('relu = "Two ReLUs"\n', "").encode())
    words = {criterion.part: part_words(criterion) for criterion in load_assignment(tmp_path).criteria}
    assert words["raw"] == "Raw data"
    assert words["relu"] == "Relu"


def test_a_name_for_a_part_that_is_none_gets_a_sentence(tmp_path: Path) -> None:
    assert "no criterion is of the part relus" in sentence(tmp_path, TEXT.replace('relu = "Two', 'relus = "Two'))
