"""What is played in every tier: an attack in a real box, with what stands outside it and can be seen to be untouched.

`python -m tests.sandbox.scenarios NAME TIER` plays one and prints what happened as JSON; `test_conformance.py` judges.
It is a process of its own so that it can be started as another user.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import jinja2
import nbformat
import numpy

from grader.data import digits, save, slice_for
from grader.formats.events import read_runs
from grader.places import reference_folder
from grader.sandbox import MECHANISMS, Box, Limits, Mount, Program, WarmWorker, failure, interpreter, run, seccomp
from grader.sandbox.collect import take_events
from grader.sandbox.plan import Plan
from grader.sandbox.watch import Running, descendants, start
from grader.stages import execution

ATTACKS = Path(__file__).parent / "attacks"
LIMITS = Limits(memory_mib=512, processes=32, disk_mib=16, file_mib=4, files=1000, cpu_seconds=100)
PATIENCE = 120.0  # seconds that a box may take on a very busy machine

Facts = dict[str, Any]


def attempt(function: Callable[..., object], *arguments: object) -> str:
    try:
        function(*arguments)
    except OSError as error:
        return str(error)
    return "done"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A folder of one scenario: `outside` is what no box may touch."""

    tier: str
    folder: Path
    outside: Path

    def box(self, name: str, order: Facts, limits: Limits = LIMITS) -> Box:
        home = self.folder / name / "box"
        home.mkdir(parents=True)
        home.parent.chmod(0o755)
        (home / "order.json").write_text(json.dumps(order))
        mounts = (Mount(source=home, target="/box", writable=True), Mount(source=ATTACKS, target="/inside"))
        return Box(mounts=mounts, home="/box", limits=limits, mapped=MECHANISMS[self.tier].MAPPED)

    def attack(self, name: str, order: Facts, seconds: float = PATIENCE) -> Facts:
        """Play one attack to its end."""
        box = self.box(name, order)
        done = run(Program(name=name, arguments=()), box, MECHANISMS[self.tier], seconds=seconds)
        return {"stopped": done.stopped, "tail": done.tail, **answers(box)}

    @contextmanager
    def running(self, name: str, order: Facts) -> Iterator[tuple[Box, Running]]:
        """An attack that has written its answers and stays."""
        box = self.box(name, order)
        with (box.writable()[0].parent / "output.txt").open("w+b") as output:
            running = start(Program(name=name, arguments=()), box, MECHANISMS[self.tier], output.fileno())
            try:
                wait_for(box.writable()[0] / "answers.json", output.name)
                yield box, running
            finally:
                running.kill()
                running.wait()


def answers(box: Box) -> Facts:
    path = box.writable()[0] / "answers.json"
    return json.loads(path.read_text()) if path.exists() else {}


def wait_for(path: Path, said: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(Path(said).read_text())
        time.sleep(0.02)


@contextmanager
def stage(tier: str) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="gr-", dir="/tmp"))
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    for path, mode in ((folder, 0o755), (outside, 0o777), (outside / "secret", 0o666)):
        path.chmod(mode)  # nothing but the sandbox guards it
    try:
        yield Stage(tier, folder, outside)
    finally:
        shutil.rmtree(folder)


# --- scenarios ------------------------------------------------------------------------------------------------------


def available(stage: Stage) -> Facts:
    reasons = {"unavailable": MECHANISMS[stage.tier].unavailable(), "failure": failure(stage.tier)}
    return {name: str(reason) if reason else None for name, reason in reasons.items()}


