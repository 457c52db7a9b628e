"""The zip that makes this grader a Gradescope autograder: two scripts, the grader's own source, and its locked dependencies.

The reference solution is not in it: what runs in the container can be read by what is handed in.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grader
from grader.errors import GraderError
from grader.places import reference_folder

_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes every time
_SCRIPTS = ("setup.sh", "run_autograder")
_LEFT_OUT = frozenset({"solution.ipynb"})


def build() -> bytes:
    """The zip file. Raises GraderError where the list of dependencies is not there."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _files():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = (0o755 if name in _SCRIPTS else 0o644) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files() -> Iterator[tuple[str, Path]]:
    """Names in the zip, in order, and where they lie here."""
    package = Path(grader.__file__).parent
    yield from ((name, package / "exports" / "autograder" / name) for name in _SCRIPTS)
    yield "requirements.lock", _lock(package)
    yield from _below(package, "grader")
    yield from _below(reference_folder(), "grader/reference")


def _below(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    inner = {folder / "reference", folder / "requirements.lock"}  # an installed package's own, packed by themselves
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder)
        hidden = any(part == "__pycache__" or part.startswith(".") for part in shown.parts)
        if path.is_file() and not hidden and path.name not in _LEFT_OUT and inner.isdisjoint((path, *path.parents)):
            yield f"{name}/{shown.as_posix()}", path


def _lock(package: Path) -> Path:
    """The locked dependencies: inside an installed package, or beside it in a checkout."""
    found = [place / "requirements.lock" for place in (package, package.parent)]
    lock = next((path for path in found if path.is_file()), None)
    if lock is None:
        raise GraderError("The file requirements.lock is missing from this installation. Run this from a checkout.")
    return lock
