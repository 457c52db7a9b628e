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
NOTHING_COMPILED = {
    "a_list_of_samples",
    "a_model_that_grows_with_each_pass",
    "an_activation_of_the_notebooks_in_a_wrapper_of_the_library",
    "arguments_that_do_not_fit",
    "gradients_of_gradients_by_one_tape",
    "gradients_of_gradients_by_two_tapes",
    "gradients_that_are_sparse_or_missing",
    "histograms",
    "inside_the_notebooks_own_function",
    "layers_of_keras",
    "metrics_by_a_function_of_the_notebooks",
    "metrics_whose_base_is_patched",
    "metrics_with_a_variable_of_their_own",
}


def trained(way: str, folder: Path) -> dict[str, np.ndarray]:
    target = folder / f"{way}.npz"
    command = [sys.executable, str(SCRIPT), way, str(target)]
    paths = f"{ROOT / 'grader' / 'inside'}:{ROOT / 'reference'}"
    environment = {**base_environment(str(folder), str(folder)), "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    with np.load(target) as file:
        return dict(file)


Results = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    folder = tmp_path_factory.mktemp("acceleration")
    return trained("plain", folder), trained("quick", folder)


def noted(results: Results, what: str) -> Results:
    """What `with_acceleration.py` notes of each case beside its results: by the case's name."""
    beginning = f"{what} of "
    return {name.removeprefix(beginning): value for name, value in results.items() if name.startswith(beginning)}


def test_every_result_is_equal_to_the_last_bit(both: tuple[Results, Results]) -> None:
    plain, quick = both
    assert plain.keys() == quick.keys()
    other = [name for name in plain if " of " not in name and not same(plain[name], quick[name])]
    assert [name for name in other if not name.startswith("rounded_")] == []


def test_gradients_that_meet_in_a_variable_are_summed_in_another_order_and_no_more(
    both: tuple[Results, Results],
) -> None:
    plain, quick = both
    for name in (name for name in plain if name.startswith("rounded_")):
        np.testing.assert_allclose(quick[name], plain[name], rtol=1e-14, atol=1e-15)


def same(plain: np.ndarray, quick: np.ndarray) -> bool:
    """Equal in type and value; any NaN is as good as another."""
    return plain.dtype == quick.dtype and np.array_equal(plain, quick, equal_nan=plain.dtype.kind == "f")


def test_the_quick_way_is_taken(both: tuple[Results, Results]) -> None:
    """In each case by something, but for those of which there is nothing to be compiled, or nothing may be."""
    plain, quick = (noted(results, "compiled") for results in both)
    assert not any(names.size for names in plain.values())
    assert {case for case, names in quick.items() if not names.size} == NOTHING_COMPILED
    found = Counter(name for names in quick.values() for name in names.tolist())
    assert found >= Counter(_forward=10, apply=5, update_state=3, sparse_categorical_crossentropy=3)


def test_a_forward_pass_is_traced_once_for_all_steps_that_log_nothing(both: tuple[Results, Results]) -> None:
    """Two of forty steps log; each of two traces is made of the library's own pass, and compared with it once."""
    plain, quick = (noted(results, "passes")["a_training_that_logs"] for results in both)
    assert plain == 40 + 40
    assert quick == 2 + 2 * 2


def test_what_changes_at_every_step_is_not_traced_at_every_step(both: tuple[Results, Results]) -> None:
    assert noted(both[1], "traces")["a_model_that_counts_its_steps"] == 40