def files(stage: Stage) -> Facts:
    secret, own = stage.outside / "secret", Path(f"/proc/{os.getpid()}/environ")
    at_home = Path.home() / "secret"
    at_home.write_text("secret")
    others = stage.box("other", {"answers": "of another submission"}).writable()[0] / "order.json"
    readable = [str(path) for path in (secret, at_home, others, own, reference_folder() / "solution.ipynb")]
    before = _facts_of(secret)
    found = stage.attack(
        "files",
        {
            "secret": str(secret),
            "read": [*readable, "/etc/shadow", f"/proc/{os.getpid()}/cmdline"],
            "list": [str(stage.outside), str(Path.home()), str(others.parent)],
            "write": [str(path) for path in (secret, at_home, others, ATTACKS / "common.py", numpy.__file__)]
            + ["/etc/hosts", "/usr/made", "/made", "/dev/made"],
        },
    )
    found["control"] = {path: attempt(open, path) for path in readable}
    found["touched"] = [before, _facts_of(secret), sorted(path.name for path in stage.outside.iterdir())]
    return found


def installed(stage: Stage) -> Facts:
    """The grader as one of the interpreter's packages: another one stands for it here."""
    package = Path(nbformat.__file__).parent
    with mock.patch.object(interpreter, "own_packages", lambda: [package]):
        files = [nbformat.__file__, numpy.__file__]
        found = stage.attack("files", {"secret": "secret", "read": files, "list": [], "write": []})
    return {"read": [found["read"][file] for file in files], "control": attempt(open, nbformat.__file__)}


def private(stage: Stage) -> Facts:
    """Submissions and an assignment below a folder that every notebook is shown: a package stands for them here."""
    folder, file = Path(nbformat.__file__).parent, Path(jinja2.__file__)
    interpreter.hide([folder, file])
    try:
        files = [nbformat.__file__, str(file), numpy.__file__]
        found = stage.attack("files", {"secret": "secret", "read": files, "list": [], "write": []})
    finally:
        interpreter.hide([])
    return {"read": [found["read"][path] for path in files], "control": [attempt(open, path) for path in files]}


def _facts_of(path: Path) -> list[object]:
    facts = path.stat()
    return [path.read_text(), facts.st_mode, facts.st_mtime_ns]


def network(stage: Stage) -> Facts:
    path, name = str(stage.outside / "socket"), f"grader-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as by_path,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        for listener, address in ((by_path, path), (abstract, "\0" + name)):
            listener.bind(address)
            listener.listen()
        Path(path).chmod(0o777)
        control = [attempt(_reach, listener) for listener in (tcp, udp, by_path, abstract)]
        ports = {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1]}
        found = stage.attack("network", {**ports, "path": path, "abstract": name})
        return {**found, "control": control, "heard": [_hears(listener) for listener in (tcp, udp, by_path, abstract)]}


def _reach(listener: socket.socket) -> None:
    """What a box must not: from here it works."""
    with socket.socket(listener.family, listener.type) as own:
        own.connect(listener.getsockname())
        own.send(b"x")
    if not _hears(listener):
        raise OSError("nothing arrived")


