"""The pictures of docs/pictures, taken of real pages by the machine's own Chromium: `python -m tools.pictures REPORTS`.

REPORTS is what `grader grade submissions --data embedded --out REPORTS` wrote; the student's page is that of `--student`.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH = 1100


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tempfile.mkdtemp(prefix='gr-pictures-')}",
    ):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def take(chrome: webdriver.Chrome, page: Path, name: str, *, at: str = "main", height: int = 900) -> None:
    """A picture of a page from the element `at` downwards, `height` pixels high."""
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chrome.get(page.as_uri())
    top: Any = chrome.execute_script(
        "return document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY", at
    )
    clip = {"x": 0, "y": max(0, top - 20), "width": WIDTH, "height": height, "scale": 1}
    wanted = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    data = chrome.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(base64.b64decode(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--student", required=True, help="a submission with something to mend")
    given = parser.parse_args()
    reports: Path = given.reports.resolve()
    chrome = browser()
    student = reports / given.student / "report.html"
    take(chrome, student, "student")
    take(chrome, student, "curves", at="#curves", height=760)
    take(chrome, reports / "index.html", "class", height=1000)
    take(chrome, next((reports / "review").glob("*.html")), "worksheet", height=700)
    chrome.quit()


if __name__ == "__main__":
    main()
