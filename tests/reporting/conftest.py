"""The option that rewrites the expected pages, and the pages themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

GOLD = Path(__file__).parent / "gold"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-gold", action="store_true", help="write the pages of tests/reporting/gold anew")


@pytest.fixture
def same_as_gold(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a page with the expected one, without its style sheet and script."""

    def compare(name: str, page: str) -> None:
        path, scrubbed = GOLD / name, _scrub(page)
        if request.config.getoption("--update-gold", default=False):
            path.write_text(scrubbed, "utf-8")
        expected = path.read_text("utf-8")
        assert scrubbed.splitlines() == expected.splitlines(), (
            "run pytest tests/reporting --update-gold, then read the diff"
        )

    return compare


def _scrub(page: str) -> str:
    page = re.sub(r"(<(style|script)>).*?(</\2>)", r"\1…\3", page, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", page)