def _hears(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(16)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def calls(stage: Stage) -> Facts:
    number = seccomp.numbers(platform.machine())
    table = {name: number[name] for name in (*seccomp.REFUSED, *seccomp.UNKNOWN) if name in number}
    return stage.attack("calls", {"table": table, "clone": number["clone"]})


def rights(stage: Stage) -> Facts:
    return stage.attack("rights", {})


def limits(stage: Stage) -> Facts:
    return stage.attack("limits", dataclasses.asdict(LIMITS))


def fills_disk(stage: Stage) -> Facts:
    return stage.attack("fills_disk", {})


def shares_memory(stage: Stage) -> Facts:
    return stage.attack("shares_memory", dataclasses.asdict(LIMITS))


def runs_out_of_time(stage: Stage) -> Facts:
    return stage.attack("daemons", {"stays": True}, seconds=1.0)


def leaves_daemons(stage: Stage) -> Facts:
    found = stage.attack("daemons", {"stays": False})
    return {**found, "alive": _locked(stage.folder / "daemons" / "box")}


def is_killed_with_daemons(stage: Stage) -> Facts:
    with stage.running("daemons", {"stays": True}) as (box, _):
        before = _locked(box.writable()[0])
    return {**answers(box), "before": before, "alive": _locked(box.writable()[0])}


def grader_is_killed(stage: Stage) -> Facts:
    """The process that watches a box dies by a signal that it cannot handle."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with stage.running("daemons", {"stays": True}):
            os.write(writing, b"\n")
            time.sleep(PATIENCE)
        os._exit(1)
    os.read(reading, 1)
    home = stage.folder / "daemons" / "box"
    before = _locked(home)
    os.kill(child, 9)
    os.waitpid(child, 0)
    deadline = time.monotonic() + PATIENCE
    while _locked(home) and time.monotonic() < deadline:
        time.sleep(0.05)
    return {"before": before, "alive": _locked(home)}


def _locked(home: Path) -> list[str]:
    """The names of those whose process lives."""
    return [name for name in ("daemon", "session", "chain") if _is_locked(home / name)]


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def leaves(stage: Stage) -> Facts:
    found = stage.attack("leaves", {"secret": str(stage.outside / "secret")})
    taken = stage.folder / "taken"
    taken.mkdir()
    take_events(stage.folder / "leaves" / "box" / "logs", taken, files=100, most=1 << 20)
    return {**found, "taken": sorted(path.name for path in taken.rglob("*") if not path.is_dir())}


def two_boxes(stage: Stage) -> Facts:
    number = seccomp.numbers(platform.machine())
    token, names = f"grader-test-{os.getpid()}", ("shmget", "msgget", "add_key", "request_key")
    order: Facts = {"token": token, "number": os.getpid(), **{name: number[name] for name in names}}
    with stage.running("sends", order) as (box, running):
        homes = [str(box.writable()[0]), "/box", "/tmp", "/dev/shm", "/var/tmp"]
        pids = [*descendants(running.process.pid), os.getpid(), os.getppid()]
        before = _own_limits()
        received = stage.attack("receives", {**order, "paths": [f"{home}/{token}" for home in homes], "pids": pids})
        alive = running.process.poll() is None and all(Path(f"/proc/{pid}").exists() for pid in pids)
        return {"sent": answers(box), "received": received, "alive": alive, "limits": [before, _own_limits()]}


def _own_limits() -> list[object]:
    return [resource.getrlimit(resource.RLIMIT_CPU), os.getpriority(os.PRIO_PROCESS, 0)]


NOTEBOOK = (
    "import os, sys, utils, numpy as np, tensorflow as tf, matplotlib.pyplot as plt\nprint(sorted(vars(utils))[:5])",
    "(x, y), _ = tf.keras.datasets.mnist.load_data()\nprint(x.shape, np.random.rand(3), tf.random.normal([2]).numpy())",
    """
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
history = model.fit(x / 255.0, y, epochs=2, verbose=0)
print(history.history)
""",
    """
@tf.function(jit_compile=True)
def compiled(x):
    return tf.reduce_sum(tf.tanh(x @ tf.transpose(x)))
print(compiled(tf.random.normal([8, 8])).numpy())
""",
    """
with tf.summary.create_file_writer("logs/relu").as_default():
    for step in range(3):
        tf.summary.scalar("loss", history.history["loss"][0] / (step + 1), step=step)
        tf.summary.histogram("weights", model.weights[0], step=step)
print(len(os.listdir("logs/relu")))
""",
    "import shutil\nopen('a', 'w').write('text'); shutil.copy2('a', 'b'); print(open('b').read())\n"
    "import pathlib; pathlib.Path('touched').touch(); shutil.copytree('logs', 'copied'); print(os.path.exists('touched'))",
    "plt.plot([1, 2]); plt.savefig('figure.png'); plt.show()\nmodel.save_weights('w.weights.h5'); print('saved')",
    "name = 'echo'\n!{name} $name\nimport subprocess; print(subprocess.run(['echo', 'x'], capture_output=True).stdout)",
    "import concurrent.futures as f\nprint(list(f.ThreadPoolExecutor(4).map(abs, [-1, 2])))\n1 / 0",
    "%%capture\n%pip install nothing-of-this-name",  # its words depend on the folders that it can list
    "print(os.environ.get('GRADER_CANARY'), input('?'))",
)


# What a fork of the warm worker could do: to the grader, to the worker, and after its end.
HOSTILE = """
import ctypes, os, signal, subprocess, sys
def attempt(function, *arguments):
    try:
        return function(*arguments) and "done"
    except OSError as error:
        return type(error).__name__
def effective():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capget(header, data)
    return sum(data)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "MARK"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "MARK"])
    os._exit(0)
