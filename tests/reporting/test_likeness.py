"""Pairs to look at: found under other names and in another order, and not where only the task is the same."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from grader.formats.notebooks import read_notebook
from grader.places import reference_folder
from grader.records import Cell, CellKind, Run, Scalars
from grader.reporting import likeness
from grader.reporting.overview import Overview

SOLUTION = read_notebook(reference_folder() / "solution.ipynb").cells
GIVEN = likeness.all_code_prints(read_notebook(reference_folder() / "template.ipynb").cells)


def code(*sources: str) -> tuple[Cell, ...]:
    return tuple(Cell(index=n, kind=CellKind.CODE, source=source) for n, source in enumerate(sources, start=1))


def shown(name: str, cells: Iterable[Cell] = (), words: str = "", series: Iterable[Run] = ()) -> Overview:
    return Overview(
        id=name,
        code=likeness.code_prints(cells) - GIVEN,
        words=likeness.word_prints([words]),
        series=likeness.series_prints(series),
    )


def found(*compared: Overview) -> set[tuple[str, str]]:
    return {(pair.one, pair.other) for pair in likeness.pairs(compared)}


# --- code -----------------------------------------------------------------------------------------------------------


def renamed(source: str) -> str:
    """The same code with other names, other layout and no comments."""
    for old, new in (
        ("step", "counter"),
        ("grad", "derivative"),
        ("loss", "cost"),
        ("epoch", "round_"),
        ("self", "self"),
    ):
        source = re.sub(rf"(?<![.\w]){old}(?=\w*\b)", new, source)
    return re.sub(r"[ \t]*#[^\n]*", "", source).replace(", ", ",")


def test_other_names_and_another_order_of_cells_hide_nothing() -> None:
    moved = code(*(renamed(cell.source) for cell in reversed(SOLUTION) if cell.kind is CellKind.CODE))
    (pair,) = likeness.pairs((shown("anna", SOLUTION), shown("boris", moved)))
    assert (pair.one, pair.other) == ("anna", "boris")
    assert pair.code > 0.9


def test_the_template_makes_nobody_alike() -> None:
    template = read_notebook(reference_folder() / "template.ipynb").cells
    assert shown("anna", template).code == frozenset()
    assert found(shown("anna", template), shown("boris", template)) == set()


def test_another_solution_of_the_same_task_is_not_alike(shared: Path) -> None:
    homework = shared / "seed" / "homework.ipynb"
    assert found(shown("anna", SOLUTION), shown("boris", read_notebook(homework).cells)) == set()


def test_what_many_share_is_nobodys_but_what_two_share_besides_is_seen() -> None:
    idiom = "\n".join(f"tf.summary.histogram.a{k}(model.f{k}, step.g{k} + {k})" for k in range(30))
    own = ["\n".join(f"x.{name}{k} = y.{name}{k * 3} * z.w{name}{k}" for k in range(30)) for name in "abcdefghijklmn"]
    honest = [shown(f"s{n}", code(idiom, text)) for n, text in enumerate(own)]
    assert found(*honest) == set()
    assert found(*honest, shown("t", code(own[3], idiom))) == {("s3", "t")}


def test_a_group_of_any_size_that_is_all_the_same_is_found() -> None:
    same = [shown(f"s{n}", SOLUTION) for n in range(40)]
    assert found(*same) == {("s0", f"s{n}") for n in range(1, 40)}


def test_code_that_is_no_python_is_compared_as_well() -> None:
    lines = "\n".join(f"!pip {k} a.b{k} <- c.d{k};" for k in range(30))
    broken = f"def f(:\n{lines}\n'never closed"
    assert found(shown("anna", code(broken)), shown("boris", code(broken + "\n%magic"))) == {("anna", "boris")}


# --- answers and curves ---------------------------------------------------------------------------------------------

ANSWER = (
    "Веса первой сети слишком велики, поэтому softmax насыщается и градиенты почти равны нулю на всех шагах обучения"
)


def test_an_answer_with_a_word_or_two_changed_is_alike_and_a_short_one_is_not() -> None:
    other = "Вывод: " + ANSWER.upper().replace("ПОЧТИ", "практически") + "!"
    longer = f"{ANSWER} {ANSWER[::-1]}"
    assert found(shown("anna", words=longer), shown("boris", words=f"{other} {ANSWER[::-1]}")) == {("anna", "boris")}
    assert found(shown("anna", words="Сеть не учится."), shown("boris", words="Сеть не учится.")) == set()


def run(*values: float) -> Run:
    n = len(values)
    series = Scalars(tag="loss", steps=np.arange(n), values=np.array(values), times=np.arange(n) * 1.0)
    return Run(name="relu", scalars=(series,), histograms=(), files=())


def test_submitted_curves_are_alike_when_every_value_is_the_same() -> None:
    curve = (3.1, 2.2, 1.7, 1.5, 1.4)
    (pair,) = likeness.pairs([shown(name, series=[run(*curve)]) for name in ("anna", "boris")])
    assert (pair.series, pair.code) == (1, 0.0)
    assert found(shown("anna", series=[run(*curve)]), shown("boris", series=[run(*curve[:4], 1.40001)])) == set()


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (0.098,) * 10, (np.nan,) * 10, (1.0, np.nan, 1.0, 2.0, 2.0)])
def test_curves_that_anybody_may_have_are_not_compared(values: tuple[float, ...]) -> None:
    assert found(*(shown(name, series=[run(*values)]) for name in ("anna", "boris"))) == set()


# --- bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["'''" * 50_000, "'" * 200_000, '"\\' * 100_000, "x" * 500_000, "1." * 200_000])
def test_no_source_takes_long(source: str) -> None:
    begin = time.process_time()
    likeness.code_prints(code(source, source))
    assert time.process_time() - begin < 20  # far above what it takes; a pattern that goes back takes hours


def test_a_class_of_three_hundred_costs_no_more_than_its_rare_prints() -> None:
    """The number of comparisons is bounded, whatever is shared: all share one half, and twenty at a time the other."""
    prints = [frozenset(range(500)) | frozenset(range(1000 + n // 20 * 500, 1500 + n // 20 * 500)) for n in range(300)]
    begin = time.process_time()
    pairs = likeness.pairs([Overview(id=f"s{n}", code=code) for n, code in enumerate(prints)])
    assert time.process_time() - begin < 60
    assert len(pairs) == 15 * 19 + 15 * 19 * 18 // 2
