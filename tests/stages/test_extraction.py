"""Definitions are found in the syntax tree, wherever they are, with what they need and nothing that trains."""

from __future__ import annotations

import ast
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bounded import bounded

from grader.formats.code import code_of
from grader.homework.wanted import NAMES, WANTED
from grader.records import Cell, CellKind, Definition
from grader.stages.extraction import extract, read, write


def cells(*sources: str) -> tuple[Cell, ...]:
    return tuple(Cell(index=i, kind=CellKind.CODE, source=source) for i, source in enumerate(sources, 1))


def found(*sources: str) -> dict[str, Definition]:
    return dict(extract(cells(*sources), NAMES).definitions)


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


@pytest.mark.parametrize("call", ["make(flat)", "make(preprocess=flat)", "make(lambda X, y: (X.reshape(-1, 784), y))"])
def test_a_function_is_found_through_the_parameter_of_a_helper(call: str) -> None:
    helper = "def make(preprocess=None):\n    return MNISTSequence(X, y, 128, preprocess=preprocess)"
    definition = found("def flat(X, y):\n    return X.reshape(-1, 784), y", helper, "plain = make()", "raw = " + call)
    assert "X.reshape(-1, 784), y" in definition["preprocess"].source


def test_annotations_that_a_cell_above_made_lazy_stay_so() -> None:
    made = found(
        "from __future__ import annotations\nimport numpy as np",
        "def fit_generator(self: Nobody) -> np.Nothing:\n    return np.sum(1)",
    )
    namespace: dict[str, object] = {}
    exec(made["fit_generator"].source, namespace)
    assert callable(namespace["fit_generator"])


def test_what_was_stored_comes_back_as_it_was(tmp_path: Path) -> None:
    made = extract(cells(FIT.format(body='"\\ud83d \u2028 ёж"')), NAMES)
    assert made.definitions and made.faults
    write(made, tmp_path / "found.json")
    assert read(tmp_path / "found.json") == made


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


def test_a_line_that_goes_on_with_percent_is_no_magic() -> None:
    body = '("%d"\n    % epoch)'
    definition = found(FIT.format(body=body), "%matplotlib inline\nx = 1")["fit_generator"]
    assert "'%d' % epoch" in definition.source


def test_a_docstring_may_hold_what_looks_like_a_command() -> None:
    source = found('class BatchNormFixed:\n    """\n!important\n    """')["BatchNormFixed"].source
    assert "!important" in source


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_what_ends_a_line_for_python_ends_one(sign: str) -> None:
    definition = found("x = 1\r\ny = 2\r" + FIT.format(body=f"1  # text{sign}goes on"))["fit_generator"]
    assert (definition.cell, definition.line) == (1, 3)


def test_code_that_cannot_be_written_out_again_is_a_fault_of_its_own() -> None:
    result = extract(cells(FIT.format(body="f'{epoch + len(\"\u00a0\")}'"), "class BatchNormFixed: ..."), NAMES)
    assert "BatchNormFixed" in result.definitions
    assert ("fit_generator" in result.definitions) != ("fit_generator" in result.faults)


def test_what_is_missing_is_a_fault_and_not_an_error() -> None:
    result = extract(cells("x = 1", "def broken("), NAMES)
    assert not result.definitions
    assert set(result.faults) == {item.name for item in WANTED}


DEEP: dict[str, Callable[[int], str]] = {
    "parentheses": lambda depth: "(" * depth + ")" * depth,
    "a sum": lambda depth: "+".join(["1"] * depth),
    "minus signs": lambda depth: "-" * depth + "1",
    "negations": lambda depth: "not " * depth + "1",
    "attributes": lambda depth: "a" + ".b" * depth,
    "calls": lambda depth: "a" + "()" * depth,
    "subscripts": lambda depth: "a" + "[0]" * depth,
    "conditions": lambda depth: "a if b else " * depth + "c",
    "lambdas": lambda depth: "lambda: " * depth + "1",
    "powers": lambda depth: "**".join(["2"] * depth),
}
SHALLOW = "Sequential.fit_generator = lambda self: 'found'"


