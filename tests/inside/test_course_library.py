"""The course library is the harness's own however a notebook imports it, and prepared each time that its code has run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grader

NAME = "a_course_library"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    inside, own, shadow = Path(grader.__file__).parent / "inside", tmp_path / "course", tmp_path / "work"
    for folder, whose in ((own, "course"), (shadow, "student")):
        folder.mkdir()
        (folder / f"{NAME}.py").write_text(f"class Sequential: whose = '{whose}'\n")
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(inside))
    monkeypatch.syspath_prepend(str(shadow))
    place = importlib.import_module("course_library").place
    yield place(str(own), NAME, [lambda module: setattr(module.Sequential, "prepared", True)])
    sys.modules.pop(NAME)


def imported_anew(_: Any) -> Any:
    del sys.modules[NAME]
    return importlib.import_module(NAME)


@pytest.mark.parametrize("again", [importlib.reload, imported_anew])
def test_a_library_that_is_loaded_again_is_ours_and_prepared(library: Any, again: Any) -> None:
    first = library.Sequential
    second = again(library).Sequential
    assert second is not first
    assert (first.whose, first.prepared) == (second.whose, second.prepared) == ("course", True)
