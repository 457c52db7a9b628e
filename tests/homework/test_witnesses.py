"""Where the re-run, the logs and the outputs that were handed in disagree, a remark says so; where they agree, none does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from bounded import bounded

from grader.assignment import load_assignment
from grader.homework.claims import claims_of
from grader.homework.witnesses import printed_lines, recorded_outputs, submitted_logs
from grader.places import reference_folder
from grader.records import Conclusion, Finding, Run, Severity
from tests.homework.making import case, code, run, scalars

ASSIGNMENT = load_assignment(reference_folder())
LOSSES = (1.5, 1.25, 1.125)
TEXT = "".join(
    f"Epoch {n}: Train loss: 2.000 Train Accuracy: 0.500\nEpoch {n}: Val loss: {loss:.3f} Val Accuracy: 0.600\n{'*' * 20}\n"
    for n, loss in enumerate(LOSSES, 1)
)
SOURCE = 'writer = tf.summary.create_file_writer("logs/relu")'


def relu(values: tuple[float, ...] = LOSSES, tag: str = "val_loss", seconds: float = 5.0) -> Run:
    return run("relu", scalars(tag, values, seconds=seconds))


def codes(found: list[Finding]) -> list[str]:
    assert all(finding.severity is Severity.INFO for finding in found)
    assert all("look" in str(finding.message) or finding.code.startswith("remark.no_") for finding in found)
    return [finding.code for finding in found]


def of_logs(theirs: Run) -> list[str]:
    return codes(list(submitted_logs(case(runs=[relu()], submitted=[theirs]), ASSIGNMENT)))


def test_logs_of_another_training_of_the_same_code_agree() -> None:
    assert of_logs(relu((1.6, 1.2, 1.0))) == []


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        (relu(tag="eval_loss"), "remark.logs_other_tags"),
        (relu((1.5, 1.25)), "remark.logs_other_counts"),
        (relu((1.5, math.nan, math.nan)), "remark.logs_other_character"),
        (relu(seconds=0.001), "remark.logs_strange_times"),
        (relu(seconds=-5.0), "remark.logs_strange_times"),
    ],
)
def test_logs_that_cannot_be_of_this_code_get_a_remark(theirs: Run, code: str) -> None:
    assert of_logs(theirs) == [code]


def test_logs_that_lack_a_run_get_a_remark() -> None:
    raw = replace(relu(), name="raw")
    assert codes(list(submitted_logs(case(runs=[relu(), raw], submitted=[relu()]), ASSIGNMENT))) == [
        "remark.logs_lack_runs"
    ]


def of_lines(text: str, ours: Run) -> list[str]:
    return codes(list(printed_lines(case([code(SOURCE)], runs=[ours], printed={1: text}), ASSIGNMENT)))


def test_printed_epochs_and_logged_scalars_are_held_against_each_other() -> None:
    assert of_lines(TEXT, relu()) == []
    assert of_lines(TEXT, relu((1.5, 1.25, 1.2))) == ["remark.lines_disagree"]
    assert of_lines("no epochs", relu((1.5, 1.25, 1.2))) == []


def test_recorded_lines_are_held_against_the_logs_that_were_handed_in() -> None:
    cells = [code(SOURCE, output=TEXT)]
    agree, differ = (case(cells, submitted=[relu(values)]) for values in (LOSSES, (1.0, 1.0, 1.0)))
    assert codes(list(printed_lines(agree, ASSIGNMENT))) == []
    assert codes(list(printed_lines(differ, ASSIGNMENT))) == ["remark.lines_disagree"]


def test_recorded_outputs_are_compared_with_the_rerun() -> None:
    def remarks(output: str) -> list[str]:
        return codes(list(recorded_outputs(case([code(SOURCE, output=output)], printed={1: TEXT}), ASSIGNMENT)))

    assert remarks(TEXT) == []
    assert remarks("") == ["remark.no_outputs"]
    assert remarks(TEXT.split("*")[0]) == ["remark.outputs_disagree"]
    assert remarks(TEXT.replace("1.250", "nan")) == ["remark.outputs_other_character"]


# --- claims ---------------------------------------------------------------------------------------------------------


def claims(text: str, *, submitted: bool = True) -> list[tuple[str, bool | None]]:
    runs = [
        run("relu", scalars("val_accuracy", (0.5, 0.62)), scalars("val_loss", (6.0, 5.5))),
        run("relu_smart_dense", scalars("val_accuracy", (0.9, 0.97)), scalars("val_loss", (0.4, 0.1))),
        run("relu_bn", scalars("val_loss", (math.nan, math.nan))),
    ]
    seen = case(runs=runs, submitted=runs if submitted else ())
    words = Conclusion(criterion="x", text=text, cell=1, runs=("relu", "relu_smart_dense", "relu_bn"))
    return [(claim.text, claim.agrees) for claim in claims_of(words, seen)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Точность relu доходит до 0.62.", [("0.62", True)]),
        ("Точность relu доходит до 62%.", [("62%", True)]),
        ("Accuracy of 0,97 is reached.", [("0,97", True)]),
        ("Точность доходит до 0.75.", [("0.75", False)]),
        ("Лучший loss у relu 5.5.", [("5.5", True)]),
        ("Слоёв 3, шагов 469, размер 784, эпсилон 1e-8.", []),
    ],
)
def test_numbers_of_a_conclusion_stand_beside_the_logs(text: str, expected: list[tuple[str, bool | None]]) -> None:
    assert claims(text) == expected


def test_a_number_that_only_the_rerun_lacks_is_left_open() -> None:
    assert claims("Точность доходит до 0.75.", submitted=False) == [("0.75", None)]


def test_claims_of_nan_and_of_which_is_better_stand_beside_the_logs() -> None:
    assert claims("В relu_bn ошибка NaN.") == [("В relu_bn ошибка NaN.", True)]
    assert claims("В relu_smart_dense ошибка NaN.") == [("В relu_smart_dense ошибка NaN.", False)]
    text = "relu_smart_dense учится быстрее, чем relu."
    assert claims(text) == [(text, None)]
    assert np.isfinite(len(claims("x" * 100_000)))


def test_a_conclusion_of_nothing_but_numbers_and_runs_of_many_tags_take_bounded_time() -> None:
    many = [scalars(f"loss {number}", (0.5,)) for number in range(1000)]
    text = " ".join(f"{number / 1000:.3f}" for number in range(100_000))
    words = Conclusion(criterion="relu.conclusion", text=text, cell=1, runs=("relu",))
    assert len(bounded(claims_of, words, case(runs=[run("relu", *many)]), mib=256)) == 12


@pytest.mark.parametrize("word", ["обучени", "не учи", "learns bad", "NaN ", "лучше relu ", "без "])
def test_a_sentence_without_end_takes_bounded_time(word: str) -> None:
    words = Conclusion(criterion="relu.conclusion", text=word * 400_000, cell=1, runs=("relu",))
    assert len(bounded(claims_of, words, case(runs=[relu()]), mib=256)) <= 12
