"""When code logs by the clock, and when it only looks at one."""

from __future__ import annotations

import pytest

from grader.homework.moments import waits


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if time.time() - last > 2:\n    log(gradients)", True),
        ("due = perf_counter() - last > 2\nif due:\n    tf.summary.histogram('g', g)", True),
        ("now = datetime.now()\nage = now - last\nif writer and age > limit:\n    self.log()", True),
        ("began = time.time()\nprint(time.time() - began)", False),
        ("if time.time() - began > 3600:\n    print('slow')", False),
        ("assert time.time() >= began\nlog(gradients)", False),
        ("step, began = 0, time.time()\nif step % 50 == 0:\n    log(gradients)", False),
        ("if step % 50 == 0:\n    log(gradients)", False),
    ],
)
def test_logging_by_the_clock_is_told_from_timing(source: str, expected: bool) -> None:
    assert waits(source) == expected
