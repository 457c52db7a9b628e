"""What a `grade` command was done with, so that the same command on the same things has nothing left to do.

The receipt lies beside the evidence. It holds a digest of all that a result depends on, how each file of the results
looked when it was written, and what was printed. Anything else than a match means that the command runs as ever: evidence
has keys of its own, so nothing is executed twice for lack of a receipt. Only light modules are imported here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader import language
from grader.files import below, replacing
from grader.places import keras_mnist, opener, reference_folder

FORMAT = "grader.receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`digest` is that of all that went in, `files` maps the files of the results to their size and time, `printed` is
    what the command said, and `code` its exit code."""

    digest: str
    files: Mapping[str, Sequence[int]]
    printed: str
    code: int


def for_command(options: argparse.Namespace) -> Receipt | None:
    """The receipt of the very same `grade`, if nothing that it depends on, and nothing that it wrote, has changed."""
    if not place(options.out).is_file():
        return None
    digest = command_digest(options)
    return read(options.out, digest) if digest else None


def command_digest(options: argparse.Namespace) -> str | None:
    """A digest of all that the results of `grade` depend on; None where that is not in reach: data that may have to be
    fetched, a file that cannot be read, a sandbox that may be there the next time."""
    if options.without_sandbox:
        return None
    data = {"auto": keras_mnist(), "mnist": keras_mnist(), "embedded": None}.get(options.data, Path(options.data))
    if data is not None and not data.is_file():
        return None
    decided = options.out / "reviews.csv"  # what people decided: grader.reviews
    trees = (
        Path(__file__).parent,
        options.reference or reference_folder(),
        *options.paths,
        *([data] if data else ()),
        *([decided] if decided.is_file() else ()),
    )
    settings = {name: value for name, value in vars(options).items() if name != "jobs"} | {"speaks": language.current()}
    try:
        return digest_of(settings, trees)
    except OSError:
        return None


def digest_of(settings: Mapping[str, object], trees: Sequence[Path]) -> str:
    """One digest over settings, this interpreter and its packages, and the contents of all files below `trees`."""
    about = f"{json.dumps(settings, sort_keys=True, default=str)} {sys.version} {packages()}"
    return contents_digest(trees, about)


def contents_digest(trees: Sequence[Path], about: str = "") -> str:
    """One digest over a text and the names and contents of all files below `trees`. Raises OSError."""
    total = hashlib.sha256(about.encode(errors="surrogateescape"))
    for tree in trees:
        total.update(b"\0tree\0")
        for name, path in _files(tree):
            total.update(f"\0{name}\0".encode(errors="surrogateescape"))
            total.update(_content(path))
    return total.hexdigest()


@cache
def packages() -> list[str]:
    """Names and versions of what is installed beside the grader."""
    folders = [Path(folder) for folder in sys.path if folder.endswith("-packages") and Path(folder).is_dir()]
    found = [path.name for folder in folders for path in folder.iterdir() if path.suffix in (".dist-info", ".egg-info")]
    return sorted(found)


def _files(tree: Path) -> Iterable[tuple[str, str]]:
    """All files below a folder by their place in it; a file is a tree of one."""
    return below(tree, without=("__pycache__",)) if tree.is_dir() else [(".", str(tree))]


def _content(path: str) -> bytes:
    """A digest of a file; the target of a link, which nobody follows; of anything else, only that it is no file."""
    if os.path.islink(path):  # noqa: PTH114
        return os.readlink(path).encode(errors="surrogateescape")  # noqa: PTH115
    with open(path, "rb", opener=opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b"no file"
        return hashlib.file_digest(file, "sha256").digest()


def place(out: Path) -> Path:
    return out / ".evidence" / "receipt.json"


def results(out: Path) -> dict[str, list[int]]:
    """Size in bytes and time in nanoseconds of each file of the results, by its path below `out`."""
    parts = (part for part in sorted(out.iterdir()) if part.name != ".evidence")
    facts = {f"{part.name}/{name}": os.lstat(path) for part in parts for name, path in _files(part)}
    return {name: [found.st_size, found.st_mtime_ns] for name, found in facts.items()}


def read(out: Path, digest: str) -> Receipt | None:
    """The receipt in `out`, if it is for `digest` and the results are as they were left."""
    try:
        raw = json.loads(place(out).read_text(encoding="utf-8"))
        held = raw["format"] == FORMAT and raw["digest"] == digest and raw["files"] == results(out)
        typed = isinstance(raw["printed"], str) and isinstance(raw["code"], int)
        return (
            Receipt(digest=digest, files=raw["files"], printed=raw["printed"], code=raw["code"])
            if held and typed
            else None
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write(out: Path, digest: str, printed: str, code: int) -> None:
    """Leave a receipt for the results that are in `out` now."""
    document = {"format": FORMAT, "digest": digest, "files": results(out), "printed": printed, "code": code}
    place(out).parent.mkdir(parents=True, exist_ok=True)
    with replacing(place(out)) as temporary:
        temporary.write_text(json.dumps(document), encoding="utf-8")
