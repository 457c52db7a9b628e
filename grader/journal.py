"""What has become of each submission of a class, kept so that nothing but the disk's own failure can lose it.

One SQLite file beside the evidence, written by one process (`store.held`), forced to the disk with every change. An attempt is
counted when it begins and struck off when it comes to an end, whichever: what is still counted when the next command
starts was under way when the process was killed. docs/journal.md has the reasons.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import EnumType
from functools import cache
from itertools import repeat
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from grader.errors import GO_ON, CannotWrite
from grader.language import listed
from grader.records import Grade, say

NAME = "journal.sqlite"
MOST_CRASHES = 3  # two may be chance, as when the system is short of memory
_TABLES = """
CREATE TABLE IF NOT EXISTS crashed(key TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done(id TEXT PRIMARY KEY, key TEXT NOT NULL, results TEXT NOT NULL, grade TEXT NOT NULL)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A grade without its findings, and the digest of all files that were written for it."""

    results: str
    grade: Grade


class Journal:
    """The journal of one batch. Threads may use it at once. Every method raises CannotWrite when the disk does not let it,
    and then nothing has changed."""

    def __init__(self, connection: sqlite3.Connection, place: Path) -> None:
        self._connection, self._place = connection, place
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._over = False

    def crashes(self, key: str) -> int:
        """How many attempts at a submission ended with the whole process."""
        row = self._row("SELECT times FROM crashed WHERE key = ?", key)
        return int(row[0]) if row else 0

    def begin(self, key: str) -> None:
        """Count an attempt, until it is known to have come to an end."""
        with self._lock:
            with self._change():
                self._count(key, +1)
            self._under_way.add(key)

    def done(self, identity: str, key: str, what: Done) -> None:
        """The attempt led to a grade."""
        row = (identity, key, what.results, json.dumps(what.grade, default=_plain))
        with self._lock:
            with self._change():
                self._connection.execute("INSERT OR REPLACE INTO done VALUES(?, ?, ?, ?)", row)
                self._connection.execute("DELETE FROM crashed WHERE key = ?", (key,))
            self._under_way.discard(key)

    def given_up(self, key: str) -> None:
        """The attempt failed, but the process lives: it does not count."""
        with self._lock:
            with self._change():
                self._count(key, -1)
            self._under_way.discard(key)

    def found(self, identity: str, key: str) -> Done | None:
        """What an earlier command came to."""
        row = self._row("SELECT results, grade FROM done WHERE id = ? AND key = ?", identity, key)
        return Done(results=row[0], grade=_made(Grade, json.loads(row[1]))) if row else None

    def stop(self) -> None:
        """Give back all attempts that are under way, and take no further word on any."""
        with self._lock:
            under_way, self._under_way = self._under_way, set()
            try:
                with self._change():
                    for key in under_way:
                        self._count(key, -1)
            finally:
                self._over = True

    def close(self) -> None:
        with self._lock:
            self._over = True
            self._connection.close()

    def _row(self, query: str, *values: str) -> Any:
        with self._lock:
            return self._connection.execute(query, values).fetchone()

    def _count(self, key: str, change: int) -> None:
        self._connection.execute("INSERT OR IGNORE INTO crashed VALUES(?, 0)", (key,))
        self._connection.execute("UPDATE crashed SET times = times + ? WHERE key = ?", (change, key))
        self._connection.execute("DELETE FROM crashed WHERE key = ? AND times <= 0", (key,))

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One change, on the disk when this ends, or none."""
        if self._over:
            raise CannotWrite("The batch is over.")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise _trouble(error, self._place) from error
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()


@contextmanager
def opened(evidence: Path | None) -> Iterator[Journal]:
    """The journal in a folder that this process holds; without a folder, one that is forgotten. One that cannot be read is
    begun anew: all that it would spare is judging again. Raises CannotWrite."""
    place = evidence / NAME if evidence else Path(":memory:")
    try:
        connection = _connect(place)
    except sqlite3.OperationalError as error:
        raise _trouble(error, place) from error
    except sqlite3.DatabaseError:
        for left in (place, Path(f"{place}-wal")):
            left.unlink(missing_ok=True)
        connection = _connect(place)
    with closing(Journal(connection, place)) as journal:
        yield journal


def _connect(place: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # and so without shared memory, which some disks lack
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_TABLES)
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
    except BaseException:
        connection.close()
        raise
    return connection


def _trouble(error: sqlite3.DatabaseError, place: Path) -> CannotWrite:
    trouble = say(
        "The journal {place} could not be written ({why}). Make room, or choose another folder.",
        place=str(place),
        why=str(error),
    )
    return CannotWrite(listed((trouble, GO_ON), " "))


# --- grades as they were ---------------------------------------------------------------------------------------------


def _plain(value: Any) -> dict[str, Any]:
    """What JSON takes for a record or a mapping."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value)


def _made(kind: Any, raw: Any) -> Any:
    """A value of the type `kind` from what `_plain` and JSON made of it: records, tuples, mappings and enumerations, in
    each other and with None."""
    arguments = get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _made(_fields(kind)[name], value) for name, value in raw.items()})
    if get_origin(kind) is tuple:
        kinds = repeat(arguments[0]) if arguments[-1] is Ellipsis else arguments
        return tuple(map(_made, kinds, raw))
    if get_origin(kind) is Mapping:
        return {name: _made(arguments[1], value) for name, value in raw.items()}
    if get_origin(kind) in (Union, UnionType):  # at most one of them is a record, and only that is written as a mapping
        record = next((one for one in arguments if dataclasses.is_dataclass(one)), None)
        if record is not None and isinstance(raw, dict):
            return _made(record, raw)
        others = [one for one in arguments if one not in (record, type(None))]
        return _made(others[0], raw) if raw is not None and len(others) == 1 else raw
    return kind(raw) if isinstance(kind, EnumType) else raw


@cache
def _fields(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
