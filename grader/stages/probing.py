"""Definitions → Evidence: extracted code runs in a second, fresh, sandboxed process and answers drawn questions.

Only questions go in, only arrays and event files come out. `ask` leaves both in a folder; `read` makes records of them.
A probe that hangs or dies takes none of the others with it: the rest is asked again in a new process. So is one that died
of no limit of ours, once: a machine that is short of memory kills at random.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from grader import store
from grader.errors import CannotWrite, GraderError, ProbeFailed
from grader.formats.arrays import StoredArrays
from grader.language import noted
from grader.records import Definition, Evidence, Fault, FaultKind, Question, Resources
from grader.sandbox import MECHANISMS, Box, Completed, Mount, Program, run
from grader.sandbox.collect import take, take_events
from grader.sandbox.plan import Plan

_ANSWER_BYTES = 64 << 20
_FAULTS_BYTES = 1 << 20
_FILES = 50
_SAYS = {
    FaultKind.TIMED_OUT: noted("It did not come to an end in time on a small input."),
    FaultKind.OUT_OF_MEMORY: noted("It used more memory than it may on a small input."),
    FaultKind.DISK_LIMIT: noted("It wrote more to disk than it may on a small input."),
    FaultKind.FILES_LIMIT: noted("It made more files than it may on a small input."),
    FaultKind.KERNEL_DIED: noted("Its process died."),
}


def ask(questions: Sequence[Question], plan: Plan, probes: Path, seconds: float, evidence: Path) -> None:
    """Ask all questions and leave them with their answers in the folder `evidence`, one folder a question."""
    evidence.mkdir(parents=True)
    for question in questions:
        _store(question, evidence / question.probe)
    open_names = [question.probe for question in questions]
    total, in_doubt = Resources(), set[str]()
    while open_names:
        done = _round_or_again(open_names, plan, probes, seconds, evidence)
        total += done.resources
        answered = [name for name in open_names if (evidence / name / "answer" / "done").exists()]
        rest = [name for name in open_names if name not in answered]
        if rest and (done.stopped or rest[0] in in_doubt):
            _blame(rest.pop(0), done, seconds, evidence)
        elif rest:
            in_doubt.add(rest[0])
            shutil.rmtree(evidence / rest[0] / "answer", ignore_errors=True)
        open_names = rest
    (evidence / "measured.json").write_text(json.dumps(asdict(total)))


def _store(question: Question, folder: Path) -> None:
    folder.mkdir()
    (folder / "definition.py").write_text(question.definition.source, encoding="utf-8")
    (folder / "definition.json").write_text(json.dumps(asdict(question.definition)))
    (folder / "settings.json").write_text(json.dumps({**question.settings, "probe": question.probe}))
    np.savez(folder / "arrays.npz", **dict(question.arrays))  # type: ignore[arg-type]


def _round_or_again(names: Sequence[str], plan: Plan, probes: Path, seconds: float, evidence: Path) -> Completed:
    """A worker that was killed takes with it those that were waiting for it; the next one is another."""
    try:
        return _round(names, plan, probes, seconds, evidence)
    except CannotWrite:
        raise
    except GraderError:
        return _round(names, plan, probes, seconds, evidence)


def _round(names: Sequence[str], plan: Plan, probes: Path, seconds: float, evidence: Path) -> Completed:
    """One process for the given questions; what it answered is taken over."""
    with tempfile.TemporaryDirectory(prefix="gr-", ignore_cleanup_errors=True) as workspace:
        root = Path(workspace)
        root.chmod(0o755)
        box = _box(root, names, plan, probes, evidence)
        program = Program(name="run_probe", arguments=(box.at("/questions"), box.at("/box")))
        worker = plan.worker.socket() if plan.worker else None
        done = run(program, box, MECHANISMS[plan.mechanism], seconds=seconds, worker=worker)
        store.check_room(root)
        for name in names:
            _take_answer(root / "box" / name, evidence / name / "answer")
    return done


def _box(root: Path, names: Sequence[str], plan: Plan, probes: Path, evidence: Path) -> Box:
    (root / "box").mkdir()
    (root / "questions").mkdir(mode=0o755)
    box = Box(
        mounts=(
            Mount(source=root / "box", target="/box", writable=True),
            Mount(source=root / "questions", target="/questions"),
            Mount(source=Path(__file__).parents[1] / "inside", target="/inside"),
            Mount(source=probes, target="/probes"),
            Mount(source=plan.library, target="/course/" + plan.library.name),
            Mount(source=plan.data, target="/data/mnist.npz"),
        ),
        home="/box",
        limits=plan.limits,
        mapped=MECHANISMS[plan.mechanism].MAPPED,
    )
    for name in names:
        shutil.copytree(evidence / name, root / "questions" / name, ignore=shutil.ignore_patterns("answer"))
    library = Path(box.at(f"/course/{plan.library.name}"))
    order = {
        "names": list(names),
        "accelerated": plan.accelerated,
        "probes": box.at("/probes"),
        "course": str(library.parent),
        "library": library.stem,
        "data": box.at("/data/mnist.npz"),
    }
    (root / "questions" / "order.json").write_text(json.dumps(order))
    return box


def _take_answer(source: Path, target: Path) -> None:
    if source.is_symlink() or not source.is_dir():
        return
    target.mkdir()
    sizes = {"started": 0, "done": 0, "arrays.npz": _ANSWER_BYTES, "faults.json": _FAULTS_BYTES}
    for name, most in sizes.items():
        take(source / name, target / name, most)
    take_events(source / "logs", target / "logs", files=_FILES, most=_ANSWER_BYTES)


def _blame(name: str, done: Completed, seconds: float, evidence: Path) -> None:
    """The question that was open when the process ended. Raises ProbeFailed when none had even been started."""
    answer = evidence / name / "answer"
    if not (answer / "started").exists():
        raise ProbeFailed(f"The probes' process did not get to its first question:\n{done.tail}")
    kind = done.stopped or FaultKind.KERNEL_DIED
    (answer / "ended.json").write_text(json.dumps({"kind": kind, "message": _SAYS[kind]}))


# --- reading the evidence -------------------------------------------------------------------------------------------


def read(evidence: Path) -> dict[str, Evidence]:
    """The answers by the probes' names, from the folder that `ask` left."""
    if not evidence.is_dir():
        return {}
    return {folder.name: _read_one(folder) for folder in sorted(evidence.iterdir()) if folder.is_dir()}


