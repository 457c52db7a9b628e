"""A small class that has been executed, for all tests of batches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader.sandbox import bubblewrap

from .making import Stored, stored_class


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    if bubblewrap.unavailable() is not None:
        pytest.skip("bubblewrap cannot make a box here")
    with stored_class(tmp_path_factory.mktemp("stored"), 40) as made:
        yield made
