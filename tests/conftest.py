"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-situations", action="store_true", help="grade every situation, not only those that CI has time for"
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the brief and real MNIST, beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder shared/ is not beside this checkout")
    return folder
