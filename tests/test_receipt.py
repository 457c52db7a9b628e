"""A receipt answers for the very same command alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader import receipt
from grader.cli import parser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.ipynb").write_text("{}")
    (tmp_path / "data.npz").write_bytes(b"images")
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "assignment.toml").write_text("points = 1")
    return tmp_path


def digest(folder: Path, *more: str) -> str | None:
    words = [
        "grade",
        str(folder / "class"),
        "--data",
        str(folder / "data.npz"),
        "--reference",
        str(folder / "reference"),
    ]
    return receipt.command_digest(parser().parse_args([*words, *more]))


def test_the_same_command_on_the_same_things_has_the_same_digest(folder: Path) -> None:
    assert digest(folder) == digest(folder, "--jobs", "3")


@pytest.mark.parametrize(
    "option", [("--profile", "full"), ("--no-acceleration",), ("--fail-under", "50"), ("--out", "elsewhere")]
)
def test_another_option_has_another_digest(folder: Path, option: tuple[str, ...]) -> None:
    assert digest(folder) != digest(folder, *option)


@pytest.mark.parametrize(
    "name", ["class/a.ipynb", "class/b.ipynb", "data.npz", "reference/assignment.toml", "reference/utils.py"]
)
def test_other_contents_have_another_digest(folder: Path, name: str) -> None:
    before = digest(folder)
    (folder / name).write_text("changed")
    assert digest(folder) != before


def test_what_people_decided_is_part_of_the_digest(folder: Path) -> None:
    out = folder / "reports"
    out.mkdir()
    before = digest(folder, "--out", str(out))
    (out / "reviews.csv").write_text("key,points,comment")
    assert digest(folder, "--out", str(out)) != before


def test_data_that_may_have_to_be_fetched_give_no_receipt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nothing"))
    assert digest(folder, "--data", "auto") is None
    assert digest(folder, "--data", "embedded") is not None


def test_a_receipt_holds_until_a_result_is_touched(folder: Path) -> None:
    out = folder / "reports"
    (out / "a").mkdir(parents=True)
    (out / "a" / "report.html").write_text("page")
    receipt.write(out, "digest", "84 of 100\n", 0)
    held = receipt.read(out, "digest")
    assert held is not None
    assert (held.printed, held.code) == ("84 of 100\n", 0)
    assert receipt.read(out, "another") is None
    (out / "a" / "report.html").write_text("page, edited")
    assert receipt.read(out, "digest") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "grader.receipt/1"}', '{"format": "another"}'])
def test_a_broken_receipt_is_none(tmp_path: Path, text: str) -> None:
    receipt.place(tmp_path).parent.mkdir()
    receipt.place(tmp_path).write_text(text)
    assert receipt.read(tmp_path, "digest") is None


def test_what_is_no_plain_file_is_neither_followed_nor_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "class" / "pipe.ipynb")
    (folder / "class" / "link.ipynb").symlink_to("/dev/zero")
    before = digest(folder)
    (folder / "class" / "link.ipynb").unlink()
    (folder / "class" / "link.ipynb").symlink_to("/dev/full")
    assert before is not None
    assert digest(folder) != before


def test_files_do_not_move_from_one_tree_to_the_next_unnoticed(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/3", "c/1", "d/2", "d/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert receipt.digest_of({}, [tmp_path / "a", tmp_path / "b"]) != receipt.digest_of(
        {}, [tmp_path / "c", tmp_path / "d"]
    )
