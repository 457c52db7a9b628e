"""The plain-text result."""

from __future__ import annotations

from grader.language import RUSSIAN, using
from grader.records import Report
from grader.reporting.terminal import one_line, render

from .factories import NASTY, grade, report, tainted, ungraded


def test_it_says_points_what_waits_and_why_points_are_lost() -> None:
    text = render(report())
    assert "30.33 of 75 points\nUp to 7 more points will be given by a person" in text
    assert "  IN PART     Validation loss and metric ......" in text
    for part in (
        "expected    one point an epoch: 10 points",
        "actual      no scalar",
        "where       cell 4, line 3; run relu",
        "what to try Write it",
    ):
        assert part in text
    assert "waits for: The repaired layer normalises" in text
    assert "fault, not yours" in text
    assert text.index("Remarks (they cost nothing)") < text.index("fit_generator fails when writer=None.")


def test_no_line_is_wider_than_asked_for() -> None:
    for width in (50, 80, 100):
        assert max(map(len, render(report(), width=width).splitlines())) <= width
    assert max(map(len, render(report(grade=grade("x" * 500)), width=80).splitlines())) <= 80


def test_nothing_active_reaches_the_terminal() -> None:
    text = render(tainted(NASTY))
    assert all(c == "\n" or c.isprintable() for c in text)
    assert "\\x1b[31m\\u202egnp.exe\\u200b\\ud800" in text


def test_an_ungraded_submission_is_one_sentence() -> None:
    assert render(Report(grade=ungraded())) == (
        "petrov\nNot graded: The file is no notebook: it begins with an HTML page. Hand in the .ipynb file itself."
    )


def test_a_submission_of_a_class_is_one_line() -> None:
    assert one_line(grade()) == "ivanova: 30.33 of 75 points, 7 to be read, 8 undecided"
    assert one_line(grade(criteria=())) == "ivanova: 0 of 0 points"
    assert one_line(ungraded()).startswith("petrov: not graded: The file is no notebook")
    assert one_line(grade("a\nb\x1b[2J")).startswith("a b\\x1b[2J: ")


def test_it_speaks_russian() -> None:
    with using(RUSSIAN):
        lines = render(report(), width=80).splitlines()
        assert one_line(grade()) == "ivanova: 30,33 из 75 баллов, на проверке: 7, не решено: 8"
    text = "\n".join(lines)
    assert lines[1] == "30,33 из 75 баллов"
    for part in (
        "Ещё до 7 баллов поставит преподаватель, когда прочитает: Два ReLU: вывод (7).",
        "  ЧАСТИЧНО    Функция потерь и метрика на валидации ..",
        "зависит от критерия: Исправленный слой нормализует",
        "ожидалось   one point an epoch",
        "где         ячейка 4, строка 3; эксперимент relu",
        "Примечания (баллы за них не снимаются)",
        "- Предупреждение: ",
    ):
        assert part in text
    assert max(map(len, lines)) <= 80
