"""`check --watch`: what a notebook's text tells at once, a run that the next save ends, and a quiet end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stages.making import cell, notebook, put

from grader.cli import main
from grader.formats.notebooks import read_notebook
from grader.homework.at_once import findings
from grader.pipeline import template_of
from grader.places import reference_folder

LONGEST = 300  # seconds that anything may take on a very busy machine


def said(path: Path) -> list[tuple[str, int | None, int | None]]:
    return [(f.code, f.cell, f.line) for f in findings(read_notebook(path).cells, template_of(reference_folder()))]


def test_the_template_has_everything_still_to_do() -> None:
    codes = [code for code, _, _ in said(reference_folder() / "template.ipynb")]
    assert codes and set(codes) <= {"at_once.untouched", "at_once.missing"}


def test_the_solution_has_nothing_left_to_do() -> None:
    assert said(reference_folder() / "solution.ipynb") == []


def test_a_syntax_error_is_told_with_its_line_and_commands_are_none(tmp_path: Path) -> None:
    source = "%matplotlib inline\n!ls\nmkdir logs\nx = 1\nif x\n    y = 2"
    cells = ("%%bash\nif x; then", "a = !ls\nb?", source, "def f(:", cell("def f(:", "markdown"))
    found = said(put(tmp_path / "a.ipynb", notebook(*cells)))
    assert found[:2] == [("at_once.syntax_error", 3, 5), ("at_once.syntax_error", 4, 1)]
    assert [code for code, _, _ in found[2:]] == ["at_once.missing"] * 3


class Watch:
    """The command at work, with what it printed line by line, and the marks that its runs left."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grader", "check", str(path), "--watch", "--data", "embedded"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, words: str) -> None:
        while not self.seen or words not in self.seen[-1]:
            self.seen.append(self.lines.get(timeout=LONGEST))


def started(temporary: Path) -> bool:
    """Whether a notebook has been given to a kernel."""
    return any(temporary.glob("**/sockets/*"))


def wait(happens: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(LONGEST * 5):
        if happens():
            return
        pause.wait(0.2)
    raise AssertionError("it never happened")


def running_in(folder: Path) -> list[str]:
    """The processes that name the folder, or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().decode(errors="replace") + str((process / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in told:
            found.append(told)
    return found


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[tuple[Watch, Path, Path]]:
    path, temporary = put(tmp_path / "hw.ipynb", notebook("while True:\n    pass")), Path(f"/tmp/w{os.getpid()}")
    temporary.mkdir()
    watch = Watch(path, temporary)
    yield watch, path, temporary
    watch.process.kill()
    watch.process.wait()


@pytest.mark.notebook
def test_a_save_ends_the_run_that_is_under_way_and_ctrl_c_ends_all_quietly(watching: tuple[Watch, Path, Path]) -> None:
    watch, path, temporary = watching
    watch.until("Running it in the background")
    assert sum("There is no definition of" in line for line in watch.seen) == 3
    wait(lambda: started(temporary))
    path.write_bytes(b"{")  # an editor that writes in two steps
    path.write_bytes(notebook("x = 1"))
    watch.until("points")
    assert "while True" not in "".join(watch.seen)
    path.write_bytes(notebook("while True:\n    pass", "1"))
    watch.until("Running it in the background")
    os.killpg(watch.process.pid, signal.SIGINT)
    code = watch.process.wait(timeout=LONGEST)
    watch.reader.join()
    assert (code, list(watch.lines.queue)) == (0, [])
    wait(lambda: not running_in(temporary))
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


def test_watching_prints_text_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path / "hw.ipynb", notebook())
    assert main(["check", str(path), "--watch", "--format", "json"]) == 2
    assert "--format" in capsys.readouterr().err
