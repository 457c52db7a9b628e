"""The course library is the harness's own however a notebook imports it, and prepared each time that its code has run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grader
from grader.places import reference_folder

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


RELOADED = """
import importlib, sys
sys.path[:0] = sys.argv[1:]
import accelerate, course_library, tracing
library = course_library.place(sys.argv[2], "utils", [accelerate.install()])
library.Own = type("Own", (library.Dense,), {"__module__": "__main__"})
importlib.reload(library)
print(tracing.pristine(library.Dense), tracing.pristine(library.Own))
"""


def test_a_class_that_a_notebook_put_into_the_library_is_not_taken_for_its_own() -> None:
    folders = [str(Path(grader.__file__).parent / "inside"), str(reference_folder())]
    done = subprocess.run([sys.executable, "-c", RELOADED, *folders], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def imported_anew(_: Any) -> Any:
    del sys.modules[NAME]
    return importlib.import_module(NAME)


@pytest.mark.parametrize("again", [importlib.reload, imported_anew])
def test_a_library_that_is_loaded_again_is_ours_and_prepared(library: Any, again: Any) -> None:
    first = library.Sequential
    second = again(library).Sequential
    assert second is not first
    assert (first.whose, first.prepared) == (second.whose, second.prepared) == ("course", True)
