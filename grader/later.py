"""What is read or made when it is first looked at: most of the evidence on a submission is not, where its verdict is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar, overload

Key = TypeVar("Key")
Value = TypeVar("Value")
Item_co = TypeVar("Item_co", covariant=True)


class LaterMapping(Mapping[Key, Value]):
    """A mapping that `make` makes, once."""

    def __init__(self, make: Callable[[], Mapping[Key, Value]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[Key, Value]:
        try:
            return self._make()
        except KeyError as error:  # or whoever looks a key up takes it for missing
            raise RuntimeError(f"lacks {error}") from error

    def __getitem__(self, key: Key) -> Value:
        return self._made[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class LaterSequence(Sequence[Item_co]):
    """A sequence that `make` makes, once."""

    def __init__(self, make: Callable[[], Sequence[Item_co]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Sequence[Item_co]:
        return self._make()

    @overload
    def __getitem__(self, index: int) -> Item_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item_co]: ...
    def __getitem__(self, index: int | slice) -> Item_co | Sequence[Item_co]:
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)
