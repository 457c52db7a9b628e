"""A homework of another kind, in one module: "write softmax so that it does not overflow". Two criteria, one probe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from grader.assignment import Assignment
from grader.contract import Homework, blocked, failed, passed, undecided
from grader.records import Case, Definition, Exhibit, Finding, Floats, Question, Verdict, say
from grader.stages.extraction import Names, Wanted

REFERENCE = Path(__file__).parent / "reference"


def draw(definitions: Mapping[str, Definition], rng: np.random.Generator) -> tuple[Question, ...]:
    arrays = {"small_x": rng.normal(size=(5, 4)), "large_x": rng.normal(size=(5, 4)) * 1e4}
    settings = {"cases": ["small", "large"]}
    return tuple(
        Question(probe="softmax", definition=found, settings=settings, arrays=arrays) for found in definitions.values()
    )


def expected(x: Floats) -> Floats:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def right(case: Case, assignment: Assignment) -> Verdict:
    """Each row of the result is the softmax of a row of the input."""
    return _compared(case, "small", say("Rows do not come out as e^x over their sum."))


def stable(case: Case, assignment: Assignment) -> Verdict:
    """Large inputs do not overflow."""
    if right(case, assignment).share < 1:
        return blocked("softmax.right")
    return _compared(case, "large", say("Large inputs overflow."))


def _compared(case: Case, name: str, sentence: object) -> Verdict:
    evidence = case.evidence.get("softmax")
    if evidence is None:
        return failed(Finding(code="softmax.missing", message=say("The notebook has no function softmax.")))
    out = evidence.arrays.get(f"{name}_out")
    if out is None:
        return undecided("softmax.no_answer", "softmax gave no answer.")
    definition, wanted = evidence.question.definition, expected(evidence.question.arrays[f"{name}_x"])
    if out.shape == wanted.shape and np.allclose(out, wanted):
        return passed()
    return failed(Finding(code="softmax.wrong", message=sentence, cell=definition.cell, line=definition.line))  # type: ignore[arg-type]


def effort(text: str) -> float:
    return 1.0


def gate(case: Case) -> Verdict | None:
    return None


def nothing(case: Case, assignment: Assignment) -> dict:  # type: ignore[type-arg]
    return {}


def exhibit(case: Case, assignment: Assignment) -> Exhibit:
    return Exhibit()


HOMEWORK = Homework(
    names=Names(wanted=(Wanted(name="softmax"),), given=frozenset({"temperature"}), trains=frozenset()),
    thresholds=frozenset(),
    probes=Path(__file__).parent / "probes",
    draw=draw,
    effort=effort,
    gate=gate,
    checks={"softmax.right": right, "softmax.stable": stable},
    remarks=(),
    summarise=nothing,
    exhibit=exhibit,
    band_points=nothing,
)
