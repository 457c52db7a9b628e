"""What is told while work goes on: to whoever listens, and to nobody else's harm."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from grader import cli
from grader.commands import doctor
from grader.progress import _Pace
from grader.sandbox import interpreter

CLOSED = """
import os, sys
from grader.progress import display
with display(2) as watch:
    for name in ("a", "b"):
        watch(name, "running")
        watch(name, "done")
print("all done")
"""


def test_a_closed_standard_error_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", CLOSED], stdout=subprocess.PIPE, stderr=writer, text=True, check=False)
    os.close(writer)
    assert done.stdout == "all done\n"


@pytest.mark.parametrize(("plain", "hides"), [("True", False), ("False", True)])
def test_what_may_be_killed_leaves_the_cursor_of_a_terminal_alone(plain: str, hides: bool) -> None:
    ours, its = pty.openpty()
    code = CLOSED.replace("display(2)", f"display(2, plain={plain})")
    environment = os.environ | {"TERM": "xterm"}
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=its, env=environment)
    os.close(its)
    shown = b"".join(until_closed(ours))
    assert running.wait(timeout=60) == 0
    assert (b"\x1b[?25l" in shown) == hides and shown.strip()


def until_closed(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has it open any more, which Linux tells by an error."""
    with suppress(OSError):
        while part := os.read(terminal, 4096):
            yield part
    os.close(terminal)


def test_what_was_done_before_says_nothing_of_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 130.0])
    monkeypatch.setattr("grader.progress.time.monotonic", lambda: next(clock))
    pace = _Pace(10)
    for name in "abcd":
        pace.count(name, "done")  # as an earlier command left them
    assert pace.estimate() == ""
    pace.count("e", "running")
    pace.count("e", "done")
    assert (pace.done, pace.estimate()) == (5, ", about 2 min left")  # five more at 30 s each


def test_a_mistake_of_ours_has_an_exit_code_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "run", lambda _: 1 // 0)
    assert cli.main(["doctor"]) == 3
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and said.rstrip().endswith("Please report it with the lines above.")


@pytest.mark.parametrize("words", [["check", "x" * 300], ["grade", __file__, "--out", "y" * 300]])
def test_a_name_that_no_file_can_have_is_wrong_use(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert "cannot be used (File name too long)" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "folder", [Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib")).parent]
)
def test_submissions_in_the_folder_of_python_are_refused(folder: Path) -> None:
    with pytest.raises(cli.UsageError, match="Python lies in"):
        interpreter.hide([folder])


def test_submissions_beside_an_environment_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(interpreter, "folders", lambda: [tmp_path / ".venv"])
    interpreter.hide([tmp_path])
    try:
        assert tmp_path.resolve() in interpreter.hidden()
    finally:
        interpreter.hide([])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["check", "."], "is a folder. Name one notebook"),
        (["grade", "x.ipynb", "--ou", "y"], "unrecognized arguments: --ou"),
        (["grade", "x.ipynb", "--jobs", "many"], "a number from 1 on is needed"),
    ],
)
def test_a_slip_gets_a_sentence(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str) -> None:
    try:
        code = cli.main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2 and sentence in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object) -> int:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr(doctor, "run", run)
    assert cli.main(["doctor"]) == 3
    assert capsys.readouterr().err.startswith("grader: numpy is not installed beside the grader.")
