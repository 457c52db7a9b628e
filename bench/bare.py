"""What a notebook takes when it is simply executed: the floor of every tool that runs it as it stands."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import notebooks, plain_folder, process
from bench.options import ROOT
from bench.records import Usage, middle
from bench.session import Session, dataset, say


@functools.cache
def bare(session: Session, name: str) -> Usage:
    """The notebook `name` of `notebooks.different`, executed, or taken from --use-bare where that file has it."""
    stored = _stored(session.options.use_bare, session.options.quick)
    if name in stored:
        say(f"bare execution of {name}: from {session.options.use_bare}")
        return Usage(**stored[name])
    found = middle(_execute(session, name) for _ in range(session.options.long_runs))
    if session.options.save_bare is not None:
        _store(session.options.save_bare, session.options.quick, name, found)
    return found


def note(session: Session, *names: str) -> str:
    """`, reused` when some of these were not measured in this session: ratios with them are worth less."""
    stored = _stored(session.options.use_bare, session.options.quick)
    return ", reused" if any(name in stored for name in names) else ""


def _execute(session: Session, name: str) -> Usage:
    say(f"bare execution of {name}")
    folder = session.new_folder("bare")
    notebook = plain_folder.fill(folder, notebooks.different(session)[name], dataset(session))
    command = [sys.executable, "-m", "bench.bare_child", str(notebook)]
    return process.run(command, folder / "log", ROOT, process.activated(Path(sys.prefix)))


def _stored(path: Path | None, quick: bool) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {}
    raw = json.loads(path.read_text())
    if raw["quick"] is not quick:
        raise process.Failed(f"{path} was measured {'with' if raw['quick'] else 'without'} --quick")
    return dict(raw["bare"])


def _store(path: Path, quick: bool, name: str, usage: Usage) -> None:
    known = {**_stored(path, quick), name: asdict(usage)}
    path.write_text(json.dumps({"quick": quick, "bare": known}, indent=1) + "\n")
