"""The engine grades a homework that it knows nothing of: other names, other criteria, a library without any layers."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.cli import main
from grader.commands import prepared
from tests.another_homework.softmax import HOMEWORK, REFERENCE

pytestmark = pytest.mark.notebook

ANSWERS = {
    "right": "def softmax(x):\n    e = np.exp(x - x.max(1, keepdims=True))\n    return temperature(e, e.sum(1, keepdims=True))",
    "overflows": "def softmax(x):\n    e = np.exp(x)\n    return e / e.sum(1, keepdims=True)",
    "wrong": "def softmax(x):\n    return np.exp(x)",
    "missing": "def soft(x):\n    return x",
}


def test_another_homework_is_graded_by_its_own_criteria(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "HOMEWORK", HOMEWORK)
    for name, answer in ANSWERS.items():
        cells = [new_code_cell("import numpy as np\nfrom course import temperature"), new_code_cell(answer)]
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")  # type: ignore[no-untyped-call]
    out = tmp_path / "out"
    assert main(["grade", str(tmp_path), "--out", str(out), "--reference", str(REFERENCE), "--data", "embedded"]) == 0
    results = {
        result["submission"]["id"]: result for result in json.loads((out / "results.json").read_text())["results"]
    }
    scores = {name: (result["score"], result["max_score"]) for name, result in results.items()}
    assert scores == {"right": (10, 10), "overflows": (6, 10), "wrong": (0, 10), "missing": (0, 10)}
    assert [criterion["status"] for criterion in results["wrong"]["criteria"]] == ["failed", "blocked"]
    page = (out / "overflows" / "report.html").read_text()
    assert "Large inputs overflow." in page and '<a href="#cell-2-line-1">cell 2, line 1</a>' in page
    assert "fit_generator" not in page
    assert "A softmax that does not overflow" in (out / "index.html").read_text()
