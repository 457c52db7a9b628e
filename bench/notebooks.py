"""The notebooks that are measured: the seed, the solution and situations made of it, copies, and a tiny one."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import nbformat

from bench.options import REFERENCE, ROOT
from bench.session import Session
from grader.situations import build, load_all

THREE = ("seed", "solution", "valid-moments")  # executed bare: they stand for the whole batch
_UNFIT = ("cell-raises", "endless-loop")  # end early or late on purpose, so their time says nothing


@functools.cache
def different(session: Session) -> dict[str, Path]:
    """Notebooks by name, no two with the same code, the three that are executed bare first."""
    folder, texts = session.new_folder("notebooks"), set[str]()
    found = {}
    for name, notebook in sorted(_all(session).items(), key=lambda item: (item[0] not in THREE, item[0])):
        if (text := _code(notebook)) not in texts:
            texts.add(text)
            found[name] = folder / f"{name}.ipynb"
            nbformat.write(notebook, found[name])
    return found


def _all(session: Session) -> dict[str, Any]:
    situations = load_all(ROOT / "tests" / "situations", REFERENCE)
    return {
        "seed": nbformat.read(session.options.notebook, as_version=4),
        "solution": nbformat.read(REFERENCE / "solution.ipynb", as_version=4),
        **{situation.name: build(situation) for situation in situations if situation.name not in _UNFIT},
    }


def first(session: Session, count: int) -> list[Path]:
    """The first `count` of the different notebooks."""
    return list(itertools.islice(different(session).values(), count))


def tiny(folder: Path) -> Path:
    """A notebook that defines one of the things that are asked for, and trains nothing."""
    path = folder / "tiny.ipynb"
    cell = nbformat.v4.new_code_cell("def preprocess(X, y):\n    return X.reshape((-1, 28 * 28)), y", id="tiny")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def copies(models: list[Path], count: int, folder: Path) -> list[Path]:
    """`count` notebooks made of the models in turn; a comment makes the code of each its own."""
    loaded = [nbformat.read(model, as_version=4) for model in models]
    return [_copy(loaded[number % len(loaded)], number, folder) for number in range(count)]


def _copy(notebook: Any, number: int, folder: Path) -> Path:
    path = folder / f"student-{number:04}.ipynb"
    cells = [nbformat.NotebookNode(cell) for cell in notebook.cells]
    last = max(index for index, cell in enumerate(cells) if cell.cell_type == "code")
    cells[last]["source"] += f"\n# student {number}"
    nbformat.write(nbformat.NotebookNode({**notebook, "cells": cells}), path)
    return path


def _code(notebook: Any) -> str:
    return "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
