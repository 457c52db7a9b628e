"""Sentences, plurals and numbers in the language of whoever reads them."""

from __future__ import annotations

import copy
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from grader.cli import main
from grader.errors import UsageError
from grader.language import (
    ENGLISH,
    RUSSIAN,
    counted,
    current,
    decimal,
    listed,
    of_environment,
    of_most,
    of_text,
    say,
    shown,
    speak,
    tr,
    tr_n,
    using,
)
from grader.reporting.view import count_points
from grader.reporting.words import number, points, seconds


@pytest.mark.parametrize(
    ("n", "english", "russian"),
    [
        (0, "0 points", "0 точек"),
        (1, "1 point", "1 точка"),
        (2, "2 points", "2 точки"),
        (5, "5 points", "5 точек"),
        (11, "11 points", "11 точек"),
        (21, "21 points", "21 точка"),
        (112, "112 points", "112 точек"),
    ],
)
def test_plurals_are_those_of_the_language(n: int, english: str, russian: str) -> None:
    assert str(counted("{n} point", "{n} points", n)) == english
    assert tr_n("{n} point", "{n} points", n) == english
    with using(RUSSIAN):
        assert tr_n("{n} point", "{n} points", n) == russian


@pytest.mark.parametrize(
    ("value", "russian"), [(1, "1 балл"), (2, "2 балла"), (5, "5 баллов"), (11, "11 баллов"), (20 / 3, "6,67 балла")]
)
def test_points_of_a_grade_are_no_points_of_a_curve(value: float, russian: str) -> None:
    with using(RUSSIAN):
        assert count_points(value) == russian


def test_decimals_have_a_comma_in_russian_only() -> None:
    message = say("its {loss} ends {gain:.3g} lower", loss=say("validation loss"), gain=0.51234)
    assert str(message) == "its validation loss ends 0.512 lower"
    with using(RUSSIAN):
        assert shown(message) == "функция потерь на валидации: в конце ниже на 0,512"
        assert (number(2.30258), points(20 / 3), seconds(12.34)) == ("2,303", "6,67", "12,3 с")
        assert (number(math.nan), number(4690), number(1e300)) == ("NaN", "4690", "1e+300")
        assert str(message) == "its validation loss ends 0.512 lower"  # for machine formats, whatever is spoken
    assert decimal("0.5") == "0.5"


def test_texts_of_others_are_not_translated() -> None:
    with using(RUSSIAN):
        assert shown("loss") == "loss"  # a tag of the student's
        assert tr("tag {tag}", tag="loss") == "тег loss"
        assert shown(say("{n} is no sentence of ours", n=1.5)) == "1,5 is no sentence of ours"


def test_a_list_of_sentences_is_said_part_by_part() -> None:
    parts = (say("loss"), "val_loss")
    assert str(listed(parts)) == "loss, val_loss"
    assert str(listed([])) == ""
    with using(RUSSIAN):
        assert shown(listed(parts, "; ")) == "функция потерь; val_loss"


def test_a_page_has_its_own_language_and_all_threads_have_the_terminals() -> None:
    speak(RUSSIAN)
    with ThreadPoolExecutor(1) as pool, using(ENGLISH):
        assert (current(), pool.submit(current).result()) == (ENGLISH, RUSSIAN)
    with using(None):
        assert current() == RUSSIAN


def test_our_own_errors_speak_both_languages() -> None:
    error = UsageError(say("There is no file {path}.", path="a.npz"))
    assert str(error) == "There is no file a.npz."
    with using(RUSSIAN):
        assert shown(error.message) == "Файла a.npz нет."
        assert shown(copy.copy(error).message) == "Файла a.npz нет."  # as from another process


def test_the_command_line_speaks_as_it_is_asked_else_as_the_locale_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["check", "nowhere.ipynb"]
    for locale, more, said in (
        ("C", [], "There is no notebook nowhere.ipynb."),
        ("C", ["--lang", "ru"], "Ноутбука nowhere.ipynb нет."),
        ("ru_RU.UTF-8", [], "Ноутбука nowhere.ipynb нет."),
        ("ru_RU.UTF-8", ["--lang", "en"], "There is no notebook nowhere.ipynb."),
    ):
        monkeypatch.setenv("LC_ALL", locale)
        assert main([*asked, *more]) == 2
        assert capsys.readouterr().err.startswith(f"grader: {said}")


# --- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, ENGLISH),
        ({"LANG": "C.UTF-8"}, ENGLISH),
        ({"LANG": "ru_RU.UTF-8"}, RUSSIAN),
        ({"LANG": "ru"}, RUSSIAN),
        ({"LANG": "run"}, ENGLISH),
        ({"LC_ALL": "", "LANG": "ru_RU.UTF-8"}, RUSSIAN),
        ({"LC_ALL": "en_GB.UTF-8", "LANG": "ru_RU.UTF-8"}, ENGLISH),
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "en_GB.UTF-8"}, RUSSIAN),
    ],
)
def test_the_terminal_follows_the_locale(environment: dict[str, str], language: str) -> None:
    assert of_environment(environment) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", ENGLISH),
        ("123 + 4", ENGLISH),
        ("Compare two ReLUs; the task calls that «сравните», and no more", ENGLISH),
        ("Сравните два ReLU", RUSSIAN),
        ("## Задание 1\nДоработайте `fit_generator`: `tf.summary.histogram` и `tf.summary.scalar`", RUSSIAN),
    ],
)
def test_a_notebook_is_russian_when_a_quarter_of_its_letters_are(text: str, language: str) -> None:
    assert of_text(text) == language


def test_a_class_speaks_the_language_of_most() -> None:
    assert of_most([]) == ENGLISH
    assert of_most([RUSSIAN, ENGLISH]) == ENGLISH
    assert of_most([RUSSIAN, RUSSIAN, ENGLISH]) == RUSSIAN
