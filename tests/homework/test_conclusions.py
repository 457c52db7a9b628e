"""Conclusions are found wherever they stand, and the task's own words are not taken for one."""

from __future__ import annotations

import time

import pytest
from bounded import bounded

from grader.homework.conclusions import _by_criterion, _only_comments
from grader.pipeline import template_of
from grader.places import reference_folder
from grader.records import Cell, CellKind

EXPERIMENTS = ("relu", "relu_smart_dense", "relu_bn", "relu_bn_fixed", "raw")
TASK = {
    "2": "## 2. Сравнение сетей\n\nВыполните эксперименты. Сравните их.\n\nПочему одна сеть учится хуже?\n\nМожно взять графики.",
    "3": "## 3.a Нормализация\n\nИзучите слой и исправьте его. Почему обучение не идёт?",
    "4": "## Часть 4. Сырые данные\n\nЧто будет, если не делить на 255? Напишите функцию `preprocess`. Сделайте выводы.",
}
MARK = "\n\n**Ваш комментарий:**\n\n---------\n\n"
RUNS = {"2": ("relu", "relu_smart_dense"), "3": ("relu_bn", "relu_bn_fixed"), "4": ("raw",)}
IDS = {"2": "relu.conclusion", "3": "bn.conclusion", "4": "raw.conclusion"}


def notebook(part: str, *extra: tuple[str, str], task: str | None = None) -> tuple[Cell, ...]:
    """A notebook with all parts; `extra` cells (kind, source) stand after the experiments of `part`."""
    cells: list[tuple[str, str]] = [("markdown", "# Работа\n\n* Два ReLU\n* Испорченный батч-норм\n* Сырые данные")]
    for number, text in TASK.items():
        cells.append(("markdown", task if task is not None and number == part else text))
        cells += [("code", f'writer = tf.summary.create_file_writer("logs/{run}")') for run in RUNS[number]]
        cells += extra if number == part else ()
    return tuple(Cell(index=i, kind=CellKind(kind), source=source) for i, (kind, source) in enumerate(cells, 1))


def found(cells: tuple[Cell, ...]) -> dict[str, str]:
    return {
        key: " ".join(words.text for words in parts)
        for key, parts in _by_criterion(cells, template_of(reference_folder())).items()
    }


OWN = "Веса слишком велики, и softmax насыщается сразу."
PLACES = {
    "a cell of its own": [("markdown", OWN)],
    "after the mark": [("markdown", f"**Ваш комментарий:** {OWN}")],
    "under another mark": [("markdown", f"### Мой вывод:\n{OWN}")],
    "in English": [("markdown", "**My answer:** the weights are too large, so softmax saturates.")],
    "opening like the task": [("markdown", f"**Ваш комментарий:** Можно заметить, что {OWN}")],
    "naming the experiment": [("markdown", f"**Ваш комментарий:** Эксперимент показал, что {OWN}")],
    "a quotation": [("markdown", f"**Ваш комментарий:**\n\n> {OWN}")],
    "in bold": [("markdown", f"**{OWN}**")],
    "as a heading": [("markdown", f"### {OWN}")],
    "in HTML": [("markdown", f"<h3>Вывод</h3><p>{OWN}</p><img src='x.png'>")],
    "a list": [("markdown", f"### Наблюдения\n* {OWN}\n* Графики `dense_z`.")],
    "a table": [("markdown", "| сеть | итог |\n|---|---|\n| первая | почти не учится совсем |")],
    "comments in a cell of code": [("code", f"# {OWN}\n# Поэтому градиентов почти нет.")],
    "a string in a cell of code": [("code", f'"""{OWN} Поэтому градиентов почти нет."""')],
}


@pytest.mark.parametrize("part", TASK)
@pytest.mark.parametrize("cells", PLACES.values(), ids=PLACES)
def test_a_conclusion_is_found_where_it_stands(part: str, cells: list[tuple[str, str]]) -> None:
    assert list(found(notebook(part, *cells))) == [IDS[part]]


