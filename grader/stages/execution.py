"""Submission → Execution: the notebook, as it stands, run cell by cell in a fresh kernel inside the sandbox.

`execute` leaves evidence in a folder; `read` turns such a folder into a record. They never meet in one call, so that a
verdict can be derived again without running anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from grader import store, workplace
from grader.errors import GraderError
from grader.processes import FORKED, end_with_parent
from grader.records import (
    CellRun,
    CellStatus,
    Execution,
    Fault,
    FaultKind,
    LayerUse,
    ModelUse,
    Patch,
    Resources,
    SequenceUse,
)
from grader.sandbox import MECHANISMS, Box, Limits, Mount
from grader.sandbox.collect import take, take_events
from grader.sandbox.plan import Plan
from grader.sandbox.watch import PATIENCE

_RUNNER = "grader.runner"
FINISHED = "finished"  # a file that a runner leaves in the workspace when all is saved
_MARGIN_SECONDS = 420.0  # for the kernel's start and end, on top of the notebook's own time
_SHORTAGE = re.compile(  # what Python and TensorFlow say where the system gives no more
    r"MemoryError\b|ResourceExhaustedError\b|RuntimeError: can't start new thread|\w*Error: \[Errno (11|12|23|24)\]"
)
_FILES, _FILE_BYTES = 400, 256 << 20  # event files that are collected
_TRACE_BYTES = 4 << 20
_FACTS, _LAYERS, _LETTERS = 10_000, 1000, 200  # what is read of a trace: facts, layers of a model, letters of a name
_LARGEST = 2**53  # a whole number that is none in the trace's JSON is no size of anything
_MEASURING = ("tensorflow", "keras", "numpy", "tensorboard", "IPython", "ipykernel", "nbclient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run. Folders exist; `workspace` holds work/, sockets/, trace/ and settings/, and takes the results."""

    notebook: str
    workspace: str
    library: str
    data: str
    mechanism: str
    worker: str | None
    seconds: float
    seconds_per_cell: float
    output_mib: int
    limits: Limits

    @classmethod
    def read(cls, path: Path) -> Spec:
        raw = json.loads(path.read_text())
        return cls(**{**raw, "limits": Limits(**raw["limits"])})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self)))


