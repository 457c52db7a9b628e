"""Library code that is compiled behind the notebook's back does what it does by itself, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from grader.sandbox.box import base_environment

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "with_acceleration.py"


def trained(way: str, folder: Path) -> dict[str, np.ndarray]:
    target = folder / f"{way}.npz"
    command = [sys.executable, str(SCRIPT), way, str(target)]
    paths = f"{ROOT / 'grader' / 'inside'}:{ROOT / 'reference'}"
    environment = {**base_environment(str(folder), str(folder)), "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    with np.load(target) as file:
        return dict(file)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("acceleration")
    return trained("plain", folder), trained("quick", folder)


def test_every_result_is_equal_to_the_last_bit(both: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]) -> None:
    plain, quick = both
    assert plain.keys() == quick.keys()
    other = [
        name for name in plain if name not in ("compiled", "passes", "traces") and not same(plain[name], quick[name])
    ]
    assert [name for name in other if not name.startswith("rounded_")] == []


def test_gradients_that_meet_in_a_variable_are_summed_in_another_order_and_no_more(
    both: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> None:
    plain, quick = both
    for name in (name for name in plain if name.startswith("rounded_")):
        np.testing.assert_allclose(quick[name], plain[name], rtol=1e-14, atol=1e-15)


def same(plain: np.ndarray, quick: np.ndarray) -> bool:
    """Equal in type and value; any NaN is as good as another."""
    return plain.dtype == quick.dtype and np.array_equal(plain, quick, equal_nan=plain.dtype.kind == "f")


def test_the_quick_way_is_taken(both: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]) -> None:
    plain, quick = both
    assert not plain["compiled"].size
    found = Counter(quick["compiled"].tolist())
    assert found >= Counter(_forward=10, apply=5, update_state=3, sparse_categorical_crossentropy=3)


def test_a_forward_pass_is_traced_once_for_all_steps_that_log_nothing(
    both: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> None:
    """Two of forty steps log; each of two traces is made of the library's own pass, and compared with it once."""
    plain, quick = both
    assert plain["passes"] == 40 + 40
    assert quick["passes"] == 2 + 2 * 2


def test_what_changes_at_every_step_is_not_traced_at_every_step(
    both: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> None:
    assert both[1]["traces"] == 40
