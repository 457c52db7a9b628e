"""A machine that is short of memory kills processes at random: what was killed once is not held against its author."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from grader import workplace
from grader.descendants import descendants
from grader.errors import GraderError
from grader.records import Definition, Execution, Fault, FaultKind, Question, Resources
from grader.sandbox import Box, Completed, bubblewrap
from grader.sandbox.plan import Plan
from grader.stages import probing

from .running import Run, arguments, texts

pytestmark = pytest.mark.skipif(bubblewrap.unavailable() is not None, reason=str(bubblewrap.unavailable()))


def runs_while_killed(run: Run, kill: Callable[[BaseProcess], None], times: int, *cells: str) -> Execution:
    """The cells, whose last one sleeps; while it does, `kill` is called with their runner, in this many runs."""
    seen = set(multiprocessing.active_children())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, *cells, "import time; time.sleep(8)")
        for _ in range(times):
            while not (new := set(multiprocessing.active_children()) - seen) and not asked.done():
                time.sleep(0.05)
            (runner,) = new
            while not any(workplace.folder().glob("gr-*/outcome.json")) and not asked.done():
                time.sleep(0.05)  # until the first cell has been saved: that could be taken for a result
            kill(runner)
            runner.join(30)
            seen.add(runner)
        return asked.result()


def kill_kernel(runner: BaseProcess) -> None:
    """As a machine does that is short of memory."""
    assert runner.pid is not None
    for pid in list(descendants(runner.pid))[1:]:
        with contextlib.suppress(ProcessLookupError):  # they take each other along
            os.kill(pid, signal.SIGKILL)


def kill_attendant(_: object) -> None:
    """The process that waits for a program from outside its box. The program dies with it, and nobody ends the box."""
    attendants = [attendant for worker in _warm(os.getpid()) for attendant in _warm(worker)]
    assert attendants
    for attendant in attendants:
        os.kill(attendant, signal.SIGKILL)


def _warm(pid: int) -> list[int]:
    """The warm worker or its forks, as far as they are this process's children."""
    found = []
    with contextlib.suppress(OSError):  # one has ended meanwhile
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return [child for child in found if b"warm.py" in arguments(Path(f"/proc/{child}/cmdline"))]


def test_a_runner_that_is_killed_each_time_leaves_no_evidence_of_a_notebook_that_stopped(run: Run) -> None:
    with pytest.raises(GraderError, match="ended without a result"):
        runs_while_killed(run, BaseProcess.kill, 2, "print('first')")


@pytest.mark.parametrize("kill", [BaseProcess.kill, kill_kernel, kill_attendant])
def test_what_is_killed_once_is_not_its_notebooks_fault(run: Run, kill: Callable[[BaseProcess], None]) -> None:
    assert texts(runs_while_killed(run, kill, 1, "print('first')")) == ["first", ""]


def test_a_kernel_that_dies_each_time_is_its_notebooks_fault(run: Run) -> None:
    result = runs_while_killed(run, kill_kernel, 2, "print('first')")
    assert result.fault is not None
    assert (result.fault.kind, result.fault.cell) == (FaultKind.KERNEL_DIED, 2)


def test_whoever_else_asks_for_exit_codes_takes_no_result_away(run: Run) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            multiprocessing.active_children()  # as the start of every other process does

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert [texts(run("print('ran')")) for _ in range(3)] == [["ran"]] * 3
    finally:
        done.set()
        asking.join()


REFUSED = """
import os
print("ran")
raise MemoryError
"""


def test_a_cell_that_is_refused_memory_each_time_is_its_notebooks_fault(run: Run) -> None:
    (cell,) = run(REFUSED).cells
    assert cell.fault is not None and cell.fault.message.startswith("MemoryError")


PROBE = """
def run(namespace, settings, arrays, answer):
    answer.put("value", namespace["value"]())
"""


def asked(plan: Plan, folder: Path, *sources: str) -> list[tuple[float | None, Fault | None]]:
    """What definitions of `value` give, and what went wrong, each asked by a probe of its own in the order given."""
    probes = folder / "probes"
    probes.mkdir()
    probes.chmod(0o755)
    questions = []
    for number, source in enumerate(sources):
        (probes / f"probe{number}.py").write_text(PROBE)
        definition = Definition(wanted="value", name="value", source=source, cell=1, line=1, normal=source)
        questions.append(Question(probe=f"probe{number}", definition=definition, settings={}, arrays={}))
    probing.ask(questions, plan, probes, 60, folder / "evidence")
    answers = probing.read(folder / "evidence").values()
    return [(float(a.arrays["value"]) if "value" in a.arrays else None, a.faults.get("")) for a in answers]


DIES = "import os\ndef value():\n    os._exit(9)"
GOOD = "def value():\n    return 1.5"


def test_a_definition_that_dies_each_time_takes_no_other_with_it(plan: Plan, tmp_path: Path) -> None:
    (dead, fault), *others = asked(plan, tmp_path, DIES, GOOD, GOOD)
    assert dead is None and fault is not None and fault.kind is FaultKind.KERNEL_DIED
    assert others == [(1.5, None), (1.5, None)]


def test_a_probe_that_was_killed_once_is_asked_again(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, killed = probing.run, []

    def first_is_killed(program: object, box: Box, *rest: object, **options: object) -> Completed:
        if killed:
            return real(program, box, *rest, **options)  # type: ignore[arg-type]
        killed.append(True)
        (box.writable()[0] / "probe0").mkdir()
        (box.writable()[0] / "probe0" / "started").touch()
        return Completed(stopped=None, tail="", resources=Resources())

    monkeypatch.setattr(probing, "run", first_is_killed)
    assert asked(plan, tmp_path, GOOD, GOOD) == [(1.5, None), (1.5, None)]


SLOW = "import time\ndef value():\n    time.sleep(5)\n    return 1.5"


def test_a_probe_whose_attendant_was_killed_is_asked_again(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, runs = probing.run, []

    def counted(*arguments: Any, **options: Any) -> Completed:
        runs.append(real(*arguments, **options))
        return runs[-1]

    monkeypatch.setattr(probing, "run", counted)
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asked, plan, tmp_path, SLOW)
        while not any(map(_warm, _warm(os.getpid()))) and not answers.done():
            time.sleep(0.05)
        time.sleep(1)
        kill_attendant(None)
        assert answers.result() == [(1.5, None)]
    assert [run.stopped for run in runs] == [None, None]


ENDS_SLOWLY = """
import os, threading, time
from ipykernel.kernelapp import IPKernelApp

# In a thread: it closes all connections, and may then wait for ever for the threads that had them.
threading.Thread(target=IPKernelApp.instance().context.destroy, args=(0,), daemon=True).start()
time.sleep(4)
os._exit(1)
"""


def test_a_kernel_that_takes_its_time_to_end_has_not_printed_too_much(run: Run) -> None:
    result = run("print('first')", ENDS_SLOWLY)
    assert result.fault is not None and result.fault.kind is FaultKind.KERNEL_DIED
