"""Where the running interpreter and its packages lie: all that a box sees of the host beside /usr."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import grader
from grader.errors import UsageError
from grader.language import say


def folders() -> list[Path]:
    """The folders outside /usr that the interpreter, its environment and its packages need, parents first."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))}
    found |= {Path(sys.executable).resolve().parent.parent}
    return [folder for folder in sorted(found) if folder != Path("/") and not folder.is_relative_to("/usr")]


def own_packages() -> tuple[Path, ...]:
    """The grader's own package, which no box may see: an installed one carries the reference solution. One that is installed
    as a checkout has two places: itself, and what its installation put among the packages."""
    places = (Path(grader.__file__).parent, Path(sysconfig.get_path("purelib"), "grader"))
    return tuple(place.resolve() for place in dict.fromkeys(places) if place.is_dir())


_PRIVATE: list[Path] = []


def hide(places: Iterable[Path]) -> None:
    """From now on no box shows these files and folders, wherever they lie: submissions, the reference and results may be
    below /usr or beside an environment. A folder that merely holds an environment is not shown anyway. Raises UsageError for
    one that is shown and that the interpreter lies in: without it nothing runs."""
    found = [place.resolve() for place in places if place.exists()]
    shown = [folder.resolve() for folder in (Path("/usr"), *folders())]
    needed = [*shown, *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib"))]
    for place in found:
        is_seen = any(place.is_relative_to(folder) for folder in shown)
        if is_seen and any(folder.is_relative_to(place) for folder in needed):
            raise UsageError(
                say(
                    "Python lies in {folder}, and every notebook may read that. Put submissions, the assignment and results "
                    "into folders of their own.",
                    folder=str(place),
                )
            )
    _PRIVATE[:] = found


def hidden() -> tuple[Path, ...]:
    """What no box may see of what it is shown: the grader's own package, and what was hidden."""
    return tuple(dict.fromkeys((*own_packages(), *_PRIVATE)))
