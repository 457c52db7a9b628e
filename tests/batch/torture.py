"""Kills a batch again and again and looks whether anything was lost, doubled or torn:

    .venv/bin/python -m tests.batch.torture [--kills 200] [--submissions 500] [--seed 0]

A class of tiny notebooks whose evidence is there is graded by the real command, which is killed (SIGKILL) at moments of
chance: while it starts, while it grades, while it writes. Then it may come to its end, and its results must be, byte for byte,
those of a batch that nobody disturbed. Exit code 1 if there is any problem.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from grader.journal import NAME

from .making import Stored, command, left_overs, results, run, start, stored_class

_START_SECONDS = 0.6  # about as long as the command takes to start, once it is imported
_MEAN_SUBMISSIONS = (
    1.5  # that are graded before the one that a kill meets: few, so that no submission is met three times
)
_GRADE_SECONDS = 0.05  # about as long as one takes
_SHARE_OF_STARTS = 0.2


@dataclass(frozen=True)
class Tally:
    """What came of it; `working` kills met submissions under way, `again` is how many had to be begun again. There are
    fewer kills than asked for when the class was done before."""

    kills: int
    working: int
    again: int
    seconds: float
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """What the journal says of a submission, and when its result was written (which changes if it is graded again)."""

    results: str
    written: int


def torture(stored: Stored, folder: Path, kills: int, rng: random.Random) -> Tally:
    """Disturb a batch `kills` times and compare."""
    expected = _undisturbed(stored, stored.new_out(folder / "undisturbed"))
    out, began = stored.new_out(folder / "disturbed"), time.monotonic()
    problems: list[str] = []
    known: dict[str, _Row] = {}
    begun: set[str] = set()
    working = met = 0
    with _Starter() as starter:
        while met < kills and _killed(starter, command(stored.folder, out, "--jobs", rng.choice("12")), rng):
            met += 1
            now, crashed = _journal(out, problems)
            problems += [f"{name} was lost or done twice" for name, row in known.items() if now.get(name) != row]
            problems += [f"{name} is torn" for name in now.keys() - known.keys() if not _is_whole(out, name, expected)]
            known, working = now, working + bool(crashed - begun)
            begun |= crashed
            if met % 10 == 0:
                print(f"{met} kills, {len(known)} done, problems: {problems}", file=sys.stderr, flush=True)
    done = run(command(stored.folder, out, "--jobs", "2"))
    if done.returncode != 0:
        problems.append(f"the last command ended with {done.returncode}: {done.stderr[-1000:]}")
    now, _ = _journal(out, problems)
    problems += [f"{name} was lost or done twice at the end" for name, row in known.items() if now.get(name) != row]
    problems += [f"{name} differs" for name in _differing(results(out), expected)]
    problems += [f"{name} was left over" for name in left_overs(out)]
    return Tally(met, working, len(begun), time.monotonic() - began, tuple(problems))


_STARTER = """
import os, sys
from grader.cli import command
from grader.commands import grade
while words := sys.stdin.readline().split("\\0")[:-1]:
    print("begun", file=sys.stderr, flush=True)
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        sys.argv[1:] = words
        command()
    print(child, flush=True)
    sys.stdin.readline()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class _Starter:
    """Starts the real command again and again, from a process that has imported it: else that would be most of the time."""

    def __enter__(self) -> Self:
        self._process = start([sys.executable, "-c", _STARTER])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, words: list[str]) -> int:
        """Start a command; its process."""
        pid = self._ask("\0".join(words) + "\0")
        self.hears("begun\n")  # until then it is the one before that speaks
        return pid

    def hears(self, pattern: str) -> str:
        """The next words on the standard error that match."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(pattern, line):
                return found.group()
        raise AssertionError("the process that starts commands has ended")

    def ended(self) -> int:
        """How the command ended, once it has. Until this is asked, its number is not given to another process."""
        return self._ask("")

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _undisturbed(stored: Stored, out: Path) -> dict[str, bytes]:
    done = run(command(stored.folder, out, "--jobs", "2"))
    assert done.returncode == 0, done.stderr
    return results(out)


def _killed(starter: _Starter, words: list[str], rng: random.Random) -> bool:
    """Run a command and kill it: while it starts, or some moments after it began to judge one. Whether it came to that."""
    pid = starter.start(words[3:])
    if rng.random() < _SHARE_OF_STARTS:
        time.sleep(rng.uniform(0, _START_SECONDS))
    else:
        for _ in range(1 + int(rng.expovariate(1 / _MEAN_SUBMISSIONS))):
            if starter.hears(": judging|Pages: |grader: ") != ": judging":
                break
        time.sleep(rng.uniform(0, _GRADE_SECONDS))
    os.kill(pid, signal.SIGKILL)
    return starter.ended() < 0


def _journal(out: Path, problems: list[str]) -> tuple[dict[str, _Row], set[str]]:
    """What is done and what is counted as begun, as a stranger reads it from the file."""
    place = out / ".evidence" / NAME
    if not place.exists():
        return {}, set()
    connection = sqlite3.connect(place)
    try:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            problems.append("the journal is torn")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'done'").fetchall():
            return {}, set()
        done = dict(connection.execute("SELECT id, results FROM done"))
        crashed = {key for (key,) in connection.execute("SELECT key FROM crashed")}
    finally:
        connection.close()
    return {name: _Row(digest, _written(out, name)) for name, digest in done.items()}, crashed


def _written(out: Path, name: str) -> int:
    return (out / name / "result.json").stat().st_mtime_ns


def _is_whole(out: Path, name: str, expected: dict[str, bytes]) -> bool:
    """Whether a submission that is done has all its files, with the contents that they must have."""
    found = {f"{name}/{place}": data for place, data in results(out / name).items()}
    return found == {place: data for place, data in expected.items() if place.startswith(f"{name}/")}


def _differing(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def main(argv: list[str]) -> int:
    """Run the torture and print its tally."""
    asked = argparse.ArgumentParser(description="Kill a batch again and again.")
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--submissions", type=int, default=500)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args(argv)
    with tempfile.TemporaryDirectory() as name, stored_class(Path(name), options.submissions) as stored:
        tally = torture(stored, Path(name), options.kills, random.Random(options.seed))
    print(
        f"{options.submissions} submissions, {tally.kills} SIGKILLs in {tally.seconds:.0f} s, of which {tally.working} met "
        f"work under way; {tally.again} submissions were begun again; problems: {len(tally.problems)}"
    )
    print("\n".join(tally.problems[:50]))
    return int(bool(tally.problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