@pytest.mark.parametrize("made", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("depth", [60, 140, 900, 3000, 50_000])
def test_code_of_any_depth_is_survived(made: Callable[[int], str], depth: int) -> None:
    source = f"def fit_generator(self):\n    return {made(depth)}"
    assert set(found(source)) <= {"fit_generator"}


@pytest.mark.parametrize("made", DEEP.values(), ids=DEEP)
def test_what_is_too_deep_hides_nothing_beside_it(made: Callable[[int], str]) -> None:
    assert "'found'" in found(f"x = {made(150)}", SHALLOW)["fit_generator"].source


def test_a_sum_of_many_texts_is_taken_along() -> None:
    text = " +\n    ".join(f"'line {n}'" for n in range(100))
    source = f"TEXT = ({text})\ndef fit_generator(self):\n    return TEXT"
    assert "line 99" in found(source)["fit_generator"].source


def lines(count: int, template: str) -> str:
    return "\n".join(template.format(n, n + 1) for n in range(count)) + "\n"


MONSTERS = {
    "a chain of definitions": lines(9000, "def f{0}(): return f{1}()") + "def fit_generator(self): f0()",
    "a chain of names": lines(9000, "x{1} = x{0}") + "def fit_generator(self): return x9000",
    "one name again and again": "x = 1\n" * 20_000 + "def fit_generator(self): return x",
    "one statement of many names": "from m import " + ", ".join(f"n{n}" for n in range(20_000))
    + "\ndef fit_generator(self):\n    " + "; ".join(f"n{n}" for n in range(10_000)),
    "many patches": lines(7000, "Sequential.fit_generator = u{0}"),
    "many calls": lines(4000, "m.fit_generator(a, b, c, 1, 2, 3, 4, q{0}=5)")
    + "def fit_generator(self" + "".join(f", q{n}=0" for n in range(4000)) + "): pass",
    "many decorators": lines(20_000, "@d{0}") + "def fit_generator(self): pass",
    "functions in functions": "def fit_generator(self):\n" + "".join(f"{' ' * n}def g():\n" for n in range(1, 90))
    + " " * 90 + "; ".join(f"n{n}" for n in range(5_000)),
    "a long line": f"x = '{'a' * 200_000}'\ndef fit_generator(self): return x",
    "a line that might be a command": "a" + " " * 200_000 + "(",
    "many commands": "x = 1\n" * 30_000 + "ls la\n" * 50,
    "twelve megabytes in cells": ["a = b\n" * 40_000] * 50,
    "a list of numbers": "x = [" + "0, " * 80_000 + "]\ndef fit_generator(self): return x",
}  # fmt: skip


@pytest.mark.parametrize("source", MONSTERS.values(), ids=MONSTERS)
def test_monsters_take_bounded_time_and_memory(source: str | list[str]) -> None:
    sources = [source] if isinstance(source, str) else source
    assert bounded(lambda: set(found(*sources, SHALLOW))) == {"fit_generator"}


def test_a_cell_that_is_too_long_is_passed_over_and_the_others_are_read() -> None:
    assert found("x = 1\n" * 300_000, SHALLOW)["fit_generator"].cell == 2


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


def test_what_is_put_beside_a_method_comes_along() -> None:
    source = found(
        "def helper(self):\n    return 1",
        "def other(self):\n    return 2",
        FIT.format(body="self.helper()"),
        "Sequential.helper = helper\nsetattr(Sequential, 'other', other)",
        "Sequential.fit_generator = fit_generator",
    )["fit_generator"].source
    assert "Sequential.helper = helper" in source and "def other" in source
    assert "Sequential.fit_generator" not in source


def test_a_chained_assignment_puts_a_function_in_its_place() -> None:
    assert (
        found("def train(self):\n    return 1", "Sequential.fit_generator = Sequential.fit = train")[
            "fit_generator"
        ].name
        == "train"
    )


@pytest.mark.parametrize(
    "call",
    [
        "MNISTSequence(X, y, 128, preprocess=make(784))",
        "MNISTSequence(X, y, 128, Raw.rows)",
        "MNISTSequence(*data, 128, Raw.rows)",
    ],
)
def test_a_function_is_found_that_is_made_or_looked_up_where_it_is_handed_over(call: str) -> None:
    code = "def make(n):\n    return lambda X, y: (X.reshape(-1, n), y)\nclass Raw:\n    rows = staticmethod(make(784))"
    definition = found(code, f"raw_seq = {call}")["preprocess"]
    assert "def make" in definition.source


def test_arguments_of_a_class_that_its_making_needs_are_passed_along() -> None:
    kind = (
        "class BatchNormFixed(BatchNormFlawed):\n    def __init__(self, name, epsilon):\n        self.epsilon = epsilon"
    )
    namespace: dict[str, object] = {"BatchNormFlawed": object}
    definition = found(kind, "layer = BatchNormFixed('bn', 1e-5)")["BatchNormFixed"]
    exec(definition.source, namespace)
    assert namespace[definition.name]("bn").epsilon == 1e-5  # type: ignore[operator]


def test_names_of_ones_own_for_the_librarys_arguments_are_not_passed_twice() -> None:
    function = (
        "def fit_generator(self, train_seq, eval_seq, epochs, loss_fn, optimizer, writer=None):\n    return epochs"
    )
    definition = found(function, "model.fit_generator(a, b, epochs=10, loss_fn=c, optimizer=d)")["fit_generator"]
    assert "partialmethod" not in definition.source


def test_a_module_that_the_notebook_writes_is_part_of_it() -> None:
    written = "%%writefile fixed.py\nimport math\nclass BatchNormFixed:\n    root = math.sqrt"
    definition = found(written, "from fixed import BatchNormFixed\nimport fixed")["BatchNormFixed"]
    assert (definition.cell, definition.line) == (1, 3)
    assert "import math" in definition.source and "fixed import" not in definition.source


def test_many_threads_may_parse_at_once() -> None:
    source = "\n".join(
        f"def f{n}(a, b=[1, (2, {{3: 4}})]):\n    return [x ** 2 for x in a if x > {n}]" for n in range(60)
    )
    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(lambda _: code_of(source), range(64)))
    assert all(tree is not None and len(tree.body) == 60 for tree in trees)
