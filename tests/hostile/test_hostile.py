"""Hostile notebooks get the verdict that they must get, reach nothing, leave nothing, and harm nobody: the honest notebook
that is graded next gets, byte for byte, the verdict that it gets alone."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing.util
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.batch import grade_all
from grader.cli import parser
from grader.commands.prepared import prepared
from grader.pipeline import Setup
from grader.places import reference_folder
from grader.sandbox import MECHANISMS, Limits
from grader.stages.intake import find_submissions
from tests.hostile.attacks import ALL, Attack
from tests.hostile.host import Host, exposed, reach

TIER = os.environ.get("HOSTILE_TIER", "bubblewrap")  # the other one is attacked by hand: docs/security.md
pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(MECHANISMS[TIER].unavailable() is not None, reason=f"{TIER} cannot make a box here"),
]

# Far below what honest notebooks may use, so that a flood is stopped after seconds and not after minutes.
LIMITS = Limits(memory_mib=1536, processes=128, disk_mib=96, file_mib=48, files=4000, cpu_seconds=60)
SECONDS_PER_CELL = 12.0
JOBS = 2
LEAST_OF_BOXES = 1_880_000_000  # grader.sandbox.users
FINGERPRINT = """
import builtins, os, sys
print(sorted(os.environ), sorted(sys.modules), sorted(vars(builtins)), sys.path, [type(f).__name__ for f in sys.meta_path], sys.getrecursionlimit())
print([sorted(os.listdir(p)) for p in ("/", "/tmp", "/dev/shm", "/box", "/trace", "/course", "/data", "/inside")])
print([open(f"/proc/self/{n}").read() for n in ("limits", "cgroup")], os.umask(0o22), np.random.get_state()[1][:3])
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of an attack, and of the honest notebook that was graded right after it."""

    attack: dict[str, Any]
    cells: list[dict[str, Any]]
    printed: str
    honest: bytes


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Host]]:
    out = tmp_path_factory.mktemp("hostile")
    with exposed(out) as host:
        (out / f"sibling-{host.filled['TOKEN']}.ipynb").write_text(host.filled["TOKEN"])
        yield out, host


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Where the grader puts what is temporary, and nobody else: what is left there was left by it."""
    before = tempfile.tempdir
    multiprocessing.util.get_temp_dir()  # which stays until this process ends
    with tempfile.TemporaryDirectory(prefix="h-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        tempfile.tempdir = name
        yield Path(name)
        tempfile.tempdir = before


@pytest.fixture(scope="module")
def setup(temporary: Path) -> Iterator[Setup]:
    options = parser().parse_args(["grade", "x", "--data", "embedded"])
    with prepared(options, None) as made:
        yield dataclasses.replace(made, plan=dataclasses.replace(made.plan, mechanism=TIER))


def honest_notebook() -> str:
    """The solution with an epoch for each experiment, and a look around: as much as can be seen, and nothing that varies."""
    notebook = nbformat.read(reference_folder() / "solution.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("_seq, 10, keras", "_seq, 1, keras")
    notebook.cells.append(nbformat.v4.new_code_cell(FINGERPRINT, id="fingerprint"))
    return str(nbformat.writes(notebook))


def graded(name: str, text: str, setup: Setup, out: Path) -> Path:
    """The folder of results of one notebook, run for real: its evidence is its own."""
    place = out / name
    place.mkdir()
    notebook = place / "homework.ipynb"
    notebook.write_text(text, encoding="utf-8")
    own = dataclasses.replace(setup, evidence=place / "evidence")
    grade_all(find_submissions([notebook], place), own, place / "out", 1, lambda *_: None)
    return place / "out" / "homework"


def verdict(folder: Path) -> bytes:
    """All that the grader says about a notebook, apart from what it used."""
    result = json.loads((folder / "result.json").read_text())
    outputs = [cell.get("outputs") for cell in json.loads((folder / "executed.ipynb").read_text())["cells"]]
    logs = sorted((str(p.parent.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*tfevents*"))
    del result["resources"], result["submission"]["source"]
    return json.dumps([result, outputs, logs], sort_keys=True).encode()


@pytest.fixture(scope="module")
def alone(setup: Setup, places: tuple[Path, Host]) -> bytes:
    return verdict(graded("alone", honest_notebook(), setup, places[0]))


@pytest.fixture(scope="module")
def trials(setup: Setup, places: tuple[Path, Host], alone: bytes) -> Mapping[str, Trial]:
    """Every attack, two at a time from one warm worker, and after each of them an honest notebook."""
    out, host = places
    plan = dataclasses.replace(setup.plan, seconds_per_cell=SECONDS_PER_CELL, limits=LIMITS, output_mib=4)
    hostile = dataclasses.replace(setup, plan=plan)

    def attempt(attack: Attack) -> Trial:
        folder = graded(attack.name, attack.notebook(host.filled), hostile, out)
        after = verdict(graded(f"after-{attack.name}", honest_notebook(), setup, out))
        executed = next(folder.parent.parent.glob("evidence/*/*/execution/outcome.json"))
        cells = json.loads(executed.read_text())["cells"]
        own = cells[1 : 1 + len(attack.cells)]
        return Trial(json.loads((folder / "result.json").read_text()), own, "".join(c["text"] for c in own), after)

    with ThreadPoolExecutor(JOBS) as pool:
        return dict(zip(ALL, pool.map(attempt, ALL.values()), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_an_attack_gets_the_verdict_that_it_must_get(name: str, trials: Mapping[str, Trial]) -> None:
    attack, trial = ALL[name], trials[name]
    last = trial.cells[-1]
    fault = (last["fault"] or {}).get("message", "")
    assert trial.attack["status"] == "graded", trial.attack.get("error")
    assert trial.attack["score"] <= 4, "there is nothing in it to give points for"
    assert attack.ends in (None, last["status"]), fault
    assert attack.says in (None, trial.printed.strip())
    assert (attack.message or "") in fault


@pytest.mark.parametrize("name", ALL)
def test_the_honest_notebook_that_comes_next_gets_the_verdict_that_it_gets_alone(
    name: str, trials: Mapping[str, Trial], alone: bytes
) -> None:
    assert trials[name].honest == alone


def test_no_attack_was_heard_outside_and_what_listens_can_hear(
    trials: Mapping[str, Trial], places: tuple[Path, Host]
) -> None:
    host = places[1]
    assert host.heard == []
    reach(host)
    time.sleep(0.2)
    assert sorted(host.heard) == ["abstract", "tcp", "udp", "unix"]


def test_no_token_came_out(trials: Mapping[str, Trial], places: tuple[Path, Host]) -> None:
    """What was read inside would stand in an output. The attacks themselves know the token in two halves only, apart from
    those that leave it behind."""
    token = places[1].filled["TOKEN"]
    assert [name for name, trial in trials.items() if token in trial.printed] == []


def test_nothing_of_an_attack_is_left_on_the_machine(trials: Mapping[str, Trial], temporary: Path) -> None:
    assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/gr-" in line] == []
    assert strangers() == []
    assert list(temporary.glob("gr-*/work")) == []


def strangers() -> list[str]:
    """Processes of the user that boxes run as, or that sleep as the attacks' do, and that no living box holds: others may
    grade on this machine at the same time."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            ours = path.stat().st_uid > LEAST_OF_BOXES or words[:2] == [b"sleep", b"599"]
            if ours and not is_held(path.name):
                found.append(f"{path.name} {words}")
        except OSError:
            continue
    return found


def is_held(process: str) -> bool:
    """Whether one of a process's ancestors is a box's own program, or the worker that forks."""
    while process not in ("0", "1"):
        if any(name in Path("/proc", process, "cmdline").read_bytes() for name in (b"bwrap", b"warm.py")):
            return True
        process = Path("/proc", process, "stat").read_text().rsplit(")", 1)[1].split()[1]
    return False


def test_files_that_an_attack_left_are_plain_ones_inside_the_results(
    trials: Mapping[str, Trial], places: tuple[Path, Host]
) -> None:
    odd = [
        path
        for path in places[0].rglob("*")
        if path.is_symlink() or not (path.is_file() or path.is_dir()) or (path.is_file() and path.stat().st_nlink > 1)
    ]
    assert odd == []
    assert list(places[0].rglob("late-*")) == []
