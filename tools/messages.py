"""The catalogues of messages: collected from code, templates and the rubric, and compiled. `make messages` does it all.

    python -m tools.messages            writes grader/locale/*/LC_MESSAGES/grader.po and .mo anew, keeping the translations

A changed sentence comes back without a translation, with its former one proposed where it is alike (`#, fuzzy`): translate
it in the .po, take the mark away, and run this again.
"""

from __future__ import annotations

import ast
import inspect
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from grader import __version__
from grader.assignment import load_assignment
from grader.homework import HOMEWORK
from grader.homework.roles import ROLES
from grader.language import CATALOGUES, DOMAIN, ENGLISH, LANGUAGES
from grader.places import reference_folder
from grader.reporting.view import part_words

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "grader"
# Which argument of a function is a sentence, or which two are one with its plural. A text that is no literal is no
# sentence here: it is marked where it stands, with `noted`.
FUNCTIONS = {
    "say": (1,),
    "noted": (1,),
    "tr": (1,),
    "_": (1,),
    "counted": (1, 2),
    "tr_n": (1, 2),
    "ngettext": (1, 2),
    "undecided": (2,),
    "remark": (2,),
    "_refused": (2,),
    "_refuse": (2,),
}

Placed = tuple[str, str | tuple[str, str]]


def sentences() -> Iterator[Placed]:
    """(file, sentence) of all that is said to people; a sentence with a plural is a pair."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from _of_code(path)
    for path in sorted(PACKAGE.glob("reporting/templates/*")):
        yield from _of_template(path)
    yield from _of_homework()


def _of_code(path: Path) -> Iterator[Placed]:
    place = path.relative_to(PROJECT).as_posix()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield from ((place, sentence) for sentence in _said(node))


def _said(call: ast.Call) -> Iterable[str | tuple[str, str]]:
    """The sentences among the arguments of a call."""
    places = FUNCTIONS.get(name_of(call.func), ())
    texts = [_literals(call.args[number - 1]) for number in places if len(call.args) >= number]
    if len(texts) == 2:
        return zip(*texts, strict=True)
    return texts[0] if texts else ()


def name_of(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _literals(node: ast.expr) -> list[str]:
    """The text of a literal; of a choice between two, both; nothing of anything else."""
    if isinstance(node, ast.IfExp):
        return _literals(node.body) + _literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _of_template(path: Path) -> Iterator[Placed]:
    found = extract_from_file("jinja2.ext:babel_extract", str(path), keywords=FUNCTIONS, options={"silent": "false"})
    yield from ((path.relative_to(PROJECT).as_posix(), sentence) for _, sentence, _, _ in found)


def _of_homework() -> Iterator[Placed]:
    """What the rubric and the checks say: it reaches people by way of records."""
    assignment = load_assignment(reference_folder())
    rubric = (
        assignment.name,
        *(part_words(c) for c in assignment.criteria),
        *(c.title for c in assignment.criteria),
    )
    claims = (inspect.cleandoc(check.__doc__ or "").splitlines()[0] for check in HOMEWORK.checks.values())
    yield from (("reference/assignment.toml", sentence) for sentence in rubric)
    yield from (("grader/homework/__init__.py", sentence) for sentence in claims)
    yield from (("grader/homework/roles.py", role.replace("_", " ")) for role in ROLES)


def template() -> Catalog:
    """All sentences, without translations. Line numbers would change with every edit, so only files are named."""
    catalogue = Catalog()
    for place, sentence in sentences():
        catalogue.add(sentence, locations=[(place, None)])
    return catalogue


def read(language: str) -> Catalog:
    with po(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def po(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def compiled(catalogue: Catalog) -> bytes:
    """The .mo of a catalogue: the same bytes for the same sentences."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def main() -> None:
    for language in (language for language in LANGUAGES if language != ENGLISH):
        catalogue = read(language) if po(language).is_file() else Catalog(locale=language, domain=DOMAIN)
        catalogue.update(template(), update_creation_date=False, no_fuzzy_matching=True)
        _head(catalogue)
        po(language).parent.mkdir(parents=True, exist_ok=True)
        with po(language).open("wb") as file:
            write_po(file, catalogue, width=120, omit_header=False, sort_by_file=True, ignore_obsolete=True)
        po(language).with_suffix(".mo").write_bytes(compiled(read(language)))
        print(f"{language}: {len(catalogue)} sentences, {len(untranslated(catalogue))} of them to be translated")


def _head(catalogue: Catalog) -> None:
    """A head that says what a reader needs, without the addresses that Babel leaves to be filled in."""
    catalogue.header_comment = "# What the grader says, kept by `make messages`: docs/languages.md tells how."
    catalogue.project, catalogue.version, catalogue.fuzzy = DOMAIN, __version__, False
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "none"


def untranslated(catalogue: Catalog) -> list[str]:
    """The sentences, by their English singular, that have no translation, or only a proposed one."""
    return [forms(message.id)[0] for message in catalogue if message.id and not _is_translated(message)]


def _is_translated(message: Message) -> bool:
    return not message.fuzzy and bool(message.string) and all(forms(message.string))


def forms(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text


if __name__ == "__main__":
    main()
