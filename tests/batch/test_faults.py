"""A disk that fails at any one call: nothing torn is left, nothing is taken for done, and the next command goes on."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from grader import batch, store
from grader import journal as journals
from grader.cli import main
from grader.errors import CannotWrite
from grader.journal import NAME
from grader.places import reference_folder

from .making import ROOT, Stored, command, environment, left_overs, notebook, results, run

FAULTS: dict[str, tuple[Any, str]] = {
    "rename": (os, "rename"),
    "replace": (os, "replace"),
    "mkdir": (os, "mkdir"),
    "fsync": (os, "fsync"),
    "write": (Path, "write_text"),
    "pieces": (store, "_write_pieces"),
    "copy": (shutil, "copyfile"),
}


@contextmanager
def failing(name: str, index: int, code: int) -> Iterator[list[str]]:
    """Let one call of a function fail as the system would. Gives a list with the call that failed, if it came to that."""
    owner, attribute = FAULTS[name]
    usual, count, failed = getattr(owner, attribute), itertools.count(), list[str]()

    def call(*arguments: Any, **options: Any) -> Any:
        if next(count) == index:
            failed.append(repr(arguments))
            if name in ("write", "pieces", "copy"):  # a disk that is full takes the beginning
                Path(arguments[1 if name == "copy" else 0]).write_bytes(b"to")
            raise OSError(code, os.strerror(code))
        return usual(*arguments, **options)

    setattr(owner, attribute, call)
    try:
        yield failed
    finally:
        setattr(owner, attribute, usual)


def each_call(name: str, code: int, work: Callable[[Callable[[], Any]], None], attempt: Callable[[], Any]) -> int:
    """Do `work` once for each call of a function, which fails in its `attempt`; the number of calls."""
    for index in itertools.count():
        failed: list[str] = []

        def broken(index: int = index, failed: list[str] = failed) -> None:
            with failing(name, index, code) as calls:
                try:
                    attempt()
                finally:
                    failed += calls

        work(broken)
        if not failed:
            return index
    raise AssertionError("it counts for ever")


def make(folder: Path) -> None:
    (folder / "execution" / "logs").mkdir(parents=True)
    (folder / "execution" / "outcome.json").write_text("outcome")
    (folder / "execution" / "logs" / "events").write_text("events")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["fsync", "rename", "mkdir", "write"])
def test_evidence_is_whole_or_not_there_whatever_call_fails(tmp_path: Path, name: str, code: int) -> None:
    def work(broken: Callable[[], Any]) -> None:
        shutil.rmtree(tmp_path / "evidence", ignore_errors=True)
        (tmp_path / "evidence").mkdir()
        try:
            broken()
        except OSError:
            pass  # of what makes the evidence
        except CannotWrite as error:
            assert "give the same command again" in str(error)
        target = tmp_path / "evidence" / "ab" / "abc"
        assert not target.is_dir() or contents(target) == whole
        with store.held(tmp_path / "evidence"):
            assert left_overs(tmp_path) == []
            assert contents(store.evidence_folder(tmp_path / "evidence", "abc", make)) == whole

    make(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    calls = each_call(name, code, work, lambda: store.evidence_folder(tmp_path / "evidence", "abc", make))
    assert calls >= {"fsync": 7, "rename": 1, "mkdir": 3, "write": 2}[name]


def contents(folder: Path) -> dict[str, str]:
    """All files of a folder but the seal, which says how they looked."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "seal.json")
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("replace", errno.ENOSPC),
        ("rename", errno.EIO),
        ("pieces", errno.ENOSPC),
        ("copy", errno.EDQUOT),
    ],
)
def test_a_class_is_graded_as_if_nothing_had_happened_whatever_call_fails(
    stored: Stored, tmp_path: Path, name: str, code: int
) -> None:
    candidates, out = stored.candidates[:2], tmp_path / "out"

    def grade() -> None:
        with store.held(out / ".evidence"), journals.opened(out / ".evidence") as journal:
            batch.grade_all(candidates, stored.into(out), out, 1, lambda *_: None, journal=journal)

    def work(broken: Callable[[], Any]) -> None:
        shutil.rmtree(out, ignore_errors=True)
        stored.new_out(out, 2)
        try:
            broken()
        except CannotWrite as error:
            assert "give the same command again" in str(error)
        except OSError as error:
            assert error.errno == code  # a temporary folder; `main` says it in one sentence
        with journals.opened(out / ".evidence") as journal:
            counted = journal._connection.execute("SELECT count(*) FROM crashed").fetchone()
            assert counted == (0,)
        grade()
        assert results(out) == expected
        assert left_overs(out) == []

    stored.new_out(out, 2)
    grade()
    expected = results(out)
    assert each_call(name, code, work, grade) >= 2


