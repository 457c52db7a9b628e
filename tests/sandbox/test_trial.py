"""The trial of a sandbox finds each way in which one fails, and decides what notebooks run in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import SandboxUnavailable
from grader.sandbox import MECHANISMS, TIERS, Mechanism, choose, failure, unconfined
from grader.sandbox import trial as module
from grader.sandbox.box import Box, Launch
from tests.sandbox.people import ROOT, people, prefix


def test_without_a_sandbox_every_attack_works() -> None:
    worked = module.attacks_that_worked(MECHANISMS["none"])
    attacks = [what for what, _ in module._HELD]
    if "root" not in people():
        attacks.remove("keep capabilities")
    assert worked == [*attacks, "outlive its run"]


class Broken:
    """A tier in which no program can start."""

    MAPPED, PROMISES = False, unconfined.PROMISES

    def unavailable(self) -> None:
        return None

    def launch(self, argv: object, box: Box) -> Launch:
        return Launch(argv=["/bin/false"], environment={}, directory=Path("/"))


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mechanism], None]]:
    """Lets a mechanism stand for every tier; nothing of that is remembered afterwards."""

    def replace(mechanism: Mechanism) -> None:
        for name in TIERS:
            monkeypatch.setitem(MECHANISMS, name, mechanism)
        failure.cache_clear()

    yield replace
    failure.cache_clear()


def test_the_best_tier_that_held_is_chosen() -> None:
    working = [name for name in TIERS if MECHANISMS[name].unavailable() is None]
    if not working:
        pytest.skip(str(MECHANISMS[TIERS[0]].unavailable()))
    assert choose(allow_unconfined=False) == working[0]


def test_where_no_tier_works_only_the_flag_helps(offer: Callable[[Mechanism], None]) -> None:
    offer(Broken())
    with pytest.raises(SandboxUnavailable, match=r"does not work .*--without-sandbox"):
        choose(allow_unconfined=False)
    assert choose(allow_unconfined=True) == "none"


def test_what_does_not_hold_is_not_used_for_notebooks_of_others(offer: Callable[[Mechanism], None]) -> None:
    offer(MECHANISMS["none"])
    with pytest.raises(SandboxUnavailable, match=r"a program could read a file outside.*--without-sandbox"):
        choose(allow_unconfined=False)


@pytest.mark.parametrize("who", people())
def test_doctor_says_of_every_tier_whether_it_holds_here(who: str) -> None:
    done = subprocess.run(
        [*prefix(who), sys.executable, "-m", "grader", "doctor"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    for name in TIERS:
        (line,) = [line for line in lines if line.split()[1:2] == [name]]
        assert line.startswith(("ok ", "missing "))
    works = any(line.startswith("ok ") and line.split()[1] in TIERS for line in lines)
    assert done.returncode == (0 if works else 3)
