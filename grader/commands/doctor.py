"""`grader doctor`: what this machine can do, and how to get what is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from grader.assignment import Assignment, load_assignment
from grader.data import mnist
from grader.errors import SandboxUnavailable
from grader.language import shown, tr
from grader.places import reference_folder
from grader.sandbox import MECHANISMS, TIERS, choose, failure
from grader.sandbox.box import Promises

_OPTIONAL = "data"  # without it the embedded digits serve


def run(options: argparse.Namespace) -> int:
    """Say what this machine can do, and how to get what is missing."""
    lines = [*_programs(), _sandbox_line(), _data_line(), _reference_line(load_assignment(reference_folder()))]
    for good, name, text in lines:
        print(f"{_state(good, name):<8} {name:<12} {text}")
    print("\n" + tr("Ways to confine notebooks, the best first. docs/isolation.md says what none of them promises."))
    print("\n".join(_tiers()))
    return 0 if all(good for good, name, _ in lines if name != _OPTIONAL) else 3


def _state(good: bool, name: str) -> str:
    if good:
        return tr("ok")
    return tr("optional") if name == _OPTIONAL else tr("missing")


def _programs() -> Iterator[tuple[bool, str, str]]:
    yield True, "python", sys.version.split()[0]
    for name in ("tensorflow", "tensorboard", "nbclient", "ipykernel", "matplotlib", "tqdm", "ipywidgets"):
        try:
            yield True, name, version(name)
        except PackageNotFoundError:
            yield False, name, tr("not installed in {folder}: install the grader again", folder=sys.prefix)


def _sandbox_line() -> tuple[bool, str, str]:
    try:
        return True, "sandbox", tr("{name}, the best that works here", name=choose(allow_unconfined=False))
    except SandboxUnavailable:
        return False, "sandbox", tr("none works here: `grade` refuses other people's notebooks")


def _tiers() -> Iterator[str]:
    """Each way to confine: whether it holds here, what it promises, or what would make it work."""
    for name in TIERS:
        reason = failure(name)
        said = shown(reason) if reason else tr("tried here, and it holds")
        yield f"{_state(reason is None, name):<8} {name:<12} {said}"
        if reason is None:
            yield from (f"{'':<21} {subject}: {promise}" for subject, promise in _promised(MECHANISMS[name].PROMISES))


def _promised(promises: Promises) -> Iterator[tuple[str, str]]:
    yield tr("files"), tr(promises.files)
    yield tr("network"), tr(promises.network)
    yield tr("processes"), tr(promises.processes)
    yield tr("memory"), tr(promises.memory)
    yield tr("disk"), tr(promises.disk)
    yield tr("tree kill"), tr(promises.tree_kill)
    yield "seccomp", tr(promises.seccomp)


def _data_line() -> tuple[bool, str, str]:
    path = mnist.cached()
    if path is not None:
        return True, "data", tr("MNIST in {path}", path=str(path))
    return (
        False,
        "data",
        tr("MNIST is not in the Keras cache: it is fetched at the first use, else embedded digits are used"),
    )


def _reference_line(assignment: Assignment) -> tuple[bool, str, str]:
    if assignment.is_students:
        return True, "reference", tr("the copy for students: without the solution, its runs and the thresholds")
    bands = sorted(path.stem for path in (assignment.folder / "bands").glob("*.json"))
    return (
        bool(bands),
        "reference",
        tr("bands for {names}", names=", ".join(bands)) if bands else tr("no bands: run grader reference build"),
    )
