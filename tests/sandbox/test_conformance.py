"""Every tier keeps the same promises, whoever starts it: attacks in real boxes, each with a control that it could work."""

from __future__ import annotations

import errno
import functools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox import TIERS, seccomp
from tests.sandbox.people import ROOT, USER, people, prefix

CANARY = "canary-of-the-graders-environment"
Play = Callable[[str], dict[str, Any]]


@functools.cache
def play(tier: str, who: str, scenario: str) -> dict[str, Any]:
    """What happened in a scenario, played by this person in this tier."""
    with tempfile.TemporaryDirectory(prefix="gr-home-", dir="/tmp") as home:
        if os.geteuid() == 0 and who == "user":
            os.chown(home, USER, USER)
        done = subprocess.run(
            [*prefix(who), sys.executable, "-m", "tests.sandbox.scenarios", scenario, tier],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": home, "GRADER_CANARY": CANARY},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture(params=[(tier, who) for tier in TIERS for who in people()], ids="-".join)
def played(request: pytest.FixtureRequest) -> Play:
    tier, who = request.param
    found = play(tier, who, "available")
    if found["unavailable"] is not None:
        pytest.skip(found["unavailable"])
    assert found["failure"] is None  # what can be had here must hold
    return functools.partial(play, tier, who)


def test_nothing_outside_can_be_read(played: Play) -> None:
    found = played("files")
    assert set(found["control"].values()) == {"done"}
    assert [path for path, answer in found["read"].items() if answer == "done"] == []
    assert [path for path, answer in found["listed"].items() if answer == "done"] == []
    assert CANARY not in found["processes"]
    assert found["own"] == "done"


def test_an_installed_grader_and_its_reference_solution_are_not_shown(played: Play) -> None:
    found = played("installed")
    grader, neighbour = found["read"]
    assert grader != "done"
    assert neighbour == found["control"] == "done"


def test_what_is_private_is_not_shown_below_what_is(played: Play) -> None:
    found = played("private")
    folder, file, neighbour = found["read"]
    assert "done" not in (folder, file)
    assert neighbour == "done" and set(found["control"]) == {"done"}


def test_nothing_outside_can_be_changed(played: Play) -> None:
    found = played("files")
    assert [path for path, answer in {**found["written"], **found["made"]}.items() if answer == "done"] == []
    assert "done" not in (found["removed"], found["renamed"], found["linked"], found["truncated"])
    before, after, names = found["touched"]
    assert before == after
    assert names == ["secret"]


def test_nobody_can_be_reached(played: Play) -> None:
    found = played("network")
    assert found["control"] == ["done"] * 4
    connected = [way for way, answer in found["reached"].items() if answer == "done" and not way.startswith("udp")]
    assert connected == []  # in a network of its own, datagrams can be sent: to nobody
    assert found["heard"] == [False] * 4
    assert [family for family, answer in found["families"].items() if answer == "done"] == []
    assert found["pair"] == "done"
    assert found["terminals"] != "done"


def test_refused_system_calls_are_refused_and_others_are_not(played: Play) -> None:
    if seccomp.program(shared=True) is None:
        pytest.skip(f"no filter is known for {platform.machine()}")
    found = played("calls")
    wrong = {name: answer for name, answer in found["table"].items() if answer != refusal(name)}
    assert wrong == {}
    assert len(found["table"]) > 50
    assert (found["newer"], found["x32"]) == ("ENOSYS", "ENOSYS")
    assert found["new_user"] == "EPERM"
    assert found["typing"] == ["EPERM", "EPERM"]
    assert found["allowed"] == ["done"] * 4
    if platform.machine() == "x86_64":
        assert found["foreign"] == -signal.SIGSYS


def refusal(name: str) -> str:
    return errno.errorcode[errno.EPERM if name in seccomp.REFUSED else errno.ENOSYS]


def test_there_are_no_rights_and_no_way_to_any(played: Play) -> None:
    found = played("rights")
    assert found["capabilities"] == [0] * 6
    assert found["no_new_privs"] == 1
    assert found["user"] != 0
    assert found["descriptors"] == []
    assert (found["su"], found["mount"], found["unshare"], found["true"]) == (False, False, False, True)


def test_processes_memory_and_files_have_limits(played: Play) -> None:
    found = played("limits")
    count, stopped = found["forks"]
    assert stopped == "EAGAIN"
    assert 0 < count < 32
    assert (found["memory"], found["file"]) == ("ENOMEM", "EFBIG")
    assert (found["cpu_seconds"], found["core"]) == (100, 0)


def test_what_no_limit_of_a_process_counts_is_stopped_from_outside(played: Play) -> None:
    assert played("fills_disk")["stopped"] == "disk_limit"
    assert played("shares_memory")["stopped"] == "out_of_memory"


def test_nothing_outlives_a_run_that_ends_by_itself(played: Play) -> None:
    found = played("leaves_daemons")
    assert found["started"] == ["daemon", "session", "chain"]
    assert found["alive"] == []


def test_nothing_outlives_a_run_that_is_killed(played: Play) -> None:
    found = played("is_killed_with_daemons")
    assert found["before"] == ["daemon", "session", "chain"]
    assert found["alive"] == []
    assert played("runs_out_of_time")["stopped"] == "timed_out"


def test_nothing_outlives_a_grader_that_is_killed(played: Play) -> None:
    found = played("grader_is_killed")
    assert found["before"] == ["daemon", "session", "chain"]
    assert found["alive"] == []


def test_only_plain_files_are_collected(played: Play) -> None:
    found = played("leaves")
    assert found["made"]["link"] == found["made"]["pipe"] == "done"
    assert found["made"]["device"] != "done"
    assert found["taken"] == ["events.out.tfevents.1.plain"]


def test_two_boxes_share_nothing(played: Play) -> None:
    found = played("two_boxes")
    sent, received = found["sent"], found["received"]
    assert sent["files"]["."] == sent["abstract"] == "done"
    assert received.keys() >= {"files", "abstract", "memory", "queue", "key", "signals"}
    ways = {**received["files"], **{way: received[way] for way in ("abstract", "memory", "queue", "key")}}
    assert [way for way, answer in ways.items() if answer == "done"] == []
    assert found["alive"]


def test_a_box_cannot_stop_or_slow_down_what_runs_outside(played: Play) -> None:
    found = played("two_boxes")
    assert found["received"]["signals"].keys() == found["received"]["limits"].keys()
    assert found["alive"]
    before, after = found["limits"]
    assert before == after


@pytest.mark.notebook
def test_a_notebook_gives_the_same_results_as_without_a_sandbox(played: Play) -> None:
    found, plain = played("notebook"), play("none", people()[-1], "notebook")
    assert found == plain
    assert found["fault"] == "None"
    statuses = [status for status, _, _ in found["cells"]]
    assert statuses == ["ok"] * 8 + ["raised", "ok", "raised"]
    assert len(found["scalars"]["relu"]) == len(found["histograms"]["relu"]) == 1


@pytest.mark.notebook
def test_a_fork_of_the_warm_worker_is_confined_likewise_and_gives_the_same_results(played: Play) -> None:
    found, plain = played("warm_notebooks"), play("none", people()[-1], "notebook")
    assert found["notebook"] == plain
    ((status, text, _),) = found["hostile"]["cells"]
    assert status == "ok"
    denied, rights, descriptors, unshared = text.splitlines()
    assert "done" not in denied
    assert rights == "2 1 0"  # a filter, no new privileges, no capabilities
    assert (descriptors, unshared) == ("[]", "-1")
    assert found["left"] == []
