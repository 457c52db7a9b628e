"""The notebooks of the project: the template, the solution, the situations and the example submissions."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

from grader.assignment import load_assignment
from grader.errors import UsageError
from grader.formats.code import code_of
from grader.records import Cell, CellKind, Status
from grader.situations import Situation, build, load, load_all, main

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "reference"
SITUATIONS = load_all(ROOT / "tests" / "situations", REFERENCE)
RUBRIC = {criterion.id: criterion for criterion in load_assignment(REFERENCE).criteria}
MARK = "**Ваш комментарий:**"


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(REFERENCE / f"{name}.ipynb", as_version=4)


def sources(node: nbformat.NotebookNode) -> dict[str, str]:
    return {cell.id: cell.source for cell in node.cells}


def code_cells(node: nbformat.NotebookNode) -> list[Cell]:
    kinds = [(number, cell) for number, cell in enumerate(node.cells, start=1) if cell.cell_type == "code"]
    return [Cell(index=number, kind=CellKind.CODE, source=cell.source) for number, cell in kinds]


def trees(node: nbformat.NotebookNode) -> list[ast.Module]:
    """The code cells as syntax trees, magics blanked out; a cell that cannot be parsed fails the test."""
    found = [code_of(cell.source) for cell in code_cells(node)]
    assert None not in found
    return [tree for tree in found if tree is not None]


def definitions(node: nbformat.NotebookNode) -> dict[str, ast.AST]:
    statements = [statement for tree in trees(node) for statement in tree.body]
    return {s.name: s for s in statements if isinstance(s, ast.FunctionDef | ast.ClassDef)}


# --- template and solution ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["template", "solution"])
def test_a_notebook_is_valid_and_carries_no_outputs(name: str) -> None:
    node = notebook(name)
    nbformat.validate(node)
    assert (node.nbformat, node.nbformat_minor) == (4, 5)
    assert all(not cell.outputs and cell.execution_count is None for cell in node.cells if cell.cell_type == "code")
    assert len(sources(node)) == len(node.cells)


@pytest.mark.parametrize("name", ["template", "solution"])
def test_a_notebook_defines_what_the_brief_names_and_runs_the_five_experiments(name: str) -> None:
    node = notebook(name)
    assert {"fit_generator", "BatchNormFixed", "preprocess"} <= set(definitions(node))
    runs = [run.run for run in load_assignment(REFERENCE).experiments]
    text = "\n".join(sources(node).values())
    assert [run for run in runs if f'create_file_writer("logs/{run}")' in text] == runs


def test_the_template_is_unfinished() -> None:
    given = definitions(notebook("template"))
    assert ast.unparse(given["preprocess"]).endswith("pass")
    assert "tf.math.reduce_std(x, axis=0)" in ast.unparse(given["BatchNormFixed"])
    assert "val_loss.result().numpy()" not in ast.unparse(given["fit_generator"])
    assert "histogram" not in ast.unparse(given["fit_generator"])
    assert not code_of(sources(notebook("template"))["patch"]).body  # type: ignore[union-attr]


def test_the_solution_differs_from_the_template_only_where_students_work() -> None:
    given, solved = sources(notebook("template")), sources(notebook("solution"))
    assert list(given) == list(solved)
    changed = {key for key in given if given[key] != solved[key]}
    places = {key for key in given if given[key] == MARK}
    assert changed == {"fit-generator", "patch", "batch-norm", "preprocess"} | places
    assert places == {"comment-2", "comment-3a", "comment-3b", "comment-4"}


def test_the_solution_has_real_conclusions() -> None:
    solved = sources(notebook("solution"))
    for key in ("comment-2", "comment-3a", "comment-3b", "comment-4"):
        assert solved[key].startswith(MARK)
        assert len(solved[key].split()) > 60


# --- situations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_situation_builds_a_notebook_that_parses(situation: Situation) -> None:
    node = build(situation)
    if "notebook.runs" not in situation.expect:  # else a cell may be meant to be no Python
        assert trees(node)
    original = nbformat.read(situation.base, as_version=4)
    assert [cell.source for cell in node.cells] != [cell.source for cell in original.cells]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_what_a_situation_expects_is_possible(situation: Situation) -> None:
    assert set(situation.expect) <= set(RUBRIC)
    least, most = situation.lost
    surely = [key for key, allowed in situation.expect.items() if not {Status.PASSED, Status.PARTIAL} & set(allowed)]
    expected = sum(RUBRIC[key].points for key in situation.expect)
    if situation.base.name == "solution.ipynb":
        assert sum(RUBRIC[key].points for key in surely) <= most
        assert least <= most <= expected
    else:  # the template has nothing to lose
        assert -expected <= least <= most <= 0
    valid = all(Status.PASSED in allowed for allowed in situation.expect.values())
    assert situation.name.startswith("valid-") == valid


def test_every_criterion_fails_in_some_situation() -> None:
    broken = {
        key for situation in SITUATIONS for key, allowed in situation.expect.items() if Status.PASSED not in allowed
    }
    assert broken == set(RUBRIC)


def written(folder: Path, text: str) -> Situation:
    folder.mkdir(exist_ok=True)
    (folder / "situation.toml").write_text(text, encoding="utf-8")
    return load(folder, REFERENCE)


HEAD = 'base = "solution"\nabout = "…"\nlost = 0\n'


def test_edits_replace_remove_and_insert(tmp_path: Path) -> None:
    situation = written(
        tmp_path / "s",
        HEAD + '[[edit]]\ncell = "patch"\nreplace = "1"\n[[edit]]\ncell = "comment-4"\nremove = true\n'
        '[[edit]]\ncell = "title"\ninsert_after = "2"\n[[edit]]\ncell = "def preprocess"\nfind = "28 * 28"\nwith = "784"\n',
    )
    node = build(situation)
    after = sources(node)
    assert after["patch"] == "1" and "comment-4" not in after
    assert node.cells[1].source == "2" and node.cells[1].cell_type == "code"
    assert "X.reshape(-1, 784)" in after["preprocess"]


@pytest.mark.parametrize(
    "edit",
    [
        'cell = "no such cell"\nremove = true',
        'cell = "writer = tf.summary"\nremove = true',
        'cell = "patch"\nfind = "absent"\nwith = ""',
        'cell = "fit-generator"\nfind = "writer"\nwith = ""',
        'cell = "patch"\nfind = ""\nwith = ""',
    ],
)
def test_an_edit_that_fits_nowhere_or_in_several_places_is_an_error(tmp_path: Path, edit: str) -> None:
    situation = written(tmp_path / "s", f"{HEAD}[[edit]]\n{edit}\n")
    with pytest.raises(UsageError, match="Edit 1 of s"):
        build(situation)


@pytest.mark.parametrize(
    "text",
    [
        'base = "other"\nabout = ""\nlost = 0',
        'base = "solution"\nabout = ""',
        f'{HEAD}[expect]\n"raw.run" = "bad"',
        f'{HEAD}[[edit]]\ncell = "patch"\nfind = "x"',
        f"{HEAD}losts = 3",
        "not toml",
    ],
)
def test_a_broken_description_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        written(tmp_path / "s", text)


def test_situations_are_written_from_the_command_line(tmp_path: Path) -> None:
    folder = ROOT / "tests" / "situations" / "gradients-missing"
    assert main([str(folder), "--out", str(tmp_path), "--reference", str(REFERENCE)]) == 0
    assert nbformat.read(tmp_path / "gradients-missing.ipynb", as_version=4) == build(load(folder, REFERENCE))
    assert main([str(tmp_path), "--out", str(tmp_path)]) == 2


# --- example submissions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["valid-own-style", "gradients-missing"])
def test_an_example_submission_is_what_its_situation_gives(name: str) -> None:
    committed = nbformat.read(ROOT / "submissions" / f"{name}.ipynb", as_version=4)
    assert committed == build(load(ROOT / "tests" / "situations" / name, REFERENCE))


def test_the_untouched_example_is_the_template() -> None:
    assert (ROOT / "submissions" / "template.ipynb").read_bytes() == (REFERENCE / "template.ipynb").read_bytes()
