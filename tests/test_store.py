"""What is written is whole or not there, also when two write the same at once."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path

import pytest

from grader.errors import GraderError
from grader.store import evidence_folder, held, kept_text, write_results


def logs(folder: Path, text: str) -> Path:
    for run in ("relu", "raw"):
        (folder / run).mkdir(parents=True)
        (folder / run / "events").write_text(text)
    return folder


def test_logs_of_an_earlier_grading_are_replaced_as_a_whole(tmp_path: Path) -> None:
    first, second = logs(tmp_path / "first", "1"), logs(tmp_path / "second", "2")
    (first / "older").mkdir()
    write_results(tmp_path / "out", "one", {}, None, first)
    write_results(tmp_path / "out", "one", {}, None, second)
    assert sorted(path.name for path in (tmp_path / "out" / "one").iterdir()) == ["logs"]
    assert sorted(path.name for path in (tmp_path / "out" / "one" / "logs").iterdir()) == ["raw", "relu"]
    assert (tmp_path / "out" / "one" / "logs" / "relu" / "events").read_text() == "2"
    write_results(tmp_path / "out", "one", {}, None, None)
    assert list((tmp_path / "out" / "one").iterdir()) == []


def test_logs_that_are_there_already_are_left_alone_and_others_are_not(tmp_path: Path) -> None:
    source, target = logs(tmp_path / "source", "1"), tmp_path / "out" / "one" / "logs"
    event = target / "relu" / "events"

    def again() -> int:
        write_results(tmp_path / "out", "one", {}, None, source)
        return event.stat().st_ino

    first = again()
    assert again() == first
    spoilt = {
        "other bytes, as large and as old": lambda: (
            event.write_text("2"),
            shutil.copystat(source / "relu/events", event),
        ),
        "longer": lambda: event.write_text("11"),
        "a link to the same": lambda: (event.unlink(), event.symlink_to(source / "relu/events")),
        "one more": (target / "raw" / "more").touch,
        "gone": event.unlink,
        "no folder": lambda: (shutil.rmtree(target), target.touch()),
    }
    for how, spoil in spoilt.items():
        spoil()
        again()
        assert event.read_text() == "1" and not event.is_symlink(), how
        assert sorted(path.name for path in target.rglob("*")) == ["events", "events", "raw", "relu"], how


def test_two_that_write_the_same_submission_do_not_disturb_each_other(tmp_path: Path) -> None:
    source = logs(tmp_path / "source", "x")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write_results, tmp_path / "out", "one", {}, None, source) for _ in range(200)]:
            done.result()
    assert sorted(path.name for path in (tmp_path / "out" / "one").iterdir()) == ["logs"]
    assert (tmp_path / "out" / "one" / "logs" / "raw" / "events").read_text() == "x"


# --- evidence -------------------------------------------------------------------------------------------------------


def made(folder: Path) -> None:
    (folder / "logs").mkdir()
    (folder / "logs" / "events").write_bytes(b"events" * 100)
    (folder / "arrays.npz").write_bytes(b"arrays")
    (folder / "empty").touch()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit": lambda folder: (folder / "logs" / "events").write_bytes(b"eventz" * 100),
    "a torn end": lambda folder: (folder / "logs" / "events").write_bytes(b"events" * 99),
    "an empty file": lambda folder: (folder / "arrays.npz").write_bytes(b""),
    "a file that is gone": lambda folder: (folder / "empty").unlink(),
    "a folder that is gone": lambda folder: shutil.rmtree(folder / "logs"),
    "a file too much": lambda folder: (folder / "logs" / "more").touch(),
    "a seal that is gone": lambda folder: (folder / "seal.json").unlink(),
    "a seal that is cut off": lambda folder: (folder / "seal.json").write_text('{"arrays.npz": [6'),
    "a seal that is nested": lambda folder: (folder / "seal.json").write_text("[" * 100_000),
    "all of it": lambda folder: [shutil.rmtree(folder), folder.mkdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_evidence_that_was_damaged_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    times = list[Path]()

    def make(folder: Path) -> None:
        times.append(folder)
        made(folder)

    first = evidence_folder(tmp_path, "ab" * 32, make)
    assert evidence_folder(tmp_path, "ab" * 32, make) == first and len(times) == 1
    damage(first)
    assert evidence_folder(tmp_path, "ab" * 32, make) == first and len(times) == 2
    assert (first / "logs" / "events").read_bytes() == b"events" * 100
    assert [path.name for path in first.parent.iterdir()] == [first.name]


@pytest.mark.parametrize("fails", [False, True])
def test_who_asks_for_what_is_being_made_waits_for_it_and_makes_it_where_that_failed(
    tmp_path: Path, fails: bool
) -> None:
    begun, go_on, times = threading.Event(), threading.Event(), list[Path]()

    def make(folder: Path) -> None:
        times.append(folder)
        if len(times) == 1:
            begun.set()
            go_on.wait(60)
            if fails:
                raise GraderError("no")
        made(folder)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(evidence_folder, tmp_path, "ab" * 32, make)
        assert begun.wait(60)
        second = pool.submit(evidence_folder, tmp_path, "ab" * 32, make)
        assert wait([second], 0.5).not_done
        go_on.set()
        assert second.result(60).is_dir()
    assert isinstance(first.exception(), GraderError) if fails else first.result() == second.result()
    assert len(times) == 1 + fails


def test_evidence_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        made(folder)
        raise GraderError("no")

    with pytest.raises(GraderError):
        evidence_folder(tmp_path, "ab" * 32, make)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_text_is_made_once_for_its_name_and_again_when_its_file_was_damaged(tmp_path: Path) -> None:
    made = []

    def kept(name: str) -> str:
        return kept_text(tmp_path, name, lambda: made.append(name) or f"{name}\r\nй")  # type: ignore[func-returns-value]

    assert [kept("abc"), kept("abc"), kept("abd")] == ["abc\r\nй", "abc\r\nй", "abd\r\nй"]
    assert made == ["abc", "abd"]
    for damage in (b"", b"1", b"1\nabc", b"\xff\n"):
        (tmp_path / "ab" / "abc").write_bytes(damage)
        assert kept("abc") == "abc\r\nй"
    assert made == ["abc", "abd", *["abc"] * 4]


@pytest.mark.parametrize(("code", "goes_on"), [(errno.ENOTEMPTY, True), (errno.ENOENT, True), (errno.EACCES, False)])
def test_what_is_being_written_by_a_thread_that_was_broken_off_stops_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, goes_on: bool
) -> None:
    (tmp_path / "evidence" / "ab" / "making-x").mkdir(parents=True)

    def fails(path: Path) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(shutil, "rmtree", fails)
    with nullcontext() if goes_on else pytest.raises(GraderError), held(tmp_path / "evidence"):
        pass
