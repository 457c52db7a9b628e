"""The pages: what stands on them, in which order, and that no text of a student becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.language import ENGLISH, RUSSIAN
from grader.records import Cell, CellKind, Exhibit, Report, Status, say
from grader.reporting import html
from grader.reporting.html import class_page, class_pages, student_page
from grader.reporting.overview import overview
from grader.store import kept_text

from .factories import (
    NASTY,
    bands,
    class_grades,
    class_reports,
    curve,
    exhibit,
    finding,
    grade,
    judgement,
    report,
    ridge,
    small_exhibit,
    submission,
    tainted,
    ungraded,
)

NOTE = say("The embedded digits were used, not MNIST.")
SEED = Path(__file__).parents[2] / "../shared/seed/homework.ipynb"

TAGS = """
html head meta title style body script main header section nav article aside figure figcaption details summary div span
p a h1 h2 h3 h4 ul ol li dl dt dd table caption thead tbody tr th td blockquote q strong code pre input label
svg symbol use desc path circle rect text g
"""
ATTRIBUTES = """
lang charset http-equiv content name class id href role tabindex scope colspan title data-sortable data-filterable data-sort data-key
type for aria-label aria-labelledby open aria-hidden focusable viewbox preserveaspectratio d x y cx cy r rx width height text-anchor
"""
LINK = r"#.*|(\.\./)?[\w%.~-]+/report\.html(#[\w%.~-]+)?|(\.\./)?index\.html|(review/)?[\w.~-]+\.html"
PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "</text></svg><iframe src=javascript:alert(1)>",
    "<math><mtext></math><a href=javascript:alert(1)>x",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus tabindex=0 '",
    '"><body onload=alert(1)>',
    "--><script>alert(1)</script><!--",
    "<!--<script>",
    "]]><script>alert(1)</script>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "{{ 7 * 7 }}{% raw %}",
    "${alert(1)}`",
    "</textarea></pre></code></td></table><form action=//evil><button>",
    '<meta http-equiv="refresh" content="0;url=//evil">',
    "<base href=//evil/>",
    "<link rel=stylesheet href=//evil>",
    "<style>@import '//evil'</style>",
    "\x1b]0;title\x07\x1b[2J",
    "\u202e\u2066\u200b\ufeff",
    "\ud800\udfff",
    "\x00<b>\x00",
    "<a href='//evil/?" + "x" * 3000,
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<object data='data:text/html,<script>alert(1)</script>'><embed src=//evil>",
    "<details open ontoggle=alert(1)><video><source onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)><a href=vbscript:alert(1)>",
    "<p style='background:url(//evil)'>",
    "<use href='data:image/svg+xml,<svg onload=alert(1)>#x'/>",
    "<template><script>alert(1)</script></template><noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\x3c/script>",
    "\u00adjava\tscript:alert(1)",
    "\b" * 200 + "\x9b31m\x85\u2028\u2029",
    "::error file=x::forged\r::warning::forged",
    '=HYPERLINK("//evil")',
]


class Parsed(HTMLParser):
    """Tags in order, attributes, and the text outside of them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append("/" + tag)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def both_pages(text: str) -> tuple[str, ...]:
    """The page of a student, and those of the class: index, curves, worksheets."""
    made = tainted(text)
    failed = replace(ungraded(text), error=say("{text}", text=text))
    message = say("{text}", text=text)
    shown = replace(overview(made), words=frozenset())  # how alike two are depends on what they say
    twice = tuple(replace(shown, id=f"{text}{n}", series=frozenset({1})) for n in range(2))
    pages = dict(class_pages((made.grade, failed), lambda: (shown, *twice), {}, title=text, data_note=message))
    return student_page(made, data_note=message), *pages.values()


def pages_of_a_class() -> dict[str, str]:
    reports = class_reports()
    overviews = tuple(map(overview, reports))
    return dict(class_pages([r.grade for r in reports], lambda: overviews, bands(), title="Homework 3", data_note=NOTE))


# --- expected pages -------------------------------------------------------------------------------------------------


def test_the_student_page_is_the_expected_one(same_as_gold: Callable[[str, str], None]) -> None:
    shown = report(exhibit=replace(small_exhibit(), notice=say("A kind word.")))
    same_as_gold("student.html", student_page(shown, data_note=NOTE))