def test_a_disk_that_is_all_but_full_stops_a_class_before_anything_is_run(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = stored.new_out(tmp_path / "out")
    monkeypatch.setattr(store, "RESERVE_MIB", 1 << 40)
    assert main(command(stored.folder, out)[3:]) == 3
    said = capsys.readouterr()
    assert "all but full" in said.err
    assert "Traceback" not in said.err
    assert results(out) == {}
    monkeypatch.undo()
    assert main(command(stored.folder, out)[3:]) == 0


def in_mounts(*words: str) -> Callable[[list[str]], subprocess.CompletedProcess[str]]:
    """Runs a command where folders are mounted in some other way."""
    before = ["bwrap", "--dev-bind", "/", "/", *words, "--"]
    return lambda command: run([*before, *command])


def test_a_read_only_file_system_is_said_in_one_sentence(stored: Stored, tmp_path: Path) -> None:
    out = stored.new_out(tmp_path / "out")
    done = in_mounts("--ro-bind", str(out), str(out))(command(stored.folder, out))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("grader: ")
    assert "Read-only file system" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/reports"])
def test_results_that_can_lie_nowhere_are_said_in_one_sentence(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "file").touch()
    assert main(command(stored.folder, tmp_path / place)[3:]) == 3
    said = capsys.readouterr()
    assert said.err.startswith("grader: ")
    assert said.err.count("\n") == 1


FILLING = """
import os, sys
from pathlib import Path
from grader import batch, cli, store
store.RESERVE_MIB = 0
out, words = Path(sys.argv[1]), sys.argv[2:]
for left in map(int, os.environ["LEFT"].split()):
    os.system(f"rm -rf {out}/* && cp -r {os.environ['EVIDENCE']} {out}/.evidence")
    with open(out / "filler", "wb", buffering=0) as file:
        try:
            while True: file.write(bytes(4096))
        except OSError: pass
        file.truncate(max(0, file.tell() - left * 1024))
    first = cli.main(words)
    os.unlink(out / "filler")
    print("CODE", left, first, cli.main(words), flush=True)
    os.system(f"cp -r {out} {os.environ['KEEP']}/{left} && rm -rf {out}/.evidence")
"""


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(stored: Stored, tmp_path: Path) -> None:
    out, keep, lefts = tmp_path / "out", tmp_path / "keep", (0, 64, 600, 20_000)
    out.mkdir()
    keep.mkdir()
    facts = {"LEFT": " ".join(map(str, lefts)), "EVIDENCE": str(stored.evidence), "KEEP": str(keep)}
    words = ["bwrap", "--dev-bind", "/", "/", "--size", str(48 << 20), "--tmpfs", str(out), "--"]
    words += [command(stored.folder, out)[0], "-c", FILLING, str(out), *command(stored.folder, out, "--jobs", "2")[3:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env={**environment(), **facts})
    codes = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("CODE")]
    assert codes == [[str(left), "0" if left == 20_000 else "3", "0"] for left in lefts], done.stderr
    assert "Traceback" not in done.stderr
    expected = results(keep / "20000")
    assert len(expected) > 3 * 40
    for left in lefts:
        assert results(keep / str(left)) == expected
        assert left_overs(keep / str(left)) == []


def test_what_a_dead_writer_left_is_removed_and_what_is_done_stays(tmp_path: Path) -> None:
    kept = [
        tmp_path / "s1" / "result.json",
        tmp_path / ".evidence" / "ab" / "abc" / "file",
        tmp_path / ".evidence" / NAME,
        tmp_path / ".notes.tmp",  # somebody's own
        tmp_path / "s1" / ".cache.tmp" / "file",
    ]
    left = [
        tmp_path / ".index.html.1.tmp",
        tmp_path / "s1" / ".result.json.1.tmp",
        tmp_path / "s1" / ".making-ab_cd123" / "new" / "events",
        tmp_path / ".evidence" / "ab" / "making-x" / "file",
        tmp_path / ".evidence" / ".receipt.json.1.tmp",
        tmp_path / ".evidence" / store.PICTURES / "ab" / ".abc.1.tmp",
    ]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with store.held(tmp_path / ".evidence"):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in kept)


def test_one_odd_notebook_is_no_fault_of_the_disk(stored: Stored, tmp_path: Path) -> None:
    out = stored.new_out(tmp_path / "out")
    folder = tmp_path / "class"
    shutil.copytree(stored.folder, folder)
    notebook(folder / "odd.ipynb", "x").write_text("no notebook")
    (folder / "loop.ipynb").symlink_to("loop.ipynb")
    assert main(command(folder, out)[3:]) == 3
    assert len(results(out)) > 3 * 40


def test_a_command_says_what_is_not_in_the_class_any_more_and_how_the_rubric_has_changed(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = stored.new_out(tmp_path / "out", 3)
    first, second, third = sorted(stored.folder.glob("*.ipynb"))[:3]
    for late in (first, second):
        assert main(["grade", str(first), str(late), str(third), *command(Path("x"), out)[5:]]) == 0
    assert "any more" not in capsys.readouterr().err
    changed = tmp_path / "reference"
    shutil.copytree(reference_folder(), changed)
    rubric = (changed / "assignment.toml").read_text()
    (changed / "assignment.toml").write_text(rubric.replace("points = 4", "points = 9", 1))
    assert main(["grade", str(second), *command(Path("x"), out)[5:], "--reference", str(changed)]) == 0
    said = capsys.readouterr().err
    assert f"2 submissions that were graded into this folder before are not in the class any more: {first.stem}" in said
    assert "The rubric has changed: 105 points in all, 100 before." in said
