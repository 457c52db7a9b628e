"""The language that people read: sentences, plurals and numbers in English or Russian.

A sentence travels as a `Message`: an English template with its values kept apart. Whoever shows it puts it into the
language of the page or of the terminal; `str` of it is English, which is what machine formats hold. The catalogues are
gettext's, with the English templates as keys; what a catalogue lacks is shown in English. docs/languages.md says more.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ENGLISH, RUSSIAN = "en", "ru"
LANGUAGES = (ENGLISH, RUSSIAN)
DOMAIN = "grader"
CATALOGUES = Path(__file__).parent / "locale"


# --- sentences ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sentence for a person: an English template and its values. With a `plural`, that is the template for every value
    of `n` but 1."""

    template: str
    values: tuple[tuple[str, Value], ...] = ()
    plural: str = ""

    def __str__(self) -> str:
        template = self.plural if self.plural and self.count != 1 else self.template
        return _filled(template, {name: _in_english(value) for name, value in self.values})

    @property
    def count(self) -> int:
        return int(str(dict(self.values)["n"]))


Value = str | int | float | Message


def say(template: str, **values: Value) -> Message:
    """`say("cell {cell} raised", cell=3)`: the sentence and its values. A float may have a format: `{loss:.3g}`."""
    return Message(template=template, values=tuple(values.items()))


def counted(one: str, many: str, n: int, **values: Value) -> Message:
    """`counted("{n} point", "{n} points", 3)`: a sentence that depends on how many there are."""
    return Message(template=one, plural=many, values=(("n", n), *values.items()))


def listed(parts: Iterable[Message | str], between: str = ", ") -> Message:
    """Several texts as one, with something between them."""
    numbered = {f"part{number}": part for number, part in enumerate(parts)}
    return say(between.join(f"{{{name}}}" for name in numbered), **numbered)


def noted(template: str) -> str:
    """The template itself, marked for the catalogues: for tables of sentences that are said elsewhere."""
    return template


def _filled(template: str, values: Mapping[str, object]) -> str:
    return template.format(**values) if values else template


def _in_english(value: Value) -> object:
    return str(value) if isinstance(value, Message) else value


# --- in the language of the reader ----------------------------------------------------------------------------------

_terminal = [ENGLISH]  # one for all threads, which do not inherit a context
_page: ContextVar[str | None] = ContextVar("language of a page", default=None)


def current() -> str:
    """The language of the page that is being written, else that of the terminal."""
    return _page.get() or _terminal[0]


def speak(language: str) -> None:
    """Choose the terminal's language, once for the whole process."""
    _terminal[0] = language


@contextmanager
def using(language: str | None) -> Iterator[None]:
    """Show everything in this language meanwhile; None changes nothing."""
    token = _page.set(language or _page.get())
    try:
        yield
    finally:
        _page.reset(token)


def shown(text: Message | str) -> str:
    """A sentence in the current language. A plain string is somebody's own words, or code, and stays as it is."""
    if isinstance(text, str):
        return text
    found = _catalogue(current())
    template = found.ngettext(text.template, text.plural, text.count) if text.plural else _translated(text.template)
    return _filled(template, {name: _shown_value(value) for name, value in text.values})


def tr(template: str, **values: Value) -> str:
    """A sentence, said and shown at once."""
    return shown(say(template, **values)) if values else _translated(template)


def tr_n(one: str, many: str, n: int, **values: Value) -> str:
    """A sentence that depends on how many there are, said and shown at once."""
    return shown(counted(one, many, n, **values))


def decimal(number: str) -> str:
    """A number with the decimal sign of the current language."""
    return number.replace(".", ",") if current() == RUSSIAN else number


class _Number(float):
    """A float that is formatted with the current language's decimal sign."""

    def __format__(self, form: str) -> str:
        return decimal(float(self).__format__(form))


def _shown_value(value: Value) -> object:
    if isinstance(value, Message):
        return shown(value)
    return _Number(value) if isinstance(value, float) else value


def _translated(template: str) -> str:
    return _catalogue(current()).gettext(template) if template else ""  # the empty key holds the catalogue's header


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


# --- which language -------------------------------------------------------------------------------------------------

_CYRILLIC = re.compile("[А-Яа-яЁё]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_RUSSIAN_SHARE = 1 / 4  # of the letters: a Russian text on code is half names of code


def of_environment(environment: Mapping[str, str]) -> str:
    """The language of the terminal: that of the first of LC_ALL, LC_MESSAGES and LANG that is set, else English."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return RUSSIAN if re.match(r"ru(?![a-z])", named, re.I) else ENGLISH


def of_text(text: str) -> str:
    """The language that a text is written in: Russian when a quarter of its letters are, else English."""
    letters, russian = (sum(map(len, kind.findall(text))) for kind in (_LETTERS, _CYRILLIC))
    return RUSSIAN if letters and russian >= _RUSSIAN_SHARE * letters else ENGLISH


def of_most(languages: Iterable[str]) -> str:
    """What more than half of them are; English otherwise."""
    known = list(languages)
    return RUSSIAN if 2 * known.count(RUSSIAN) > len(known) else ENGLISH