print([attempt(open, "SECRET"), attempt(os.listdir, "OUTSIDE"), attempt(os.kill, GRADER, signal.SIGKILL) or "gone"])
print(ctypes.CDLL(None).prctl(21, 0, 0, 0, 0), ctypes.CDLL(None).prctl(39, 0, 0, 0, 0), effective())
print([n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and "gr-warm" in os.readlink(f"/proc/self/fd/{n}")])
print(ctypes.CDLL(None).unshare(0))
"""


def notebook(stage: Stage) -> Facts:
    return _run_notebook(stage, NOTEBOOK, None)


def warm_notebooks(stage: Stage) -> Facts:
    """The same by a warm worker, after one that tries to do harm."""
    mark = f"grader-test-{os.getpid()}"
    asked = {"MARK": mark, "SECRET": str(stage.outside / "secret"), "OUTSIDE": str(stage.outside)}
    hostile = HOSTILE.replace("GRADER", str(os.getpid()))
    for name, value in asked.items():
        hostile = hostile.replace(name, value)
    with WarmWorker() as worker:
        harm = _run_notebook(stage, (hostile,), worker)
        return {"hostile": harm, "left": _arguments_with(mark), "notebook": _run_notebook(stage, NOTEBOOK, worker)}


def _arguments_with(mark: str) -> list[str]:
    """Processes that have `mark` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path.parent.name] if mark.encode() in path.read_bytes().split(b"\0") else []
    return found


def _run_notebook(stage: Stage, sources: tuple[str, ...], worker: WarmWorker | None) -> Facts:
    folder = Path(tempfile.mkdtemp(dir=stage.folder))
    folder.chmod(0o755)
    data = folder / "data.npz"
    save(slice_for(digits(), 64, 32), data)
    data.chmod(0o644)
    plan = Plan(
        library=reference_folder() / "utils.py",
        data=data,
        seed=1,
        mechanism=stage.tier,
        worker=worker,
        seconds=600,
        seconds_per_cell=300,
        output_mib=4,
        limits=Limits(memory_mib=3072, processes=200, disk_mib=64, file_mib=32, files=1000, cpu_seconds=600),
    )
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "n.ipynb")
    execution.execute(folder / "n.ipynb", plan, folder / "evidence")
    result = execution.read(folder / "evidence")
    runs = read_runs(folder / "evidence" / "logs")
    lines = [cell.text.replace("\r\n", "\n") for cell in result.cells]  # as a terminal or a pipe ends them
    return {
        "fault": str(result.fault),
        "cells": [[c.status, text, c.fault and c.fault.message] for c, text in zip(result.cells, lines, strict=True)],
        "scalars": {
            name: [[s.tag, s.steps.tolist(), s.values.tolist()] for s in r.scalars] for name, r in runs.items()
        },
        "histograms": {name: [[h.tag, *map(str, h.buckets)] for h in r.histograms] for name, r in runs.items()},
    }


SCENARIOS: Mapping[str, Callable[[Stage], Facts]] = {
    scenario.__name__: scenario
    for scenario in (
        available,
        files,
        installed,
        private,
        network,
        calls,
        rights,
        limits,
        fills_disk,
        shares_memory,
        runs_out_of_time,
        leaves_daemons,
        is_killed_with_daemons,
        grader_is_killed,
        leaves,
        two_boxes,
        notebook,
        warm_notebooks,
    )
}


def main() -> None:
    with stage(sys.argv[2]) as place:
        facts = SCENARIOS[sys.argv[1]](place)
    print(json.dumps(facts, default=str))


if __name__ == "__main__":
    main()
