"""Progress on long work: one row a submission on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from grader.language import say, shown, tr
from grader.reporting.text import inert

_SAYS = {
    "running": say("running the notebook"),
    "probing": say("trying out its functions"),
    "judging": say("judging"),
    "done": say("done"),
}


@contextmanager
def display(total: int, *, quiet: bool = False, plain: bool = False) -> Iterator[Callable[[str, str], None]]:
    """A function (submission id, stage) that shows how far the work is, on the standard error. What may be killed meanwhile
    shows `plain` lines: bars hide the cursor until they end."""
    if quiet:
        yield lambda name, stage: None
    elif sys.stderr.isatty() and not plain:
        with _bars(total) as update:
            yield update
    else:
        yield _lines(total)


class _Pace:
    """How far the work is. What an earlier command had done already says nothing of how long the rest takes."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self._worked = total, 0, 0
        self._begun: set[str] = set()
        self._since = time.monotonic()

    def count(self, name: str, stage: str) -> None:
        if stage != "done":
            self._begun.add(name)
            return
        self.done += 1
        self._worked += name in self._begun

    def estimate(self) -> str:
        """`, about 3 min left`, from the mean time of those that were worked on."""
        if not self._worked or self.done >= self.total:
            return ""
        left = (time.monotonic() - self._since) / self._worked * (self.total - self.done)
        if left > 90:
            return ", " + tr("about {n} min left", n=round(left / 60))
        return ", " + tr("about {n} s left", n=max(1, round(left)))


def tell(text: str) -> None:
    """A line for whoever looks at the standard error, while work goes on. That nobody does any more must not stop it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _lines(total: int) -> Callable[[str, str], None]:
    pace, lock = _Pace(total), threading.Lock()

    def update(name: str, stage: str) -> None:
        with lock:
            pace.count(name, stage)
            tell(f"[{pace.done}/{total}] {inert(name)}: {shown(_SAYS[stage])}{pace.estimate()}")

    return update


def _so_far(done: int, total: int) -> str:
    return tr("{done} of {total}", done=done, total=total)


@contextmanager
def _bars(total: int) -> Iterator[Callable[[str, str], None]]:
    pace, rows = _Pace(total), dict[str, TaskID]()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        whole = bars.add_task(tr("class"), total=total, note=_so_far(0, total))

        def update(name: str, stage: str) -> None:
            pace.count(name, stage)
            if stage == "done":
                if name in rows:
                    bars.remove_task(rows.pop(name))
                bars.update(whole, completed=pace.done, note=_so_far(pace.done, total) + pace.estimate())
            elif name in rows:
                bars.update(rows[name], note=shown(_SAYS[stage]))
            else:
                rows[name] = bars.add_task(inert(name).replace("[", "\\["), total=None, note=shown(_SAYS[stage]))

        yield update
