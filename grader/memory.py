"""What was found out about a submission before, so that another rubric need not find it out again.

A verdict follows from the evidence, the code that judges, the reference, and those thresholds that its check looks at;
points and titles are put beside it afterwards. So each part of what is derived is kept under a key for all of that but the
thresholds, together with the values of those that were looked at. Whatever else changes, everything is derived anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from grader import store
from grader.formats.plain_records import from_plain, to_plain

Part = TypeVar("Part")


class _Noted(Mapping[str, float]):
    """Thresholds that note which of them were looked at."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self.seen: dict[str, float | None] = {}

    def __getitem__(self, name: str) -> float:
        self.seen[name] = self._values.get(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.seen |= self._values
        return iter(self._values)

    def __len__(self) -> int:
        self.seen |= self._values
        return len(self._values)

    def are(self, seen: Mapping[str, float | None]) -> bool:
        """Whether all of these are as they were."""
        return all(self._values.get(name) == value for name, value in seen.items())


class Memory:
    """The parts that are known of one submission. `thresholds` are for the checks to look at, and are noted."""

    def __init__(self, thresholds: Mapping[str, float], known: dict[str, Any] | None = None) -> None:
        self._noted, self._known = _Noted(thresholds), known or {}
        self.is_new = False

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self._noted

    @property
    def known(self) -> Mapping[str, Any]:
        return self._known

    def part(self, name: str, kind: Any, make: Callable[[], Part]) -> Part:
        """What `make` makes, of this kind, or made before. What it raises is not kept, nor what JSON has no words for."""
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            known = self._known[name]
            if self._noted.are(known["thresholds"]):
                return from_plain(kind, known["value"])  # type: ignore[no-any-return]
        self._noted.seen.clear()
        made = make()
        with suppress(TypeError):
            self._known[name] = {"thresholds": dict(self._noted.seen), "value": to_plain(made)}
            self.is_new = True
        return made


@contextmanager
def kept(path: Path, key: str, thresholds: Mapping[str, float]) -> Iterator[Memory]:
    """What the file remembers for this key; what is new is written to it afterwards. Raises CannotWrite."""
    memory = Memory(thresholds, _read(path, key))
    yield memory
    if memory.is_new:
        store.keep(path, json.dumps({"key": key, "parts": memory.known}, separators=(",", ":")))


def _read(path: Path, key: str) -> dict[str, Any]:
    try:
        raw = json.loads(store.read_kept(path))
        return dict(raw["parts"]) if raw["key"] == key else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
