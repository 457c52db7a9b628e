"""A batch that is killed, interrupted or begun twice: the same command goes on, and nothing is left running."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from grader import journal as journals
from grader import store, workplace
from grader.cli import main
from grader.errors import InUse

from .making import Stored, command, left_overs, notebook, results, run, start, wait_for
from .torture import torture


@pytest.fixture
def waiting(stored: Stored, tmp_path: Path) -> list[str]:
    """A command on one notebook that does not come to an end by itself."""
    folder = notebook(
        tmp_path / "waiting" / "endless.ipynb", f"import time\ntime.sleep(3000)  # endless, for {tmp_path / 'out'}"
    ).parent
    return command(folder, tmp_path / "out")


def said_running(line: str) -> bool:
    return "running the notebook" in line


def tree(root: int) -> list[int]:
    """A process and all below it, whichever of its threads started them."""
    try:
        children = " ".join(path.read_text() for path in Path(f"/proc/{root}/task").glob("*/children")).split()
    except OSError:
        children = []  # it has ended meanwhile
    return [root, *(pid for child in children for pid in tree(int(child)))]


def is_box(pid: int) -> bool:
    try:
        return b"bwrap" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def are_gone(pids: list[int]) -> bool:
    """Whether processes have ended within a minute; as many seconds as it takes on a busy machine."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def stopped(words: list[str], *signals: int, in_box: bool) -> tuple[int, str, list[int]]:
    """Send signals to a command that begins to run a notebook, or whose notebook has its box already: its exit code, all
    that it said, and the processes it had."""
    process = start(words)
    said = wait_for(process, said_running)
    while in_box and not any(is_box(pid) for pid in tree(process.pid)):
        time.sleep(0.05)
    pids = tree(process.pid)
    for number in signals:
        process.send_signal(number)
    out, err = process.communicate(timeout=100)  # the notebook would take 3000 s
    return process.returncode, out + said + err, pids


@pytest.mark.parametrize(("number", "in_box"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_batch_ends_with_all_it_started_and_does_not_count_as_a_crash(
    waiting: list[str], tmp_path: Path, number: int, in_box: bool
) -> None:
    code, said, pids = stopped(waiting, number, in_box=in_box)
    assert code == 130
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert are_gone(pids)
    assert crashes(tmp_path / "out") == []


def test_a_second_interrupt_ends_a_batch_at_once(waiting: list[str]) -> None:
    code, said, pids = stopped(waiting, signal.SIGINT, signal.SIGINT, in_box=False)
    assert code == 130
    assert "Traceback" not in said
    assert are_gone(pids)


def crashes(out: Path) -> list[int]:
    with journals.opened(out / ".evidence") as journal:
        return [times for (times,) in journal._connection.execute("SELECT times FROM crashed")]


def test_a_killed_batch_leaves_nothing_running_and_the_next_one_removes_its_files(
    stored: Stored, waiting: list[str], tmp_path: Path
) -> None:
    out = stored.new_out(tmp_path / "out")
    code, _, pids = stopped(waiting, signal.SIGKILL, in_box=True)
    assert code == -signal.SIGKILL
    assert are_gone(pids)
    assert crashes(out) == [1]
    assert [name for name in left_overs(out) if "making-" in name]
    assert run(command(stored.folder, out)).returncode == 0
    assert left_overs(out) == []
    assert not own_folders(out)  # there was one: its notebook had its box; whichever command came next removed it


def own_folders(out: Path) -> list[Path]:
    """Folders for temporary files that hold a notebook of a class with these results."""
    parent = workplace.folder().parent
    notebooks = [path for path in parent.glob("gr-work-*/gr-*/notebook.ipynb") if "endless" in path.read_text()]
    return [path for path in notebooks if str(out) in path.read_text()]


def test_a_second_command_on_the_same_results_is_refused_and_the_first_goes_on(waiting: list[str]) -> None:
    first = start(waiting)
    wait_for(first, said_running)
    second = run(waiting)
    assert (second.returncode, second.stdout) == (3, "")
    assert second.stderr.startswith("grader: Another command is at work on ")
    assert second.stderr.count("\n") == 1
    assert first.poll() is None
    first.kill()
    first.communicate()


WRITER = "import sys; from pathlib import Path; from grader import store; store.count_as_writer(Path(sys.argv[1]));"
WRITER += "print('writes', file=sys.stderr, flush=True); sys.stdin.read()"


def test_what_a_killed_command_left_behind_is_waited_for_while_it_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = start([sys.executable, "-c", WRITER, str(tmp_path)])
    wait_for(left, lambda line: "writes" in line)
    with monkeypatch.context() as hurried:
        hurried.setattr(store, "_GONE_SECONDS", 0.0)
        with pytest.raises(InUse, match="still write"), store.held(tmp_path):
            pass
    left.kill()
    with store.held(tmp_path):
        left.communicate()


POISON = """
import os, signal, sys
from grader import cli, pipeline
observe = pipeline.observe
def deadly(submission, setup, progress):
    if submission.id == "poison": os.kill(os.getpid(), signal.SIGKILL)
    return observe(submission, setup, progress)
pipeline.observe = deadly
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_submission_that_kills_the_harness_is_set_aside_and_the_class_goes_on(stored: Stored, tmp_path: Path) -> None:
    folder, out = tmp_path / "class", stored.new_out(tmp_path / "out", 6)
    folder.mkdir()
    for number in range(6):
        (folder / f"s{number:04}.ipynb").write_bytes((stored.folder / f"s{number:04}.ipynb").read_bytes())
    poison = notebook(folder / "poison.ipynb", "x = 1")
    usual = command(folder, out, "--jobs", "2")
    deadly = [usual[0], "-c", POISON, *usual[3:]]
    assert [run(deadly).returncode for _ in range(3)] == [-signal.SIGKILL] * 3
    done = run(deadly)
    assert done.returncode == 3
    assert "poison: not graded" in done.stdout or "poison: ungraded" in done.stdout
    assert "killed 3 times" in done.stdout
    assert "not its author's fault" in done.stdout
    assert [done.stdout.count(f"s{number:04}: 9 of 100") for number in range(6)] == [1] * 6
    with journals.opened(out / ".evidence") as journal:  # the neighbours were not blamed
        assert list(journal._connection.execute("SELECT times FROM crashed")) == [(3,)]
    notebook(poison, "y = 2").rename(folder / "mended.ipynb")
    notebook(poison, "y = 3")
    assert run(deadly).returncode == -signal.SIGKILL  # another notebook of the same name is tried


def test_a_batch_that_is_killed_again_and_again_comes_to_the_same_results(stored: Stored, tmp_path: Path) -> None:
    tally = torture(stored, tmp_path, kills=5, rng=random.Random(1))
    assert tally.kills > 0
    assert tally.problems == ()


def test_the_clock_does_not_matter_for_what_is_done(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = stored.new_out(tmp_path / "out")
    words = command(stored.folder, out, "--jobs", "1")[3:]
    assert main(words) == 0
    assert "judging" in capsys.readouterr().err
    before = results(out)
    (out / ".evidence" / "receipt.json").unlink()
    for path in out.rglob("*"):
        os.utime(path, (86_400, 86_400), follow_symlinks=False)
    assert main(words) == 0
    assert "judging" not in capsys.readouterr().err
    assert results(out) == before
