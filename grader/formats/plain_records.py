"""Records as JSON and back, to the last bit: what is read is equal to what was written, or nothing is written at all."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

_ALONE = (str, int, float, bool, type(None))


def to_plain(value: Any) -> Any:
    """A record, and what it holds, in the words of JSON: other records, enumerations, tuples, sets of numbers, mappings from
    names. Raises TypeError for anything else, also for NumPy's numbers, which would come back as Python's, and ValueError for
    text that is none (half of a surrogate pair)."""
    if type(value) in _ALONE:
        return _sound(value) if type(value) is str else value
    if isinstance(value, enum.Enum):
        return to_plain(value.value)
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if type(value) is tuple:
        return [to_plain(item) for item in value]
    if type(value) is frozenset:
        return sorted(to_plain(item) for item in value)
    if isinstance(value, Mapping) and all(type(name) is str for name in value):
        return {name: to_plain(item) for name, item in value.items()}
    raise TypeError(f"JSON has no words for {type(value).__name__}")


def _sound(text: str) -> str:
    if not text.isascii():
        text.encode()
    return text


def from_plain(kind: Any, raw: Any) -> Any:
    """The reverse; `kind` is a type as it stands in annotations. Raises KeyError, TypeError, ValueError or AttributeError
    where `raw` is not of that kind."""
    if raw is None or kind in _ALONE:
        return raw
    if _is_record(kind):
        return kind(**{name: from_plain(hint, raw[name]) for name, hint in _hints(kind).items()})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(raw)
    return _of_many(get_origin(kind), get_args(kind), raw)


def _of_many(origin: Any, kinds: tuple[Any, ...], raw: Any) -> Any:
    if origin in (Union, types.UnionType):
        return from_plain(next(filter(_is_record, kinds)), raw) if isinstance(raw, dict) else raw
    if origin is collections.abc.Mapping:
        return {name: from_plain(kinds[1], item) for name, item in raw.items()}
    if origin is frozenset:
        return frozenset(raw)
    if origin is tuple and kinds[-1] is not Ellipsis:
        return tuple(from_plain(kind, item) for kind, item in zip(kinds, raw, strict=True))
    if origin in (tuple, collections.abc.Sequence):
        return tuple(from_plain(kinds[0], item) for item in raw)
    raise TypeError(f"nothing of the kind {origin} is kept")


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """The fields of records of a kind, with their types."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
