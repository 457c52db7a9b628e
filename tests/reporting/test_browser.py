"""The pages in a real browser: quiet, within a phone's width, and sortable."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from grader.records import Report, say
from grader.reporting.html import class_page, student_page

from .factories import NASTY, class_grades, grade, report, tainted, ungraded
from .test_page import PAYLOADS, both_pages, pages_of_a_class

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NOTE = say("The embedded digits were used, not MNIST.")
ALERT = "<img src=x onerror=window.hit=1></script><script>window.hit=1</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium with chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    long = tainted("x" * 400)
    made = {
        "student": student_page(report(), data_note=NOTE),
        "class": class_page((*class_grades(), grade("y" * 300)), title="Class", data_note=NOTE),
        **{Path(path).stem: page for path, page in pages_of_a_class().items()},
        "ungraded": student_page(Report(grade=ungraded())),
        "long": student_page(long, data_note=NOTE),
        "nasty": student_page(tainted(ALERT + NASTY), data_note=NOTE),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
    return {name: folder / f"{name}.html" for name in made}


def open_page(browser: webdriver.Chrome, path: Path, width: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},  # a click does not wait for a smooth scroll
            ]
        },
    )
    browser.get(path.as_uri())


def run(browser: webdriver.Chrome, script: str, *arguments: object) -> Any:
    return browser.execute_script(script, *arguments)


def column(browser: webdriver.Chrome, number: int) -> list[str]:
    """The sorting keys of a column of the class table, from the top."""
    rows = "[...document.querySelectorAll('table.class tbody tr')]"
    found: list[str] = run(browser, f"return {rows}.map((row) => row.cells[arguments[0]].dataset.key)", number)
    return found


def plots(browser: webdriver.Chrome) -> int:
    """How many curves can be seen."""
    seen: int = run(
        browser, "return [...document.querySelectorAll('#curves figure')].filter((one) => one.offsetHeight > 0).length"
    )
    return seen


def test_the_keyboard_leaves_only_the_curves_that_differ(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["student"], 1200)
    everything, alike = plots(browser), len(browser.find_elements(By.CSS_SELECTOR, "figure.alike"))
    switch = browser.find_element(By.ID, "differences")
    switch.send_keys(Keys.SPACE)
    assert 0 < alike < everything and plots(browser) == everything - alike
    switch.send_keys(Keys.SPACE)
    assert plots(browser) == everything


def test_the_switch_works_without_any_script(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, pages["student"], 1200)
        browser.find_element(By.CSS_SELECTOR, "label[for=differences]").click()
        hidden = browser.find_elements(By.CSS_SELECTOR, "figure.alike")
        assert hidden and not any(figure.is_displayed() for figure in hidden)
        assert browser.find_elements(By.CSS_SELECTOR, "button") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
JUDGE = """
const done = arguments[arguments.length - 1];
document.querySelectorAll('details').forEach((one) => { one.open = true; });
axe.run().then((found) => done(found.violations.map(
  (one) => [one.impact, one.id, one.help, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])));
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["student", "index", "curves", "relu.conclusion", "ungraded"])
def test_axe_finds_nothing_that_keeps_anybody_out(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, scheme: str
) -> None:
    open_page(browser, pages[name], 1200, scheme)
    run(browser, AXE)
    assert browser.execute_async_script(JUDGE) == []  # type: ignore[no-untyped-call]


def test_axe_would_tell(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["ungraded"], 1200)
    run(browser, "document.querySelector('main').append(new Image()); document.documentElement.lang = ''")
    run(browser, AXE)
    found = {rule for _, rule, *_ in browser.execute_async_script(JUDGE)}  # type: ignore[no-untyped-call]
    assert {"image-alt", "html-has-lang"} <= found


