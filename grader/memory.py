"""What was found out about a submission before, so that another rubric need not find it out again.

A verdict follows from the evidence, the code that judges, the reference, and those thresholds that its check looks at;
points and titles are put beside it afterwards. So each part of what is derived is kept under a key for all of that but the
thresholds, together with the values of those that were looked at. Whatever else changes, everything is derived anew. When a
part cannot be made, nothing of that time is kept: what is short for a moment, memory or files, must not be remembered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from grader import store
from grader.formats.plain_records import from_plain, to_plain

Part = TypeVar("Part")


_HOW_MANY = ""  # stands among the names of thresholds for how many there are


class _Noted(Mapping[str, float]):
    """Thresholds that note which of them were looked at."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self.seen: dict[str, float | None] = {}

    def __getitem__(self, name: str) -> float:
        self.seen[name] = self._values.get(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.seen |= {**self._values, _HOW_MANY: len(self._values)}
        return iter(self._values)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def are(self, seen: Mapping[str, float | None]) -> bool:
        """Whether all of these are as they were."""
        values = {**self._values, _HOW_MANY: len(self._values)}
        return all(values.get(name) == value for name, value in seen.items())


class Memory:
    """The parts that are known of one submission. `thresholds` are for the checks to look at, and are noted."""

    def __init__(self, thresholds: Mapping[str, float], known: dict[str, Any] | None = None) -> None:
        self._noted, self._known = _Noted(thresholds), known or {}
        self.is_new = self.is_spoilt = False

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self._noted

    @property
    def known(self) -> Mapping[str, Any]:
        return self._known

    def part(self, name: str, kind: Any, make: Callable[[], Part], after: Sequence[str] = ()) -> Part:
        """What `make` makes, of this kind, or made before; `after` names parts that it is made from. What JSON has no words
        for is not kept, and nothing is when it raises."""
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            known = self._known[name]
            if self._noted.are(known["thresholds"]):
                return from_plain(kind, known["value"])  # type: ignore[no-any-return]
        self._noted.seen = {seen: value for one in after for seen, value in self._seen_by(one).items()}
        try:
            made = make()
        except BaseException:
            self.is_spoilt = True
            raise
        with suppress(TypeError, ValueError, RecursionError):
            self._known[name] = {"thresholds": dict(self._noted.seen), "value": to_plain(made)}
            self.is_new = True
        return made

    def _seen_by(self, name: str) -> Mapping[str, float | None]:
        return self._known[name]["thresholds"] if name in self._known else {**self._noted}  # of what is not kept, all


@contextmanager
def kept(path: Path, key: str, thresholds: Mapping[str, float]) -> Iterator[Memory]:
    """What the file remembers for this key; what is new is written to it afterwards. Raises CannotWrite."""
    memory = Memory(thresholds, _read(path, key))
    yield memory
    if memory.is_new and not memory.is_spoilt:
        with suppress(ValueError, RecursionError):  # a number of more digits than Python prints
            store.keep(path, json.dumps({"key": key, "parts": memory.known}, separators=(",", ":")))


def _read(path: Path, key: str) -> dict[str, Any]:
    try:
        raw = json.loads(store.read_kept(path))
        return dict(raw["parts"]) if raw["key"] == key else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
