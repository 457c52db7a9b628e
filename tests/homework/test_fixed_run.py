"""What the repaired batch norm's experiment is compared with, where the notebook's own run of relu will not do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader.homework import batch_norm
from grader.records import Status


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The verdict on a sound run of relu_bn_fixed beside a spoiled one of relu, with these bands of the reference."""
    monkeypatch.setattr(
        batch_norm, "problems", lambda case, assignment, run: [] if run == batch_norm.FIXED else ["bad"]
    )
    monkeypatch.setattr(batch_norm, "spoils", lambda case, assignment, run: None)
    monkeypatch.setattr(batch_norm, "_layer_is_wrong", lambda case, assignment: False)

    def judged(bands: Any, gain: float | None) -> Status:
        found = None if gain is None else SimpleNamespace(gain=gain, as_usual=False, spread=None, witness="train_loss")
        monkeypatch.setattr(batch_norm, "compare_with_reference", lambda *_: found)
        case: Any = SimpleNamespace(reference=SimpleNamespace(bands=bands), runs={"relu": None}, execution=None)
        assignment: Any = SimpleNamespace(is_students=False)
        # without the decorators, which look at the cells
        return batch_norm.fixed_run.__wrapped__.__wrapped__(case, assignment).status  # type: ignore[attr-defined, no-any-return]

    return judged


def test_it_is_compared_with_the_reference(verdict: Any) -> None:
    band = {("relu", "train_loss"): ()}
    assert (verdict(band, 1.0), verdict(band, -1.0)) == (Status.PASSED, Status.FAILED)


def test_nobody_fails_for_a_profile_that_the_reference_was_not_run_with(verdict: Any) -> None:
    assert verdict({}, None) is Status.UNDECIDED
