"""The pages in a real browser: quiet, within a phone's width, and sortable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from grader.records import Report, say
from grader.reporting.html import class_page, student_page

from .factories import NASTY, class_grades, grade, report, tainted, ungraded
from .test_page import pages_of_a_class

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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
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


def test_a_link_from_a_finding_brings_its_cell_into_view(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["student"], 1200)
    run(browser, "document.documentElement.style.scrollBehavior = 'auto'")
    link = browser.find_element(By.CSS_SELECTOR, "a[href='#cell-4']")
    run(browser, "arguments[0].click()", link)
    top = run(browser, "return document.getElementById('cell-4').getBoundingClientRect().top")
    assert 0 <= top < 800
