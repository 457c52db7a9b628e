"""Measures the grader and prints one table: `.venv/bin/python -m bench`.

    python -m bench                                  # everything: hours, since whole MNIST is trained on several times
    python -m bench --rows 5,9                       # some rows
    python -m bench --quick                          # a slice of MNIST everywhere: is the benchmark itself in order?
    python -m bench --rows 1,2,3 --save-bare b.json  # keep the slow measurement of bare executions …
    python -m bench --rows 1 --use-bare b.json       # … and use it again while developing

Rows, each measured against something on the same machine, in the same run:

     1  one notebook, profile fast, warm worker        | nbclient executes it as it stands, whole MNIST
     2  the same, profile full                         | the same
     3  24 different notebooks, two workers, fast      | 24 executions one after the other
     4  cold start of the command                      | warm grading
     5  an unchanged submission again                  | its first grading
     6  a class of 200 after a change of the rubric    | 10 s
     7  the harness's own share of a grading           | the whole of it
     8  memory of the parent and of the worker         | fixed bounds
     9  1,000 tiny submissions with stored evidence    | 50 ms each
    10  nbgrader and otter-grader, side by side        | warm grading

Medians of --runs runs; what takes minutes (bare, full, the batch, the peers) is run --long-runs times. Nothing fails
because a machine is slow: the exit code is 0 when every row could be measured, whatever its value, and 1 otherwise.
Progress goes to the standard error. The peers are installed into environments of their own below --peers-venv.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import many, memory, one_notebook, peers, rejudging, start, table, throughput
from bench.options import Options, parse
from bench.records import Row
from bench.session import Session, say

ROWS: Mapping[int, Callable[[Session], Row]] = {
    1: one_notebook.fast,
    2: one_notebook.full,
    3: throughput.batch,
    4: start.cold_start,
    5: start.unchanged,
    6: rejudging.changed_rubric,
    7: one_notebook.harness_share,
    8: memory.bounds,
    9: many.tiny_submissions,
    10: peers.side_by_side,
}


def main(argv: list[str]) -> int:
    """Measure the chosen rows and print the table. Exit code 1 when a row could not be measured."""
    options = parse(argv, rows=tuple(ROWS))
    with tempfile.TemporaryDirectory(prefix="grader-bench-", ignore_cleanup_errors=True) as folder:
        rows = [_measured(number, Session(options=options, folder=Path(folder))) for number in options.rows]
    _publish(table.render(rows, options), options)
    return 1 if any(row.failed for row in rows) else 0


def _measured(number: int, session: Session) -> Row:
    """The row; when it cannot be measured, a row that says so, since the others may have taken hours."""
    say(f"row {number}")
    try:
        return ROWS[number](session)
    except Exception as error:  # noqa: BLE001 - whatever went wrong with one row, the others count
        traceback.print_exc()
        reason = " ".join(str(error).split())[:300]
        return Row(number=number, what=f"not measured: {type(error).__name__}: {reason}", failed=True)


def _publish(text: str, options: Options) -> None:
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
