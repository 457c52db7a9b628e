"""The option that rewrites the expected files, and an output folder as `grader grade` writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLD = Path(__file__).parent / "gold"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-exports", action="store_true", help="write the files of tests/exports/gold anew")


@pytest.fixture
def same_as_gold(request: pytest.FixtureRequest) -> Callable[[str, bytes | str], None]:
    """Compare a file with the expected one, byte for byte."""

    def compare(name: str, made: bytes | str) -> None:
        path, data = GOLD / name, made.encode() if isinstance(made, str) else made
        if request.config.getoption("--update-exports", default=False):
            path.write_bytes(data)
        assert data == path.read_bytes(), "run pytest tests/exports --update-exports, then read the diff"

    return compare