@pytest.mark.parametrize("name", ["student", "index"])
def test_a_page_prints_with_every_criterion_and_in_the_colours_of_paper(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str
) -> None:
    open_page(browser, pages[name], 1200, "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    paper = "return [getComputedStyle(document.body).backgroundColor, document.querySelector('.theme').offsetHeight]"
    assert run(browser, paper) == ["rgb(247, 247, 245)", 0]
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    sheets = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pdf.startswith(b"%PDF-") and 1 <= sheets < 40
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


NAMES = ["student", "class", "ungraded", "long", "nasty", "index", "curves", "relu.conclusion"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [360, 1200])
def test_a_page_fits_its_window_and_the_console_stays_quiet(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, width: int
) -> None:
    open_page(browser, pages[name], width)
    run(browser, "document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert run(browser, "return document.documentElement.scrollWidth") <= width
    assert run(browser, "return window.hit") is None
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert run(browser, "return performance.getEntriesByType('resource').length") == 0


WIDENED = """
const table = document.querySelector('table.class');
for (const row of table.querySelectorAll('thead tr:last-child, tbody tr'))
  for (let n = row.cells.length; n < 3 + 16; n++) row.append(row.cells[3 + n % 7].cloneNode(true));
return table.parentElement.scrollWidth - table.parentElement.clientWidth;
"""


def test_sixteen_criteria_of_a_class_are_in_sight_on_a_notebook_computer(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    open_page(browser, pages["index"], 1200)
    assert run(browser, WIDENED) == 0
    assert run(browser, "return document.documentElement.scrollWidth") <= 1200


SEEN = """
document.querySelectorAll('details').forEach((one) => { one.open = true; });
const all = [...document.querySelectorAll('*')];
const pairs = all.flatMap((one) => one.getAttributeNames().map((name) => one.localName + ' ' + name));
return [[...new Set(all.map((one) => one.localName))].sort(), [...new Set(pairs)].sort()];
"""
Seen = tuple[list[str], list[str]]


def look(browser: webdriver.Chrome, path: Path, page: str) -> Seen:
    """The tags and the attributes of an opened page, after its own script has run."""
    path.write_text(page, "utf-8")
    requests(browser)
    open_page(browser, path, 1200)
    tags, attributes = run(browser, SEEN)
    return tags, attributes


def all_pages(text: str) -> tuple[str, str, str]:
    failed = replace(ungraded(text), error=say("{text}", text=text))
    return *both_pages(text), student_page(Report(grade=failed))


@pytest.fixture(scope="module")
def usual(browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """What is seen on the pages of a class in which everything is called plain."""
    path = tmp_path_factory.mktemp("plain") / "page.html"
    return [look(browser, path, page) for page in all_pages("plain\nplain")]


def requests(browser: webdriver.Chrome) -> list[str]:
    """The addresses that pages have asked for since the last time, but for the pages themselves."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    asked = (message["params"] for message in messages if message["method"] == "Network.requestWillBeSent")
    return [params["request"]["url"] for params in asked if params.get("type") != "Document"]


@pytest.mark.parametrize("first", range(0, len(PAYLOADS), 6))
def test_no_payload_in_any_field_runs_asks_or_adds_anything(
    browser: webdriver.Chrome, usual: list[Seen], tmp_path: Path, first: int
) -> None:
    pages = all_pages("\n".join(PAYLOADS[first : first + 6]))
    for number, (page, expected) in enumerate(zip(pages, usual, strict=True)):
        assert look(browser, tmp_path / f"{number}.html", page) == expected
        assert browser.get_log("browser") == [] and requests(browser) == []  # type: ignore[no-untyped-call]


def test_the_browser_would_tell_of_scripts_and_requests(
    browser: webdriver.Chrome, usual: list[Seen], tmp_path: Path
) -> None:
    evil = "<h1><img src='http://127.0.0.1:9/x'><script>hit = 1</script>"
    page = all_pages("plain\nplain")[0].replace("<h1>", evil)
    assert look(browser, tmp_path / "0.html", page) != usual[0]
    assert browser.get_log("browser") != [] and run(browser, "return window.hit") is None  # type: ignore[no-untyped-call]
    look(browser, tmp_path / "1.html", re.sub(r"<meta http-equiv[^>]*>", "", page))
    assert run(browser, "return window.hit") == 1 and requests(browser) == ["http://127.0.0.1:9/x"]
    browser.get_log("browser")  # type: ignore[no-untyped-call]


def test_a_click_sorts_by_points_and_the_next_turns_it_round(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["class"], 1200)
    button = browser.find_elements(By.CSS_SELECTOR, "table.class th button")[1]
    button.click()
    first = [float(key) for key in column(browser, 1)]
    assert first == sorted(first, reverse=True) and first[0] > first[-1]
    button.click()
    assert [float(key) for key in column(browser, 1)] == sorted(first)
    assert browser.find_element(By.CSS_SELECTOR, "[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_by_name_with_numbers_in_their_order(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    open_page(browser, pages["class"], 1200)
    button = browser.find_elements(By.CSS_SELECTOR, "table.class th button")[0]
    names = [f"student-{n}" for n in range(1, 13)] + ["y" * 300]
    button.send_keys(Keys.ENTER)
    assert column(browser, 0) == names
    button.send_keys(Keys.SPACE)
    assert column(browser, 0) == names[::-1]


def shown(browser: webdriver.Chrome) -> list[str]:
    """The names in the rows of the class table that can be seen."""
    rows = "[...document.querySelectorAll('table.class tbody tr')].filter((row) => row.offsetHeight > 0)"
    found: list[str] = run(browser, f"return {rows}.map((row) => row.cells[0].dataset.key)")
    return found


def test_the_table_is_filtered_by_name_and_by_what_is_not_passed(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    open_page(browser, pages["index"], 1200)
    everybody = [f"student-{n}" for n in range(1, 13)]
    assert shown(browser) == everybody
    field = browser.find_element(By.CSS_SELECTOR, ".filter input")
    field.send_keys("Dent-1")
    assert shown(browser) == ["student-1", "student-10", "student-11", "student-12"]
    assert browser.find_element(By.CSS_SELECTOR, ".filter output").text == "4 of 12 shown"
    field.send_keys(Keys.ENTER)  # must not send a form anywhere
    choice = Select(browser.find_element(By.CSS_SELECTOR, ".filter select"))
    choice.select_by_visible_text("wait for a person")
    assert shown(browser) == ["student-10", "student-11", "student-12"]  # the first one's answer has been read
    field.clear()
    choice.select_by_visible_text("not passed: The repaired layer normalises (12)")
    assert shown(browser) == ["student-2", "student-3", "student-4", "student-7", "student-8", "student-12"]
    choice.select_by_visible_text("all")
    assert shown(browser) == everybody
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_filtered_table_still_sorts(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["index"], 1200)
    browser.find_element(By.CSS_SELECTOR, ".filter input").send_keys("student-1")
    browser.find_elements(By.CSS_SELECTOR, "table.class th button")[1].click()
    points = column(browser, 1)
    assert points == sorted(points, key=float, reverse=True)
    assert set(shown(browser)) == {"student-1", "student-10", "student-11", "student-12"}


def test_criteria_sort_by_how_often_they_are_passed(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["index"], 1200)
    browser.find_elements(By.CSS_SELECTOR, "table.rates th button")[1].click()
    rows = "[...document.querySelectorAll('table.rates tbody tr')]"
    keys = [float(key) for key in run(browser, f"return {rows}.map((row) => row.cells[1].dataset.key)")]
    assert keys == sorted(keys, reverse=True) and keys[0] > keys[-1]


def test_both_themes_and_the_button_between_them(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    open_page(browser, pages["student"], 1200, "dark")
    dark = run(browser, ground)
    browser.find_element(By.CSS_SELECTOR, "button.theme").click()
    light = run(browser, ground)
    open_page(browser, pages["student"], 1200)
    assert (dark, light) == ("rgb(20, 23, 26)", "rgb(247, 247, 245)")
    assert run(browser, ground) == light


def test_a_link_from_a_finding_brings_its_line_into_view(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["student"], 1200)
    run(browser, "document.documentElement.style.scrollBehavior = 'auto'")
    link = browser.find_element(By.CSS_SELECTOR, "a[href='#cell-4-line-3']")
    run(browser, "arguments[0].click()", link)
    top = run(browser, "return document.getElementById('cell-4-line-3').getBoundingClientRect().top")
    assert 0 <= top < 800
