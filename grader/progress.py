"""Progress on long work: one row a submission on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from grader.reporting.text import inert

_SAYS = {
    "running": "running the notebook",
    "probing": "trying out its functions",
    "judging": "judging",
    "done": "done",
}


@contextmanager
def display(total: int, *, quiet: bool = False) -> Iterator[Callable[[str, str], None]]:
    """A function (submission id, stage) that shows how far the work is, on the standard error."""
    if quiet:
        yield lambda name, stage: None
    elif sys.stderr.isatty():
        with _bars(total) as update:
            yield update
    else:
        yield _lines(total)


def _estimate(done: int, total: int, began: float) -> str:
    """`about 3 min left`, from the mean time of those that are done."""
    if not 0 < done < total:
        return ""
    left = (time.monotonic() - began) / done * (total - done)
    return f", about {left / 60:.0f} min left" if left > 90 else f", about {max(1, round(left))} s left"


def _lines(total: int) -> Callable[[str, str], None]:
    began, lock, done = time.monotonic(), threading.Lock(), 0

    def update(name: str, stage: str) -> None:
        nonlocal done
        with lock:
            done += stage == "done"
            print(
                f"[{done}/{total}] {inert(name)}: {_SAYS[stage]}{_estimate(done, total, began)}",
                file=sys.stderr,
                flush=True,
            )

    return update


@contextmanager
def _bars(total: int) -> Iterator[Callable[[str, str], None]]:
    began, rows, done = time.monotonic(), dict[str, TaskID](), 0
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        whole = bars.add_task("class", total=total, note=f"0 of {total}")

        def update(name: str, stage: str) -> None:
            nonlocal done
            if stage == "done":
                done += 1
                if name in rows:
                    bars.remove_task(rows.pop(name))
                bars.update(whole, completed=done, note=f"{done} of {total}{_estimate(done, total, began)}")
            elif name in rows:
                bars.update(rows[name], note=_SAYS[stage])
            else:
                rows[name] = bars.add_task(inert(name).replace("[", "\\["), total=None, note=_SAYS[stage])

        yield update
