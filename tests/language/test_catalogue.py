"""Every sentence has its translation, with the same values in it, and the compiled catalogue is the one of the text."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.language import RUSSIAN
from tools import findings, messages

GRADER = Path(messages.__file__).parents[1] / "grader"
SENTENCE_ARGUMENTS = ("message", "hint", "expected", "actual")


def test_every_sentence_is_in_the_catalogue_and_no_other() -> None:
    said = {message.id for message in messages.template() if message.id}
    known = {message.id for message in messages.read(RUSSIAN) if message.id}
    assert said == known, "run make messages, and translate what is new"


def test_every_sentence_has_a_translation() -> None:
    assert messages.untranslated(messages.read(RUSSIAN)) == []


def test_every_translation_has_the_values_of_its_sentence() -> None:
    for message in messages.read(RUSSIAN):
        english, russian = messages.forms(message.id), messages.forms(message.string)
        for form in russian if message.id else ():
            assert fields(form) == fields(english[-1]), message.id


def fields(template: str) -> list[tuple[str, str | None]]:
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(template) if name is not None)


def test_russian_plurals_have_three_forms() -> None:
    plurals = [message for message in messages.read(RUSSIAN) if not isinstance(message.id, str)]
    assert plurals
    assert {len(message.string) for message in plurals} == {3}


def test_quotation_marks_are_russian() -> None:
    quoting = [m.string for m in messages.read(RUSSIAN) if isinstance(m.string, str) and re.search('["“”„]', m.string)]
    assert [text for text in quoting if text and "Project-Id" not in text] == []


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    text = messages.po(RUSSIAN)
    assert text.with_suffix(".mo").read_bytes() == messages.compiled(messages.read(RUSSIAN)), "run make messages"


# --- nothing is said past the catalogue -----------------------------------------------------------------------------


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def sources() -> list[Path]:
    return [path for path in sorted(GRADER.rglob("*.py")) if not {"inside", "probes"} & set(path.parts)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(GRADER).as_posix())
def test_no_sentence_is_glued_together_where_it_is_said(path: Path) -> None:
    """What is put together from pieces cannot be found, and has another order in another language."""
    glued = [
        node.lineno
        for node in calls(path)
        for number in messages.FUNCTIONS.get(messages.name_of(node.func), ())
        if len(node.args) >= number and isinstance(node.args[number - 1], ast.JoinedStr | ast.BinOp)
    ]
    assert glued == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(GRADER).as_posix())
def test_what_a_finding_says_is_a_message(path: Path) -> None:
    """A plain string would stay English."""
    plain = [
        node.lineno
        for node in calls(path)
        if messages.name_of(node.func) in ("Finding", "remark")
        for keyword in node.keywords
        if keyword.arg in SENTENCE_ARGUMENTS and isinstance(keyword.value, ast.Constant | ast.JoinedStr | ast.BinOp)
    ]
    assert plain == []


@pytest.mark.parametrize("path", sorted(GRADER.glob("reporting/templates/*.html")), ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|<code>[^<]*</code>", "", path.read_text("utf-8"), flags=re.DOTALL)
    labels = re.findall(r'aria-label="([^"]*)"', bare)
    texts = re.findall(r">([^<>]*)<", bare)
    assert [text for text in (*labels, *texts) if re.search("[A-Za-z]{2}", text)] == []


def test_every_finding_is_explained_in_the_documents() -> None:
    assert findings.PAGE.read_text("utf-8") == findings.page(), "run make messages"
    unsaid = [said.code for said in findings.findings().values() if not said.sentences]
    assert unsaid == []
