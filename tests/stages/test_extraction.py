"""Definitions are found in the syntax tree, wherever they are, with what they need and nothing that trains."""

from __future__ import annotations

import ast

import pytest

from grader.homework.wanted import GIVEN, WANTED
from grader.records import Cell, CellKind, Definition
from grader.stages.extraction import code_of, extract


def cells(*sources: str) -> tuple[Cell, ...]:
    return tuple(Cell(index=i, kind=CellKind.CODE, source=source) for i, source in enumerate(sources, 1))


def found(*sources: str) -> dict[str, Definition]:
    return dict(extract(cells(*sources), WANTED, GIVEN).definitions)


FIT = "def fit_generator(self, train_seq, eval_seq, epoch, loss, optimizer, writer=None):\n    return {body}\n"


def test_helpers_imports_and_constants_come_along_in_order() -> None:
    definition = found(
        "import numpy as np",
        "FREQ = 50",
        "def helper(x):\n    return np.sum(x) % FREQ",
        FIT.format(body="helper(epoch)"),
    )
    names = [type(node).__name__ for node in ast.parse(definition["fit_generator"].source).body]
    assert names == ["Import", "Assign", "FunctionDef", "FunctionDef"]


@pytest.mark.parametrize(
    "patch",
    [
        "Sequential.fit_generator = better_fit",
        'setattr(Sequential, "fit_generator", better_fit)',
        "utils.Sequential.fit_generator = better_fit",
    ],
)
def test_a_function_of_another_name_is_found_where_it_is_patched_on(patch: str) -> None:
    definition = found("def better_fit(self):\n    return 1", patch)["fit_generator"]
    assert (definition.name, definition.cell) == ("better_fit", 1)


def test_of_two_definitions_the_last_one_counts() -> None:
    definition = found(FIT.format(body="1"), FIT.format(body="2"))["fit_generator"]
    assert definition.cell == 2
    assert "return 2" in definition.source
    assert "return 1" not in definition.source


def test_classes_of_the_course_library_are_left_to_the_library() -> None:
    pasted = "class BatchNormFlawed:\n    marker = 1"
    source = found(pasted, "class BatchNormFixed(BatchNormFlawed):\n    pass")["BatchNormFixed"].source
    assert "marker" not in source


def test_a_method_changed_inside_a_pasted_class_is_found() -> None:
    definition = found("class Sequential:\n    def fit_generator(self):\n        return 3")["fit_generator"]
    assert "return 3" in definition.source


def test_statements_that_train_do_not_come_along() -> None:
    source = found("model = object()\nmodel.fit_generator(1, 2)", FIT.format(body="model"))["fit_generator"].source
    assert "model.fit_generator" not in source


@pytest.mark.parametrize(
    "source",
    [
        "%tensorflow_version 2.x\nx = 1",
        "!rm -rf logs/*\nx = 1",
        "files = !ls\nx = 1",
        "%time x = 1",
        "mkdir logs\nx = 1",
        "%%time\nx = 1",
        "if True:\n    !mkdir logs\nx = 1",
        "x?\nx = 1",
    ],
)
def test_magics_and_shell_commands_do_not_hide_the_code_beside_them(source: str) -> None:
    tree = code_of(source)
    assert tree is not None
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    assert [node.lineno for node in assigned] == [len(source.splitlines())]


def test_what_is_missing_is_a_fault_and_not_an_error() -> None:
    result = extract(cells("x = 1", "def broken("), WANTED, GIVEN)
    assert not result.definitions
    assert set(result.faults) == {item.name for item in WANTED}


def test_deep_nesting_is_survived() -> None:
    assert extract(cells("x = " + "(" * 5000 + ")" * 5000), WANTED, GIVEN).definitions == {}


PATCHES = {
    "a lambda": "Sequential.fit_generator = lambda self, *a: 'found'",
    "a factory's result": "def make():\n    def inner(self, *a):\n        return 'found'\n    return inner\nSequential.fit_generator = make()",
    "a branch": "if True:\n    def fit_generator(self, *a):\n        return 'found'\nSequential.fit_generator = fit_generator",
    "an attempt": "try:\n    import nothing_of_this_name\nexcept ImportError:\n    def mine(self, *a):\n        return 'found'\nSequential.fit_generator = mine",
    "another class": "class Mixin:\n    def fit_generator(self, *a):\n        return 'found'\nSequential.fit_generator = Mixin.fit_generator",
    "setattr of a decorated one": "def keep(f):\n    return f\nsetattr(Sequential, 'fit_generator', keep(lambda self, *a: 'found'))",
    "a derived class": "class Logged(Sequential):\n    def fit_generator(self, *a):\n        return 'found'",
    "another name": "def first(self, *a):\n    return 'found'\nsecond = first\nSequential.fit_generator = second",
}


@pytest.mark.parametrize("code", PATCHES.values(), ids=PATCHES)
def test_a_function_is_found_however_it_gets_to_its_place(code: str) -> None:
    definition = found(code)["fit_generator"]
    namespace: dict[str, object] = {"Sequential": type("Sequential", (), {})}
    exec(definition.source, namespace)
    function = namespace[definition.name]
    assert callable(function)
    assert function(None) == "found"


def test_what_changes_a_class_after_its_definition_belongs_to_it() -> None:
    code = "class BatchNormFixed(Base):\n    pass\ndef call(self, x):\n    return x\nBatchNormFixed.__call__ = call"
    namespace: dict[str, object] = {"Base": object}
    exec(found(code)["BatchNormFixed"].source, namespace)
    assert namespace["BatchNormFixed"]()(5) == 5  # type: ignore[operator]


def function_of(code: str) -> object:
    definition = found(code)["fit_generator"]
    namespace: dict[str, object] = {"Sequential": type("Sequential", (), {})}
    exec(definition.source, namespace)
    namespace["Sequential"].fit_generator = namespace[definition.name]  # type: ignore[attr-defined]
    return namespace["Sequential"]().fit_generator(1, 2, 3, 4, 5, None)  # type: ignore[operator]


TAKES = "def fit_generator(self, a, b, c, d, e, writer=None, log=False, every=50):\n    return log, every\nSequential.fit_generator = fit_generator\n"


@pytest.mark.parametrize(
    ("calls", "result"),
    [
        ("model.fit_generator(1, 2, 3, 4, 5, w, log=True)\n" * 3, (True, 50)),
        ("model.fit_generator(1, 2, 3, 4, 5, w, True, 10)\n" * 3, (True, 10)),
        (
            "model.fit_generator(1, 2, 3, 4, 5, w)\n" * 2 + "model.fit_generator(1, 2, 3, 4, 5, w, log=True)",
            (False, 50),
        ),
        ("model.fit_generator(1, 2, 3, 4, 5, writer=w, log=flag)\n" * 3, (False, 50)),
    ],
    ids=["by keyword", "by place", "in one call only", "not a constant"],
)
def test_arguments_that_most_calls_pass_are_passed_along(calls: str, result: tuple[bool, int]) -> None:
    assert function_of(TAKES + calls) == result


def test_a_derived_class_brings_its_other_methods() -> None:
    code = "class Logged(Sequential):\n    def name(self):\n        return 'helped'\n    def fit_generator(self, *a):\n        return self.name()"
    assert function_of(code) == "helped"


def test_the_librarys_method_put_back_is_not_taken_for_the_students() -> None:
    code = (
        "kept = Sequential.fit_generator\ndef mine(self, *a):\n    return 'mine'\n"
        "Sequential.fit_generator = mine\nSequential.fit_generator = kept"
    )
    assert function_of(code) == "mine"