def box_for(spec: Spec) -> Box:
    """What the kernel sees: an empty home, the course library, the data, and how to be reached."""
    root = Path(spec.workspace)
    return Box(
        mounts=(
            Mount(source=root / "work", target="/box", writable=True),
            Mount(source=root / "sockets", target="/sockets", writable=True),
            Mount(source=root / "trace", target="/trace", writable=True),
            Mount(source=root / "settings", target="/settings"),
            Mount(source=Path(__file__).parents[1] / "inside", target="/inside"),
            Mount(source=Path(spec.library), target="/course/" + Path(spec.library).name),
            Mount(source=Path(spec.data), target="/data/mnist.npz"),
        ),
        home="/box",
        limits=spec.limits,
        mapped=MECHANISMS[spec.mechanism].MAPPED,
    )


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """Versions of all that a result may depend on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return (("python", python), *((name, version(name)) for name in _MEASURING))


def execute(notebook: Path, plan: Plan, evidence: Path) -> None:
    """Run a notebook and leave what came of it in the folder `evidence` (made here, complete or not there at all).

    A machine that is short of memory or of processes kills and refuses at random: what ended without a reason of its own is
    run once more, and only what happens again is the notebook's. Raises GraderError when the harness itself could not run
    it, and CannotWrite when the disk was full by the end: what the notebook then met was no mistake of its author's.
    """
    with contextlib.suppress(_InDoubt):
        return _run_once(notebook, plan, evidence)
    return _run_once(notebook, plan, evidence, again=True)


class _InDoubt(GraderError):
    """A run may have ended as it did because of the machine."""


def _run_once(notebook: Path, plan: Plan, evidence: Path, *, again: bool = False) -> None:
    with tempfile.TemporaryDirectory(prefix="gr-", dir=workplace.folder(), ignore_cleanup_errors=True) as name:
        workspace = _prepare(Path(name), notebook, plan)
        seconds = _drive(workspace)
        store.check_room(workspace)
        if not again and _met_a_shortage(workspace / "outcome.json"):
            raise _InDoubt("The kernel died, or was refused something. Grade again.")
        _collect(workspace, seconds, evidence)


def _met_a_shortage(outcome: Path) -> bool:
    """Whether the kernel died of no limit of ours, or a cell was refused memory, a thread or a process."""
    faults = [cell["fault"] for cell in json.loads(outcome.read_text())["cells"] if cell["fault"]]
    return any(fault["kind"] == FaultKind.KERNEL_DIED or _SHORTAGE.match(fault["message"]) for fault in faults)


def _prepare(workspace: Path, notebook: Path, plan: Plan) -> Path:
    workspace.chmod(0o755)
    for folder in ("work", "sockets", "trace", "settings"):
        (workspace / folder).mkdir()
    shutil.copyfile(notebook, workspace / "notebook.ipynb", follow_symlinks=True)
    spec = Spec(
        notebook=str(workspace / "notebook.ipynb"),
        workspace=str(workspace),
        library=str(plan.library),
        data=str(plan.data),
        mechanism=plan.mechanism,
        worker=str(plan.worker.socket()) if plan.worker else None,
        seconds=plan.seconds,
        seconds_per_cell=plan.seconds_per_cell,
        output_mib=plan.output_mib,
        limits=plan.limits,
    )
    spec.write(workspace / "spec.json")
    (workspace / "runner.log").touch()
    _write_settings(workspace, spec, plan)
    return workspace


def _write_settings(workspace: Path, spec: Spec, plan: Plan) -> None:
    box = box_for(spec)
    library = box.at(f"/course/{plan.library.name}")
    settings = {
        "library": str(Path(library).parent),
        "library_name": plan.library.stem,
        "data": box.at("/data/mnist.npz"),
        "seed": plan.seed,
        "accelerated": plan.accelerated,
        "trace": box.at("/trace/trace.jsonl"),
        "first": plan.first,
    }
    path = workspace / "settings" / "settings.json"
    path.write_text(json.dumps(settings))
    path.chmod(0o644)


def _drive(workspace: Path) -> float:
    """Run the notebook runner on a prepared workspace and give the seconds of wall time that it took. On the deadline it
    is killed, and with it everything that it started. One that ended before that on its own (the system was short of
    memory, or it broke) was our fault: what it had saved is not the whole story."""
    began, spec = time.monotonic(), Spec.read(workspace / "spec.json")
    seconds = PATIENCE * spec.seconds + _MARGIN_SECONDS
    process = FORKED.Process(target=_run, args=(str(workspace),), daemon=True)
    process.start()
    try:
        process.join(seconds)
        at_work = process.is_alive()  # at the deadline
    finally:
        process.kill()
        process.join()
    # Its exit code says nothing: where another thread asks for it at the same time, only one of them gets it.
    ended = (workspace / FINISHED).is_file()
    if not (workspace / "outcome.json").is_file() or not (ended or at_work):
        said = (workspace / "runner.log").read_bytes()[-3000:].decode(errors="replace")
        raise _InDoubt(f"The notebook runner ended without a result:\n{said}")
    return time.monotonic() - began


def _run(workspace: str) -> None:
    """What a forked process becomes: the runner, by its name, since it lies above the stages."""
    os.setsid()
    end_with_parent()
    try:
        log = os.open(f"{workspace}/runner.log", os.O_WRONLY)
    except FileNotFoundError:
        os._exit(1)  # whoever asked for it is gone, with the workspace
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    importlib.import_module(_RUNNER).main([f"{workspace}/spec.json"])


def _collect(workspace: Path, seconds: float, evidence: Path) -> None:
    """Take over what the run left, nothing but plain files, and only now that nobody writes any more."""
    evidence.mkdir(parents=True)
    for name in ("outcome.json", "executed.ipynb"):
        shutil.copyfile(workspace / name, evidence / name)
    take(workspace / "trace" / "trace.jsonl", evidence / "trace.jsonl", _TRACE_BYTES)
    (evidence / "logs").mkdir()
    take_events(workspace / "work" / "logs", evidence / "logs", files=_FILES, most=_FILE_BYTES)
    measured = {"wall_seconds": seconds, "versions": dict(versions())}
    (evidence / "measured.json").write_text(json.dumps(measured))


# --- reading the evidence -------------------------------------------------------------------------------------------


def read(evidence: Path) -> Execution:
    """The record of a run from its folder. The trace was written inside: it is read as a claim, with care."""
    outcome = json.loads((evidence / "outcome.json").read_text())
    measured = json.loads((evidence / "measured.json").read_text())
    counts = {int(count): int(index) for count, index in outcome["counts"].items()}
    models, patch = _read_trace(evidence / "trace.jsonl", counts)
    return Execution(
        cells=tuple(_cell_run(raw) for raw in outcome["cells"]),
        fault=_fault(outcome["fault"]),
        models=models,
        patch=patch,
        resources=Resources(
            wall_seconds=measured["wall_seconds"],
            cpu_seconds=outcome["cpu_seconds"],
            peak_memory_mib=outcome["peak_memory_mib"],
        ),
        versions=tuple(measured["versions"].items()),
        logs=evidence / "logs",
        executed_notebook=evidence / "executed.ipynb",
    )


def _cell_run(raw: dict[str, Any]) -> CellRun:
    return CellRun(**{**raw, "status": CellStatus(raw["status"]), "fault": _fault(raw["fault"])})


def _fault(raw: dict[str, Any] | None) -> Fault | None:
    return None if raw is None else Fault(**{**raw, "kind": FaultKind(raw["kind"])})


def _read_trace(path: Path, counts: dict[int, int]) -> tuple[tuple[ModelUse, ...], Patch | None]:
    facts = list(islice(_facts(path), _FACTS))
    by_model: dict[int, list[dict[str, Any]]] = {}
    for fact in facts:
        if (number := _whole(fact.get("model"))) is not None:
            by_model.setdefault(number, []).append(fact)
    uses = tuple(use for own in by_model.values() for use in _model_uses(own))
    patches = [fact for fact in facts if fact.get("fact") == "patch"]
    return uses, _patch(patches, counts)


def _facts(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(errors="replace").splitlines():
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fact, dict):
            yield fact


def _model_uses(own: list[dict[str, Any]]) -> Iterator[ModelUse]:
    """The model that these facts are about, once for each run that it logged to; once for the last writer made, if it
    logged to none. What a training fed it counts, and what it was shown beside that does not; where `fit_generator` was
    never seen at work, everything does."""
    model = next((fact for fact in reversed(own) if fact.get("fact") == "model"), None)
    if model is None:
        return
    logged = [fact["logdir"] for fact in own if fact.get("fact") == "logs" and fact.get("logdir")]
    layers = tuple(_layer(raw) for raw in _list(model.get("layers")))
    feeds = [fact for fact in own if fact.get("fact") == "feed"]
    in_training = [feed for feed in feeds if feed.get("training") is True]
    sequences = tuple(map(_sequence, in_training or feeds))
    steps = max((_whole(fact.get("steps")) or 0 for fact in own if fact.get("fact") == "steps"), default=None)
    for run in dict.fromkeys(map(_run_name, logged or [model.get("logdir")])):
        yield ModelUse(number=model["model"], run=run, layers=layers, sequences=sequences, steps=steps)


def _run_name(logdir: object) -> str | None:
    """`./logs/relu/` → `relu`: the folder below the last `logs`."""
    if not isinstance(logdir, str):
        return None
    parts = [part for part in logdir.split("/") if part not in ("", ".")]
    if "logs" in parts:
        parts = parts[len(parts) - parts[::-1].index("logs") :]
    return "/".join(parts)[:_LETTERS] or "."


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:_LAYERS] if isinstance(item, dict)] if isinstance(value, list) else []


def _name(value: object) -> str:
    return value[:_LETTERS] if isinstance(value, str) else "?"


def _layer(raw: dict[str, Any]) -> LayerUse:
    return LayerUse(
        kind=_name(raw.get("kind")),
        origin=_name(raw.get("origin")),
        name=_name(raw.get("name")),
        aliases=tuple(map(_name, raw["aliases"][:_LAYERS])) if isinstance(raw.get("aliases"), list) else (),
        number=_whole(raw.get("number")),
        inputs=_whole(raw.get("inputs")),
        outputs=_whole(raw.get("outputs")),
        activation=_name(raw["activation"]) if raw.get("activation") is not None else None,
    )


def _sequence(raw: dict[str, Any]) -> SequenceUse:
    return SequenceUse(
        number=_whole(raw.get("sequence")) or 0,
        length=_whole(raw.get("length")) or 0,
        batch_size=_whole(raw.get("batch_size")) or 0,
        samples=_whole(raw.get("samples")) or 0,
        preprocess=_name(raw["preprocess"]) if raw.get("preprocess") is not None else None,
        low=_number(raw.get("low")),
        high=_number(raw.get("high")),
        labels=_name(raw.get("labels", ""))[:10],
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST else None


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan


def _patch(facts: list[dict[str, Any]], counts: dict[int, int]) -> Patch | None:
    """The last state that was seen. The library's own method reports the library's module."""
    if not facts:
        return None
    last = facts[-1]
    return Patch(
        is_function=bool(last.get("is_function")),
        module=_name(last.get("module")),
        name=_name(last.get("name")),
        cell=counts.get(last["count"]) if isinstance(last.get("count"), int) else None,
    )