def resources(evidence: Path) -> Resources:
    """What all probes together used."""
    path = evidence / "measured.json"
    return Resources(**json.loads(path.read_text())) if path.is_file() else Resources()


def _read_one(folder: Path) -> Evidence:
    definition = Definition(**json.loads((folder / "definition.json").read_text()))
    question = Question(
        probe=folder.name,
        definition=definition,
        settings=json.loads((folder / "settings.json").read_text()),
        arrays=StoredArrays(folder / "arrays.npz"),
    )
    answer = folder / "answer"
    return Evidence(
        question=question,
        arrays=StoredArrays(answer / "arrays.npz"),
        logs=answer / "logs",
        faults=_faults(answer, definition),
    )


def _faults(answer: Path, definition: Definition) -> Mapping[str, Fault]:
    found: dict[str, Fault] = {}
    for step, raw in _entries(answer / "faults.json"):
        found[step] = Fault(
            kind=FaultKind.RAISED,
            message=_words(raw.get("message"))[:500],
            cell=definition.cell,
            traceback=_words(raw.get("traceback"))[:4000],
        )
    ended = dict(_entries(answer / "ended.json", whole=True)).get("")
    if ended:
        found[""] = Fault(kind=FaultKind(ended["kind"]), message=str(ended["message"]), cell=definition.cell)
    return found


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _entries(path: Path, *, whole: bool = False) -> Iterable[tuple[str, dict[str, Any]]]:
    try:
        raw = json.loads(path.read_text(errors="replace"))
    except (OSError, ValueError, RecursionError):
        return ()
    if whole:
        return (("", raw),)
    return [(k, v) for k, v in raw.items() if isinstance(v, dict)] if isinstance(raw, dict) else ()
