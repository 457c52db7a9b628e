"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.language import ENGLISH, speak

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-situations", action="store_true", help="grade every situation, not only those that CI has time for"
    )


@pytest.fixture(scope="session", autouse=True)
def english_locale() -> Iterator[None]:
    """The tests read English in the terminal, whatever is spoken on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ALL", "C.UTF-8")
        yield


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """A test that lets the terminal speak another language does not change it for the next one."""
    yield
    speak(ENGLISH)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the brief and real MNIST, beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder shared/ is not beside this checkout")
    return folder