@pytest.mark.parametrize("part", TASK)
def test_a_conclusion_in_the_cell_of_the_task_is_told_from_it(part: str) -> None:
    assert found(notebook(part, task=TASK[part] + MARK + OWN)) == {IDS[part]: OWN.rstrip()}
    assert list(found(notebook(part, task=f"{TASK[part]}\n\n{OWN} Это видно по гистограммам слоёв."))) == [IDS[part]]


EMPTY = {
    "nothing": "",
    "the mark alone": "**Ваш комментарий:**",
    "dots": "**Ваш комментарий:** ...",
    "a dash": "**Ваш комментарий:**\n\n-",
    "a promise": "**Ваш комментарий:**\n\nTODO: написать вывод позже",
    "a place holder": "**Вывод:** здесь будет текст вывода",
    "the task's questions": "**Ваш комментарий:** Почему одна сеть учится хуже? Сравните их.",
    "a label": "**Класс, который нужно исправить**",
    "a heading": "### Эксперимент с сырыми данными",
}


@pytest.mark.parametrize("part", TASK)
@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_words_that_say_nothing_are_no_conclusion(part: str, text: str) -> None:
    assert found(notebook(part, ("markdown", text))) == {}


def test_one_text_at_the_end_speaks_for_every_part_it_names() -> None:
    text = (
        "## Общие выводы\n\n### Два ReLU\nУ второй сети веса меньше, она учится.\n\n"
        "### Батч-норм\nДеление на ноль даёт NaN.\n\n### Сырые данные\nВходы слишком велики."
    )
    assert set(found(notebook("4", ("markdown", text)))) == set(IDS.values())
    one = "## Итог\n\nСеть relu_smart_dense лучше, батч-норм делит на ноль, на сырых данных ничего не выходит."
    assert set(found(notebook("4", ("markdown", one)))) == set(IDS.values())


def test_words_in_a_wrong_part_count_for_the_part_they_speak_of() -> None:
    misplaced = ("markdown", "Умные слои инициализации лучше: relu_smart_dense учится быстрее.")
    proper = ("markdown", "Деление на нулевую сигму даёт NaN, поэтому нужен эпсилон.")
    assert set(found(notebook("3", misplaced, proper))) == {"relu.conclusion", "bn.conclusion"}


@pytest.mark.parametrize("head", ["## Вывод", "## Заключение", "**Ваш комментарий:**"])
def test_a_last_word_on_everything_needs_no_special_heading(head: str) -> None:
    text = f"{head}\n\nУ relu_smart_dense веса меньше, и она учится; батч-норм без эпсилон даёт NaN; на сырых данных всё плохо."
    assert set(found(notebook("4", ("markdown", text)))) == set(IDS.values())


@pytest.mark.parametrize(
    "text",
    [
        "# -" + " " * 9000 + "x",
        "вывод" + " " * 9000 + "x",
        "*" * 9000,
        "<!--" * 4000,
        "<" * 9000,
        "я" * 100_000,
        "а? " * 9000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_no_text_takes_long(text: str) -> None:
    begin = time.process_time()
    found(notebook("2", ("markdown", text), ("code", f"# {text}")))
    assert time.process_time() - begin < 20  # far above what it takes; far below what such texts took once


def test_the_list_of_contents_is_no_conclusion() -> None:
    assert found(notebook("2")) == {}


@pytest.mark.parametrize("kind", ["markdown", "code"])
def test_a_notebook_full_of_words_takes_bounded_time(kind: str) -> None:
    text = ("ы" * 1999 + "\n") * 10 if kind == "markdown" else ("# " + "ы" * 50 + "\n") * 1800
    assert bounded(lambda: found(notebook("2", *[(kind, text)] * 300)))


def test_what_stands_before_too_many_words_is_found() -> None:
    cells = notebook("2", ("markdown", OWN), *[("markdown", "слово " * 3000)] * 1900)
    assert OWN in found(cells)["relu.conclusion"]


def test_a_cell_of_code_that_is_too_long_is_not_looked_through() -> None:
    (long,) = bounded(lambda: [_only_comments("x = 1\n" * 5_000_000)], mib=256)
    assert long == ""