@pytest.mark.parametrize("path", ["index.html", "review/curves.html", "review/relu.conclusion.html"])
def test_a_page_of_the_class_is_the_expected_one(path: str, same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold(f"class-{Path(path).name}", pages_of_a_class()[path])


def test_the_page_of_an_ungraded_submission_is_the_expected_one(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("ungraded.html", student_page(Report(grade=ungraded())))


# --- in Russian ----------------------------------------------------------------------------------------------------


def in_russian(made: Report) -> Report:
    return replace(made, grade=replace(made.grade, language=RUSSIAN))


def test_the_page_of_a_russian_notebook_is_the_expected_one(same_as_gold: Callable[[str, str], None]) -> None:
    same_as_gold("student-ru.html", student_page(in_russian(report(exhibit=small_exhibit())), data_note=NOTE))


def test_the_page_of_a_russian_class_is_the_expected_one(same_as_gold: Callable[[str, str], None]) -> None:
    grades = [replace(made, language=RUSSIAN if made.error is None else None) for made in class_grades()]
    same_as_gold("class-ru.html", class_page((*grades[:3], grades[-1]), title="Homework 3", data_note=NOTE))


def test_the_language_that_is_asked_for_goes_before_the_notebooks() -> None:
    assert '<html lang="ru">' in student_page(in_russian(report()))
    assert '<html lang="en">' in student_page(in_russian(report()), language=ENGLISH)
    assert '<html lang="ru">' in student_page(report(), language=RUSSIAN)
    assert '<html lang="ru">' in class_page(class_grades(), title="Class", language=RUSSIAN)
    assert '<html lang="en">' in class_page(class_grades(), title="Class")


def test_the_script_speaks_the_language_of_the_page() -> None:
    assert '"Light theme"' in student_page(report())
    page = student_page(in_russian(report()))
    assert "Light theme" not in page
    assert json.loads(re.findall(r'isDark\(\) \? ("[^"]*")', page)[0]) == "Светлая тема"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_changes_the_structure_of_a_russian_page(payload: str) -> None:
    page, plain = (student_page(in_russian(tainted(text))) for text in (payload, "plain"))
    assert Parsed(page).tags == Parsed(plain).tags


# --- safety ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_changes_the_structure_of_a_page(payload: str) -> None:
    for page, plain in zip(both_pages(payload), both_pages("plain"), strict=True):
        parsed, expected = Parsed(page), Parsed(plain)
        assert parsed.tags == expected.tags
        assert [pair[:2] for pair in parsed.attributes] == [pair[:2] for pair in expected.attributes]


@given(st.text(st.characters(exclude_categories=(), exclude_characters="\n"), min_size=1))
@settings(max_examples=25, deadline=None)
def test_no_text_at_all_does(text: str) -> None:
    page = student_page(tainted(text))
    assert Parsed(page).tags == Parsed(student_page(tainted("plain"))).tags
    page.encode("utf-8")


def test_only_known_tags_and_attributes_appear() -> None:
    pages = [*both_pages(NASTY), student_page(report(), data_note=NOTE), student_page(Report(grade=ungraded()))]
    for page in pages:
        parsed = Parsed(page)
        assert {tag.removeprefix("/") for tag in parsed.tags} <= set(TAGS.split())
        assert {name for _, name, _ in parsed.attributes} <= set(ATTRIBUTES.split())


def test_links_stay_on_the_page_or_lead_to_a_report() -> None:
    for page in (*both_pages("//evil/a?b#c"), *both_pages("javascript:alert(1)"), *both_pages("../../etc")):
        for _, _, target in (attribute for attribute in Parsed(page).attributes if attribute[1] == "href"):
            assert re.fullmatch(LINK, target), target


def test_nothing_is_fetched_from_anywhere() -> None:
    for page in (student_page(report(), data_note=NOTE), class_page(class_grades(), title="Class")):
        assert not re.search(r"https?:|url\(|@import|//\w+\.|\bsrc=|fetch\(|XMLHttp", page)


def test_the_policy_allows_exactly_the_style_and_the_script_of_the_page() -> None:
    for page in (
        student_page(report()),
        class_page(class_grades(), title="Class"),
        student_page(Report(grade=ungraded())),
    ):
        policy = next(value for tag, name, value in Parsed(page).attributes if tag == "meta" and name == "content")
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "unsafe" not in policy
        for kind in ("style", "script"):
            (inside,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy


def test_students_words_are_shown_as_they_wrote_them() -> None:
    text = "".join(Parsed(student_page(report())).text)
    assert "The smart layer learns <b>better</b>:\nits weights begin small" in text


# --- what stands on the page ----------------------------------------------------------------------------------------


def test_sections_come_in_the_order_of_reading() -> None:
    page = student_page(report(exhibit=replace(small_exhibit(), notice=say("A kind word."))), data_note=NOTE)
    order = [
        "To mend first",
        "A kind word.",
        str(NOTE),
        'id="criteria"',
        'id="remarks"',
        'id="curves"',
        'id="gradients"',
        'id="conclusions"',
        'id="notebook"',
        'id="environment"',
    ]
    places = [page.index(part) for part in order]
    assert places == sorted(places)


def test_every_link_has_its_target_and_every_id_is_one() -> None:
    for page in (student_page(report()), student_page(tainted("a b\"'<c>")), class_page(class_grades(), title="Class")):
        attributes = Parsed(page).attributes
        ids = [value for _, name, value in attributes if name == "id"]
        assert len(ids) == len(set(ids))
        links = {value[1:] for _, name, value in attributes if name == "href" and value.startswith("#")}
        assert links <= set(ids)
        named = {part for _, name, value in attributes if name == "aria-labelledby" for part in value.split()}
        assert named <= set(ids)


def test_a_finding_leads_to_its_cell_its_run_and_a_blocked_criterion_to_its_cause() -> None:
    page = student_page(report())
    assert '<a href="#cell-4-line-3">cell 4, line 3</a>' in page
    assert '<a href="#run-1">run relu</a>' in page
    assert '<a href="#criterion-bn.normalises">The repaired layer normalises</a>. Mend that first' in page
    assert '<span class="l marked" id="cell-4-line-3">        if step % 50 == 0:' in page


def test_a_finding_in_a_text_or_beyond_what_is_shown_leads_to_the_cell() -> None:
    of_text, beyond = finding(cell=6, line=1), finding(cell=4, line=99)
    page = student_page(report(grade=grade(remarks=(of_text, beyond))))
    assert '<a href="#cell-6">cell 6, line 1</a>' in page
    assert '<a href="#cell-4">cell 4, line 99</a>' in page


def test_a_cell_that_is_not_there_gets_no_link() -> None:
    page = student_page(report(submission=None, execution=None))
    assert "cell 4, line 3" in page and "#cell-4" not in page
    assert 'id="notebook"' not in page


def test_what_lost_no_points_is_not_to_be_mended() -> None:
    page = student_page(report(grade=grade(criteria=(judgement(), judgement("x", Status.REVIEW)))))
    assert "To mend first" not in page
    assert "Up to 10 more points" in page


def test_nan_is_said_in_words_beside_the_colour() -> None:
    page = student_page(report(exhibit=exhibit(curves=(curve(n=10, bad=4),), ridges=(ridge(finite=False),))))
    assert ">NaN from step 114</text>" in page
    assert "every one is NaN" in page
    assert "not finite" in page


def test_curves_like_the_reference_can_be_hidden() -> None:
    page = student_page(report(exhibit=small_exhibit()))
    assert page.count('<figure class="alike">') == 1
    assert '<input type="checkbox" id="differences">' in page and "(1 curve that is like the reference" in page
    odd = student_page(report(exhibit=exhibit(curves=(curve(n=10, bad=4),))))
    assert 'class="alike"' not in odd and 'id="differences"' not in odd


def test_a_run_that_is_not_finite_says_where_that_begins() -> None:
    assert '<p class="origin">First seen at step 0: sigma.</p>' in student_page(report(exhibit=small_exhibit()))


def test_a_gradient_is_named_by_its_variable_and_lies_over_the_references() -> None:
    page = student_page(report(exhibit=small_exhibit()))
    assert "<strong>w of layer 1, Dense</strong> <code>grad_0</code>" in page
    assert page.count('<path class="usual" d="M') == 2  # the key, and the one variable that is known
    assert "<td>-2 to 1.5</td>" in page


def test_pictures_that_were_drawn_before_are_taken_as_they_were(tmp_path: Path) -> None:
    kept = Counter[str]()

    def keep(name: str, make: Callable[[], str]) -> str:
        kept[name] += 1
        return kept_text(tmp_path, name, make)

    def page(**changes: Any) -> str:
        return student_page(report(exhibit=small_exhibit(), **changes), keep=keep)

    assert page() == page() == student_page(report(exhibit=small_exhibit()))
    assert list(kept.values()) == [2]
    other = grade(criteria=(judgement(),))
    assert page(grade=other) == student_page(report(exhibit=small_exhibit(), grade=other))
    assert list(kept.values()) == [3]  # no rubric changes a picture


def test_what_changes_a_picture_changes_its_name() -> None:
    names: list[str] = []

    def draw(made: Exhibit, language: str | None = None) -> None:
        student_page(report(exhibit=made), language=language, keep=lambda name, make: names.append(name) or make())

    small = small_exhibit()
    first = small.curves[0]
    draw(small)
    draw(small, RUSSIAN)
    draw(replace(small, origins={}))
    draw(replace(small, curves=(replace(first, band=None), *small.curves[1:])))
    draw(replace(small, curves=(replace(first, values=first.values + 1), *small.curves[1:])))
    assert len(set(names)) == len(names) == 5


def test_pictures_have_a_name_a_description_and_their_numbers() -> None:
    page = student_page(report())
    pictures = page.count('class="plot" role="img"')
    assert pictures == page.count("<desc id=") == page.count("<summary>Numbers of")
    assert 'lang="en"' in page


def test_an_ungraded_submission_shows_its_sentence_and_no_points() -> None:
    page = student_page(Report(grade=ungraded()))
    assert "The file is no notebook" in page and "points" not in re.sub(
        r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL
    )


def test_the_class_page_tells_what_could_not_be_graded_and_why() -> None:
    page = class_page((grade("a b/ü?"), ungraded()), title="Class")
    assert 'href="a%20b%2F%C3%BC%3F/report.html"' in page
    assert '<a href="petrov/report.html">petrov</a>: The file is no notebook' in page
    assert 'title="In part, 3.33 of 10"' in page


def test_a_class_without_any_grade_is_a_page_as_well() -> None:
    assert "Could not be graded" in class_page((), title="Empty")
    assert "petrov" in class_page((ungraded(),), title="Empty")


def test_full_marks_fall_into_the_last_bar() -> None:
    page = class_page((grade(criteria=(judgement(),)),), title="Class")
    assert "90–100 %: 1" in page


def test_a_page_as_large_as_the_real_homework_stays_below_300_kb() -> None:
    if not SEED.exists():
        pytest.skip("the real submission is not beside this project")
    cells = tuple(
        Cell(index=n, kind=CellKind(cell["cell_type"]), source="".join(cell["source"]))
        for n, cell in enumerate(json.loads(SEED.read_text("utf-8"))["cells"], start=1)
    )
    runs = ("relu", "relu_smart_dense", "relu_bn", "relu_bn_fixed", "raw")
    roles = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    curves = tuple(curve(run, role, n=4690 if "train" in role else 10) for run in runs for role in roles)
    ridges = tuple(ridge(run, f"grad_dense_{k}") for run in runs for k in range(8 if "bn" in run else 6))
    shown = report(submission=replace(submission(), cells=cells), exhibit=exhibit(curves=curves, ridges=ridges))
    assert len(student_page(shown, data_note=NOTE).encode()) < 300_000


def test_a_huge_notebook_does_not_make_a_huge_page() -> None:
    many = tuple(Cell(index=n, kind=CellKind.CODE, source="x = 1\n" * 20_000) for n in range(1, 500))
    beyond = grade(remarks=(finding(cell=450),))
    shown = report(grade=beyond, submission=replace(submission(), cells=many), exhibit=exhibit(curves=(), ridges=()))
    page = student_page(shown)
    assert len(page) < 1_500_000
    assert (
        "more characters of this cell are not shown" in page
        and "#cell-450" not in page
        and "199 more cells are not shown" in page
    )


# --- colours --------------------------------------------------------------------------------------------------------


def palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))


def contrast(one: str, two: str) -> float:
    """WCAG 2 contrast ratio of two sRGB colours."""

    def luminance(colour: str) -> float:
        channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast_in_both_themes() -> None:
    style = (html.TEMPLATES / "style.css").read_text("utf-8")
    dark, light = style.split("{% endset %}")
    for colours in (palette(dark), palette(light)):
        for text in ("text", "hush", "accent", "passed", "failed", "partial", "review", "blocked", "undecided"):
            for ground in ("page", "surface", "sunk"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for text in ("text", "hush", "accent"):
            for ground in ("notice", "marked"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def test_what_stands_in_backticks_is_set_as_code_and_stays_inert() -> None:
    marked = judgement("fit.patched", findings=(finding(message=say("Mind `a < b` and `")),))
    page = student_page(report(grade=grade(criteria=(marked,))), language="en")
    assert "Mind <code>a &lt; b</code> and `" in page
