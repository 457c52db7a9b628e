"""Where the running interpreter and its packages lie: all that a box sees of the host beside /usr."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path

import grader


def folders() -> list[Path]:
    """The folders outside /usr that the interpreter, its environment and its packages need, parents first."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))}
    found |= {Path(sys.executable).resolve().parent.parent}
    return [folder for folder in sorted(found) if folder != Path("/") and not folder.is_relative_to("/usr")]


@cache
def own_packages() -> tuple[Path, ...]:
    """The grader's own package, which no box may see: an installed one carries the reference solution. One that is installed
    as a checkout has two places: itself, and what its installation put among the packages."""
    places = (Path(grader.__file__).parent, Path(sysconfig.get_path("purelib"), "grader"))
    return tuple(place.resolve() for place in dict.fromkeys(places) if place.is_dir())
