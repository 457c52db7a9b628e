"""The trace of a run was written beside the notebook's code: whatever it says, reading it takes bounded time and memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bounded import bounded

from grader.records import Execution
from grader.stages.execution import read

LAYER = {"kind": "Dense", "origin": "utils", "name": "dense_0", "aliases": [], "inputs": 784, "outputs": 10}
FACTS = (
    {"fact": "model", "model": 0, "logdir": "./logs/relu", "layers": [LAYER]},
    {"fact": "logs", "model": 0, "logdir": "./logs/relu"},
    {"fact": "feed", "model": 0, "sequence": 1, "length": 4, "batch_size": 32, "samples": 100, "low": 0.0, "high": 1.0},
    {"fact": "patch", "is_function": True, "module": "__main__", "name": "fit", "count": 2},
)


def with_trace(folder: Path, trace: str) -> Path:
    """Evidence of a run of one cell, with this trace."""
    outcome = {"cells": [], "fault": None, "counts": {"2": 5}, "cpu_seconds": 1.0, "peak_memory_mib": 1}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    (folder / "measured.json").write_text(json.dumps({"wall_seconds": 1.0, "versions": {"python": "3"}}))
    (folder / "trace.jsonl").write_text(trace, encoding="utf-8", errors="surrogateescape")
    return folder


def lines(*facts: Any) -> str:
    return "".join(json.dumps(fact) + "\n" for fact in facts)


def test_a_trace_tells_of_models_and_of_the_patch(tmp_path: Path) -> None:
    found = read(with_trace(tmp_path, lines(*FACTS)))
    (model,) = found.models
    assert (model.run, model.layers[0].kind, model.sequences[0].length) == ("relu", "Dense", 4)
    assert found.patch is not None and (found.patch.cell, found.patch.name) == (5, "fit")


HOSTILE = {
    "many models": lines(*({"fact": "model", "model": n} for n in range(100_000))),
    "many runs of a model of many layers": lines(
        {"fact": "model", "model": 0, "layers": [{}] * 500_000},
        *({"fact": "logs", "model": 0, "logdir": f"logs/{n}"} for n in range(50_000)),
    ),
    "many feeds of many runs": lines(
        FACTS[0],
        *({"fact": "logs", "model": 0, "logdir": f"logs/{n}"} for n in range(5_000)),
        *({"fact": "feed", "model": 0, "sequence": n} for n in range(50_000)),
    ),
    "a giant line": json.dumps({"fact": "model", "model": 0, "logdir": "logs/" + "x" * (4 << 20)}),
    "a giant line that ends nowhere": "[" * (4 << 20),
    "deep names": "".join(
        json.dumps({"fact": fact, "model": 0, "layers": [{key: "HERE"}], key: "HERE"}).replace('"HERE"', "[" * depth + "]" * depth) + "\n"
        for fact in ("model", "feed", "patch")
        for key in ("kind", "name", "activation", "preprocess", "labels", "module", "low")
        for depth in (500, 900, 960, 980, 990)
    ),
    "long numbers": lines({**FACTS[0], "model": 10**4000}, {**FACTS[2], "model": 0, "length": 10**4000, "low": 10**400}, {**FACTS[3], "count": 10**4000}),
    "types that are none": lines(*({**fact, key: odd} for fact in FACTS for key in fact for odd in (None, [], {}, True, 1.5, "x", -1))),
    "half characters": lines({**FACTS[0], "logdir": "logs/\ud800"}, FACTS[1]),
    "bytes": "\udcff\0\x0b\u2028" * 1000,
}  # fmt: skip


def sizes(found: Execution) -> tuple[int, int]:
    layers = {id(model.layers): len(model.layers) for model in found.models}
    return len(found.models), sum(layers.values())


@pytest.mark.parametrize("trace", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_trace_takes_bounded_time_and_memory(tmp_path: Path, trace: str) -> None:
    models, layers = bounded(lambda: sizes(read(with_trace(tmp_path, trace))), mib=256)
    assert models <= 10_000 and layers <= 10_000
