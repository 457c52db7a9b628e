"""Pages for people: one self-contained file each, without network, safe with any text inside, fine without JavaScript.

Every expression of a template passes `inert` and then HTML escaping; only our own style sheet and script are exempt.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.language import current, of_most, shown, tr, tr_n, using
from grader.records import Band, Grade, Message, Report
from grader.reporting import (
    class_curves,
    class_groups,
    class_view,
    conclusion_view,
    figures,
    handed_in,
    kept,
    svg,
    view,
    worksheet,
)
from grader.reporting.overview import Outline, Overview, outline
from grader.reporting.text import inert
from grader.reporting.words import STATUS_MEANINGS, STATUS_WORDS

_CODE = re.compile(r"`([^`\n]+)`")
TEMPLATES = Path(__file__).parent / "templates"


def student_page(
    report: Report,
    *,
    data_note: Message | None = None,
    language: str | None = None,
    keep: kept.Keep = lambda _, make: make(),
    known: Outline | None = None,
) -> str:
    """The page of one submission: verdict, criteria, curves, gradients, conclusions, the notebook, the environment.

    `data_note` says what a reader should know of the data that were used. An ungraded submission gets one sentence.
    Without a `language` it is the notebook's own; that of the template where the notebook could not be read. Drawing takes
    most of the time, and no rubric changes a picture: with `keep` they are drawn once, and with what is `known` of the
    report they need not be looked at to find them.
    """
    with using(language or report.grade.language):
        return _student_page(report, data_note, keep, known or outline(report))


def _student_page(report: Report, data_note: Message | None, keep: kept.Keep, known: Outline) -> str:
    grade = report.grade
    if grade.error is not None:
        return _render("ungraded.html", grade=grade, error=shown(grade.error))
    cells = handed_in.cell_views(report)
    runs = figures.run_anchors(known.runs)
    anchors = view.Anchors(runs=runs, notebook=handed_in.anchors(cells))
    return _render(
        "student.html",
        grade=grade,
        data_note=view.text_of(data_note),
        notice=view.text_of(report.exhibit.notice),
        verdict=view.verdict(grade),
        parts=view.parts(report, anchors),
        remarks=view.remarks(report, anchors),
        runs=runs,
        pictures=Markup(keep(kept.name_of(known.pictures, current()), lambda: _pictures(report, runs))),  # noqa: S704 - rendered by `_render`
        conclusions=conclusion_view.conclusions(report, anchors),
        cells=cells,
        cells_left=handed_in.cells_left(report),
        facts=view.facts(grade),
        board=view.board_command(grade),
    )


def _pictures(report: Report, anchors: Mapping[str, str]) -> str:
    runs = figures.run_figures(report.exhibit, report.grade.runs, anchors)
    alike = sum(not figure.differs for run in runs for figure in run.curves)
    beside = any(figure.picture.usual for run in runs for figure in run.ridges)
    return _render("pictures.html", runs=runs, alike=alike, beside=beside)


def class_pages(
    grades: Sequence[Grade],
    overviews: Callable[[], Iterable[Overview]],
    bands: Mapping[tuple[str, str], Band],
    *,
    title: str,
    data_note: Message | None = None,
    language: str | None = None,
) -> Iterator[tuple[str, str]]:
    """The pages of a class, one after the other, each with its path below the results: the class itself, all curves, and a
    worksheet for each criterion that a person decides. `overviews` reads them, each time that it is called. Without a
    `language` it is that of most of the notebooks."""
    language = _of_class(grades, language)
    brief = [dataclasses.replace(one, subjects=()) for one in overviews()]  # answers take most of the memory
    with using(language):
        pictures = class_curves.pictures(brief, bands)
        odd = class_curves.odd_ones(pictures)
    yield (
        "index.html",
        class_page(grades, title=title, data_note=data_note, overviews=brief, odd=odd, language=language),
    )
    yield class_view.CURVES, _page(language, "curves.html", title, note=data_note, pictures=pictures)
    del brief, pictures
    with using(language):
        sheets = worksheet.worksheets(grades, overviews())
    for sheet in sheets:
        yield sheet.path, _page(language, "worksheet.html", title, sheet=sheet, sheets=sheets)


def _page(language: str, name: str, title: str, *, note: Message | None = None, **values: object) -> str:
    with using(language):
        return _render(name, title=tr(title), data_note=view.text_of(note), **values)


def _of_class(grades: Sequence[Grade], language: str | None) -> str:
    return language or of_most(grade.language for grade in grades if grade.language)


def class_page(
    grades: Sequence[Grade],
    *,
    title: str,
    data_note: Message | None = None,
    overviews: Collection[Overview] = (),
    odd: Sequence[class_curves.OddOne] = (),
    language: str | None = None,
) -> str:
    """The page of a class: what waits for a person, a table to sort and filter, criteria, causes, likeness, and what could
    not be graded. Without a `language` it is that of most of the notebooks."""
    with using(_of_class(grades, language)):
        return _render(
            "class.html",
            title=tr(title),
            data_note=view.text_of(data_note),
            shown=class_view.class_view(grades),
            groups=class_groups.groups(grades, overviews),
            odd=odd,
        )


def _render(name: str, **values: object) -> str:
    return (
        _environment()
        .get_template(name)
        .render(
            **values,
            **_own_files(current()),
            language=current(),
            words=[(status.value, tr(word), tr(STATUS_MEANINGS[status])) for status, word in STATUS_WORDS.items()],
            svg=svg,
            bars=class_view,
            most_drawn=class_curves.MOST_DRAWN,
            few=class_groups.FEW,
        )
    )


@cache
def _own_files(language: str) -> Mapping[str, str]:
    """Style sheet and script, the only text that is not escaped, and the policy that allows nothing else. The script has
    words of its own, in this language."""
    style = Markup(_environment().get_template("style.css").render())  # noqa: S704
    script = Markup(_environment().get_template("page.js").render())  # noqa: S704
    return {"style": style, "script": script, "policy": _policy(style, script)}


def _policy(style: str, script: str) -> str:
    """What the page may do: show data: pictures, and run exactly this style sheet and this script."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["coded"] = _coded
    environment.globals |= {"_": tr, "ngettext": tr_n}  # what they return is escaped like any other text
    return environment


def _coded(text: str) -> Markup:
    """A sentence with what stands in `backticks` set as code."""
    parts = _CODE.split(inert(text))
    return Markup().join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


def _finalize(value: object) -> object:
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value
