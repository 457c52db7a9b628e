"""How logged values are matched with what they can be, and how the probe gets to where a loop would end early."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from grader.homework.fit_analysis import _selects
from grader.homework.moments import logs_later
from grader.homework.questions import EPOCH, _held, draw, largest_bound, largest_interval, share_of_data
from grader.records import Definition, Question

CANDIDATES = np.array([9.0, 5.0, 4.0, 3.0, 2.0])  # before training, in the middle and at the end of two epochs
ENDS = (2, 4)


@pytest.mark.parametrize(
    ("logged", "right"),
    [
        ([4.0, 2.0], True),
        ([9.0, 4.0, 2.0], True),
        ([9.0, 5.0, 4.0, 3.0, 2.0], True),
        ([5.0, 3.0], True),
        ([4.0], False),
        ([2.0], False),
        ([2.0, 4.0], False),
        ([4.0, 2.0, 1.0], False),
        ([4.0, 4.0, 2.0], False),
        ([], False),
    ],
    ids=str,
)
def test_validation_is_of_moments_in_order_with_one_of_each_epoch(logged: list[float], right: bool) -> None:
    assert _selects(np.array(logged), CANDIDATES, ENDS) is right


@pytest.mark.parametrize(
    ("code", "bound"),
    [
        ("for i, (x, y) in enumerate(train_seq):\n    if i >= 200:\n        break", 200),
        ("for i in range(15):\n    pass", 15),
        ("for x in itertools.islice(eval_seq, 20):\n    pass", 20),
        ("for x in list(eval_seq)[:30]:\n    pass", 30),
        ("if 100 < step:\n    pass", 100),
        ("MOST = 40\nif step > MOST:\n    pass", 40),
        ("def fit(self, most=60, *, least=70):\n    if step > most:\n        pass", 60),
        ("if step % 50 == 0:\n    pass", 0),
        ("FREQ = 300\nif step % FREQ == 0:\n    pass", 0),
        ("if step == 4690 or epoch < 3:\n    pass", 0),
    ],
)
def test_a_number_that_may_end_a_loop_is_found_in_the_code(code: str, bound: int) -> None:
    assert largest_bound(code) == bound


@pytest.mark.parametrize(
    ("code", "interval"),
    [
        ("if step % 50 == 0:\n    pass", 50),
        ("if (step + 1) % 200 == 0:\n    pass", 200),
        ("FREQ = 100\nif not step % FREQ:\n    pass", 100),
        ("def fit(self, freq=25, *, rare=300):\n    return step % freq or step % rare", 300),
        ("if step % 469 == 0:\n    pass", 0),
        ("if step % len(train_seq) == 0:\n    pass", 0),
        ("print('%d' % step)", 0),
    ],
)
def test_how_often_something_is_logged_is_found_in_the_code(code: str, interval: int) -> None:
    assert largest_interval(code) == interval


def definition(code: str) -> Definition:
    return Definition(wanted="fit_generator", name="fit_generator", source=code, cell=1, line=1, normal="")


def drawn(code: str) -> Question:
    (question,) = draw({"fit_generator": definition(code)}, np.random.default_rng(7))
    return question


@pytest.mark.parametrize(
    ("code", "image", "classes"),
    [
        ("labels = tf.one_hot(y, 10)", None, 10),
        ("SIZE = 784\nself._forward(tf.zeros((1, SIZE)))", (28, 28), None),
        ("x = tf.reshape(x, (-1, 28, 28))\nlabels = tf.one_hot(y, depth=10)", (28, 28), 10),
        ("if step % 50 == 0:\n    pass", None, None),
    ],
)
def test_the_small_model_has_the_sizes_that_the_code_knows(
    code: str, image: tuple[int, int] | None, classes: int | None
) -> None:
    question = drawn(code)
    images, scenarios = question.arrays["main_x_train"], cast("Any", question.settings["scenarios"])
    inputs, outputs = scenarios[0]["layers"][0]["inputs"], scenarios[0]["layers"][-1]["outputs"]
    assert inputs == images[0].size
    assert images.shape[1:] == image if image else inputs <= 30
    assert outputs == classes if classes else outputs < 10
    assert 9 <= images.any(axis=0).sum() <= 30  # pixels that are lit: it trains as a small one does
    assert np.bincount(question.arrays["main_y_train"].astype(int)).max() < 0.6 * len(images)  # a guess is not enough


BIGGEST = ["784\n10\n469\n60000", "784\nif step % 300 == 0:\n    pass", "28\nfor i in range(400):\n    pass", "28 * 28"]


@pytest.mark.parametrize("code", BIGGEST)
def test_what_is_noted_of_the_small_model_fits_into_an_answer(code: str) -> None:
    """All weights at each batch, and twice at each update, in float64."""
    arrays, noted = (question := drawn(code)).arrays, 0
    for scenario in cast("Any", question.settings["scenarios"]):
        name, size = scenario["name"], scenario["batch_size"]
        weights = sum(arrays[f"{name}_p{i}"].nbytes for i in range(2 * len(scenario["layers"])))
        train, validation = (-(-len(arrays[f"{name}_y_{part}"]) // size) for part in ("train", "validation"))
        noted += weights * scenario["epochs"] * (3 * train + validation)
    assert noted < 40 << 20
    assert sum(array.nbytes for array in arrays.values()) < 20 << 20


@pytest.mark.parametrize("code", ["mean = total / 79", "for i in range(469):\n    pass", "accuracy = hits / 10000."])
def test_code_that_counts_with_the_homeworks_numbers_is_asked_with_as_many_batches(code: str) -> None:
    question = drawn(code)
    assert len(question.arrays["main_y_train"]) == len(question.arrays["second_y_train"]) == 60000
    assert len(question.arrays["main_y_validation"]) == 10000
    assert cast("Any", question.settings["scenarios"])[0]["batch_size"] == 128


@pytest.mark.parametrize(
    ("code", "share"),
    [
        ("mean = total / 79", (2400, 10000, 10000)),
        ("accuracy = hits / 10_000", (2400, 10000, 10000)),
        ("accuracy = hits / 1e4", (2400, 10000, 10000)),
        ("for i in range(469):\n    pass", None),
        ("mean = total / 60000 + validation / 10000", None),
        ("if step % 50 == 0:\n    pass", (2400, 1168, 10000)),
    ],
)
def test_a_part_of_the_data_is_whole_where_the_training_counts_with_its_numbers(
    code: str, share: tuple[int, int, int] | None
) -> None:
    assert share_of_data({"fit_generator": definition(code)}, (2400, 1168, 10000)) == share


def test_all_the_data_stay_all_and_what_is_not_defined_changes_nothing() -> None:
    assert share_of_data({"fit_generator": definition("mean = total / 79")}, None) is None
    assert share_of_data({}, (2400, 1168, 10000)) == (2400, 1168, 10000)


def test_code_that_names_a_later_step_may_log_again() -> None:
    assert logs_later("if step in (0, 1000): log()", steps=133)
    assert not logs_later("if step % 50 == 0: log(100)", steps=133)
    assert not logs_later("size = 60000", steps=133)


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("tf.summary.scalar('a', 1, step=step // 100)", True),
        ("point = int(step / 100.0)\ntf.summary.scalar('a', 1, step=point)", True),
        ("step //= 100\ntf.summary.scalar('a', 1, step)", True),
        ("every = 100\ntf.summary.experimental.set_step(step // every)", True),
        ("tf.summary.scalar('a', 1, step=step // 10)", False),
        ("tf.summary.scalar('a', 1, step=step // 1000)", False),
        ("minutes = int(seconds // 60)\ntf.summary.scalar('a', 1, step=step)", False),
        ("tf.summary.scalar('a', total / 100, step=step)", False),
    ],
)
def test_steps_that_grow_on_all_images_alone_are_tried_out_on_as_many(code: str, counts: bool) -> None:
    assert (EPOCH in _held(code)) == counts
