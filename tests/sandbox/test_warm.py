"""A warm worker forks for many submissions: each sees a fresh interpreter in a box of its own, and nothing else."""

from __future__ import annotations

import ast
import platform
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader import store
from grader.errors import CannotWrite
from grader.sandbox import WarmWorker, bubblewrap, seccomp

from .running import Run, arguments, texts

pytestmark = pytest.mark.skipif(bubblewrap.unavailable() is not None, reason=str(bubblewrap.unavailable()))

MARK = "warm-worker-test"
POISON = """
import builtins, os, sys, numpy, tensorflow as tf, keras, utils, tempfile
builtins.poisoned = sys.poisoned = numpy.poisoned = tf.poisoned = keras.poisoned = utils.poisoned = True
numpy.random.seed = tf.random.set_seed = utils.Dense.__call__ = lambda *args: None
keras.optimizers.Adam.apply = numpy.mean = lambda *args: 1
sys.modules["json"] = None
os.environ["POISONED"] = "yes"
for folder in ("/tmp", "/dev/shm", "/box", "/sockets", "/trace"):
    with open(folder + "/poisoned", "w") as file:
        file.write("poisoned")
print("done")
"""

SEARCH = """
import builtins, os, sys, numpy, tensorflow as tf, keras, utils, json
print([hasattr(x, "poisoned") for x in (builtins, sys, numpy, tf, keras, utils)].count(True), "POISONED" in os.environ)
print([f for f in ("/tmp", "/dev/shm", "/box", "/sockets", "/trace") if os.path.exists(f + "/poisoned")])
print(numpy.mean([1.0, 2.0]), numpy.random.seed.__name__, keras.optimizers.Adam.apply.__name__)
"""


def test_nothing_of_one_submission_reaches_the_next(run: Run) -> None:
    assert texts(run(POISON)) == ["done"]
    assert texts(run(SEARCH)) == ["0 False\n[]\n1.5 seed apply"]


def test_a_notebook_has_no_rights_and_sees_neither_the_worker_nor_the_host(run: Run) -> None:
    found = texts(
        run(
            "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
            "print(int(status['CapEff'], 16), int(status['CapBnd'], 16), int(status['NoNewPrivs']))",
            "import os; print(os.getuid() != 0 and os.getgid() != 0, os.getgroups())",
            "print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit())[:2], os.getppid())",
            "print([os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)][0])",
            "print(any('gr-warm' in open(f'/proc/{n}/environ').read() + open(f'/proc/{n}/cmdline').read()"
            " for n in os.listdir('/proc') if n.isdigit() and os.access(f'/proc/{n}/environ', os.R_OK)))",
            "print([name for name in ('/root/.ssh', '/etc/shadow', '/etc/hostname') if os.path.exists(name)])",
        )
    )
    assert found[:2] == ["0 0 1", "True []"]
    first, parent = found[2].rsplit(" ", 1)
    assert first.startswith("[1")
    assert parent == "0", "its parent lives outside the box and cannot be named"
    assert found[3:] == ["/dev/null", "False", "[]"]


def test_system_calls_are_refused_in_a_fork_as_in_its_box(run: Run) -> None:
    number = seccomp.numbers(platform.machine())
    table = {name: number[name] for name in (*seccomp.REFUSED, *seccomp.UNKNOWN) if name in number}
    (found,) = texts(
        run(
            "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "def error_of(number):\n    return libc.syscall(number, *[-1] * 6) and errno.errorcode[ctypes.get_errno()]\n"
            f"print({{name: error_of(number) for name, number in {table}.items()}})"
        )
    )
    assert ast.literal_eval(found) == {name: "EPERM" if name in seccomp.REFUSED else "ENOSYS" for name in table}


def test_what_a_notebook_kills_is_itself_alone(run: Run) -> None:
    dead = run(
        "import os, signal\nfor n in range(1, 5):\n    try: os.kill(n, 0)\n    except OSError: pass\nos.kill(-1, 9)"
    )
    assert dead.cells[0].fault is None or "died" in dead.cells[0].fault.message
    assert texts(run("print('alive')")) == ["alive"]


def test_processes_that_want_to_outlive_a_run_do_not(run: Run) -> None:
    daemon = (
        "import os, subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{MARK}'], start_new_session=True)\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        import time; time.sleep(600)\n    os._exit(0)\n"
        "print('started')"
    )
    assert texts(run(daemon)) == ["started"]
    deadline = time.monotonic() + 10
    while processes_with(MARK) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(MARK) == []


def processes_with(mark: str) -> list[str]:
    """Processes with `mark` among their arguments."""
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in arguments(path)]


def test_the_same_seed_gives_the_same_numbers_in_every_fork(run: Run) -> None:
    draw = "import numpy, tensorflow as tf\nprint(numpy.random.randn(3), tf.random.normal([3]).numpy())"
    assert texts(run(draw)) == texts(run(draw))


def test_the_worker_outlives_the_thread_that_asked_for_it_first_and_ends_with_its_context() -> None:
    with WarmWorker() as worker:
        with ThreadPoolExecutor(1) as beside:
            path = beside.submit(worker.socket).result()
        time.sleep(0.5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(path))
    with pytest.raises(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(path))


def test_the_worker_ends_when_its_grader_is_killed() -> None:
    script = (
        "import time\nfrom grader.sandbox import WarmWorker\nworker = WarmWorker().__enter__()\n"
        "print(worker.socket(), worker._process.pid, flush=True)\ntime.sleep(600)"
    )
    grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert grader.stdout is not None
    path, pid = grader.stdout.readline().split()
    grader.kill()
    grader.wait()
    deadline = time.monotonic() + 60  # it looks up when its imports are done
    while Path("/proc", pid, "cmdline").is_file() and b"warm.py" in Path("/proc", pid, "cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    shutil.rmtree(Path(path).parent)


def test_a_disk_that_is_full_when_a_notebook_ends_is_not_held_against_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RESERVE_MIB", 1 << 40)
    with pytest.raises(CannotWrite, match="all but full"):
        run("print('done')")
