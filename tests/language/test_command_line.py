"""The command line speaks Russian where the locale does."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

import pytest

from grader import cli
from grader.language import ENGLISH, RUSSIAN, speak


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    speak(ENGLISH)


def helps(parser: argparse.ArgumentParser, name: str = "grader") -> Iterator[tuple[str, str]]:
    """(command and option, what is said of it) of a parser and the commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((f"{name} {said.dest}", str(said.help)) for said in action._choices_actions)
            for verb, below in action.choices.items():
                yield from helps(below, f"{name} {verb}")
        elif action.help and not isinstance(action, argparse._HelpAction | argparse._VersionAction):
            yield f"{name} {action.dest}", action.help


def test_all_commands_and_options_are_explained_in_russian() -> None:
    speak(ENGLISH)
    english = dict(helps(cli.parser()))
    speak(RUSSIAN)
    russian = dict(helps(cli.parser()))
    assert len(english) > 40
    assert english.keys() == russian.keys()
    assert [name for name in english if english[name] == russian[name]] == []


def test_the_words_of_the_parser_itself_are_those_that_python_looks_up() -> None:
    source = inspect.getsource(argparse)
    assert [words for words in cli._OF_ARGPARSE if f"_({words!r})" not in source.replace('"', "'")] == []


def test_wrong_use_is_told_in_russian(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    monkeypatch.setenv("LANGUAGE", "en")
    with pytest.raises(SystemExit) as ended:
        cli.main(["grade", "--jobs", "none", "x.ipynb"])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("использование: grader grade")
    assert "grader grade: ошибка: аргумент --jobs: нужно число не меньше 1\n" in told


@pytest.mark.parametrize("words", [["--lang", "ru"], ["--lang=ru"]])
def test_the_language_that_is_named_holds_for_complaints_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["grade", *words])
    assert "нужно указать: PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("grad x", "Did you mean grade?"),
        ("grade x --ouput y", "Did you mean --out?"),
        ("grade x --fail-undr=5", "Did you mean --fail-under?"),
        ("--lang ru grade x", "Параметры пишутся после команды: grader COMMAND --lang."),
        ("export", "grader export --help"),
        ("nonsense", "grader --help"),
    ],
)
def test_a_slip_is_told_what_may_have_been_meant(
    words: str, meant: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    assert ended.value.code == 2
    assert meant in capsys.readouterr().err.splitlines()[-1]


def test_without_any_word_all_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    told = capsys.readouterr().err
    assert all(f"    {verb} " in told for verb in ("grade", "check", "export", "doctor"))
