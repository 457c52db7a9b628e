"""Situations: notebooks that are described by how they differ from the solution or the template, and what that costs.

A situation is a folder with a `situation.toml`:

    base = "solution"                  # or "template": the notebook of reference/ that is edited
    about = "No gradients are logged."
    lost = 12                          # points that the base has (or awaits) and this one has not; or [least, most]
    seconds_per_cell = 60              # optional: time for a cell, where the profile's would be a waste
    remarks = ["remark.writer_none"]   # optional: remarks that must be there
    says = ["its values are not finite"]  # optional: words that must stand in its findings, in English

    [expect]                           # what differs from the base; all other criteria end as the base's
    "fit.gradient_histograms" = ["failed", "partial"]

    [[edit]]                           # in order; `cell` is a cell's id, or a text that stands in one cell only
    cell = "fit-generator"
    find = "..."                       # with `with`: a text that stands once in the cell, and what replaces it
    with = "..."

Instead of `find` and `with` an edit says `replace` (the whole source), `remove = true` or `insert_after` (a code cell).
An edit that fits nowhere, or in several places, is an error: a situation must not fade when its base changes.

`python -m grader.situations FOLDER… --out DIR` writes the notebooks.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from grader.errors import GraderError, UsageError
from grader.places import reference_folder
from grader.records import Status, say

_ACTIONS = ({"find", "with"}, {"replace"}, {"remove"}, {"insert_after"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change. Exactly one of `find` (with `put`), `replace`, `insert_after` and `remove` is set."""

    cell: str
    find: str | None = None
    put: str = ""
    replace: str | None = None
    insert_after: str | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`expect` maps a criterion to the statuses that it may end with; `lost` is the least and the most that may be
    lost; `base` is the path of the notebook that is edited."""

    name: str
    about: str
    base: Path
    lost: tuple[float, float]
    expect: Mapping[str, tuple[Status, ...]]
    edits: tuple[Edit, ...]
    seconds_per_cell: float | None = None
    remarks: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


def load(folder: Path, reference: Path) -> Situation:
    """Read `folder/situation.toml`; the bases lie in `reference`. Raises UsageError when it cannot be used."""
    path = folder / "situation.toml"
    try:
        return _situation(folder.name, tomllib.loads(path.read_text(encoding="utf-8")), reference)
    except FileNotFoundError as error:
        raise UsageError(
            say("There is no {path}. Name a folder that holds a situation.toml.", path=str(path))
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} cannot be used: {type(error).__name__}: {error}. Mend it and try again.") from error


def load_all(folder: Path, reference: Path) -> tuple[Situation, ...]:
    """All situations below `folder`, by name."""
    return tuple(load(path.parent, reference) for path in sorted(folder.glob("*/situation.toml")))


def build(situation: Situation) -> nbformat.NotebookNode:
    """The notebook of a situation, format 4.5 with ids. Raises UsageError when an edit does not fit exactly once."""
    notebook = nbformat.read(situation.base, as_version=4)
    for number, edit in enumerate(situation.edits, start=1):
        try:
            _apply(edit, notebook.cells, f"edit-{number}")
        except ValueError as error:
            raise UsageError(f"Edit {number} of {situation.name}: {error}. Fit it to {situation.base}.") from error
    nbformat.validate(notebook)
    return notebook


# --- reading --------------------------------------------------------------------------------------------------------


def _situation(name: str, raw: Mapping[str, Any], reference: Path) -> Situation:
    if raw["base"] not in ("solution", "template"):
        raise ValueError(f'base is "solution" or "template", not {raw["base"]!r}')
    _only(raw, {"base", "about", "lost", "expect", "edit", "seconds_per_cell", "remarks", "says"})
    lost = raw["lost"] if isinstance(raw["lost"], list) else [raw["lost"]]
    return Situation(
        name=name,
        about=str(raw["about"]),
        base=reference / f"{raw['base']}.ipynb",
        lost=(float(lost[0]), float(lost[-1])),
        expect={criterion: _statuses(allowed) for criterion, allowed in raw.get("expect", {}).items()},
        edits=tuple(_edit(item) for item in raw.get("edit", ())),
        seconds_per_cell=float(raw["seconds_per_cell"]) if "seconds_per_cell" in raw else None,
        remarks=tuple(map(str, raw.get("remarks", ()))),
        says=tuple(map(str, raw.get("says", ()))),
    )


def _statuses(allowed: str | Sequence[str]) -> tuple[Status, ...]:
    return tuple(Status(status) for status in ([allowed] if isinstance(allowed, str) else allowed))


def _edit(raw: Mapping[str, Any]) -> Edit:
    if set(raw) - {"cell"} not in _ACTIONS:
        raise ValueError("an edit has `cell` and one of: find with with, replace, remove, insert_after")
    return Edit(
        cell=str(raw["cell"]),
        find=raw.get("find"),
        put=str(raw.get("with", "")),
        replace=raw.get("replace"),
        insert_after=raw.get("insert_after"),
        remove=bool(raw.get("remove", False)),
    )


def _only(raw: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(raw) - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")


# --- editing --------------------------------------------------------------------------------------------------------


def _apply(edit: Edit, cells: list[nbformat.NotebookNode], new_id: str) -> None:
    place = _place(edit.cell, cells)
    if edit.remove:
        del cells[place]
    elif edit.insert_after is not None:
        cells.insert(place + 1, nbformat.v4.new_code_cell(edit.insert_after.strip("\n"), id=new_id))
    elif edit.replace is not None:
        cells[place].source = edit.replace.strip("\n")
    else:
        cells[place].source = _substituted(cells[place].source, edit)


def _place(wanted: str, cells: Sequence[nbformat.NotebookNode]) -> int:
    """The index of the cell with this id, else of the only one that contains this text."""
    places = [index for index, cell in enumerate(cells) if cell.id == wanted]
    places = places or [index for index, cell in enumerate(cells) if wanted in cell.source]
    if len(places) != 1:
        raise ValueError(f"{len(places)} cells answer to {wanted!r} instead of one")
    return places[0]


def _substituted(source: str, edit: Edit) -> str:
    text = (edit.find or "").strip("\n")
    if not text or source.count(text) != 1:
        raise ValueError(f"{text!r} stands {source.count(text) if text else 0} times in cell {edit.cell!r}")
    return source.replace(text, edit.put.strip("\n"))


# --- from the command line ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the notebooks of some situations into a folder; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m grader.situations", description="Write notebooks of situations.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="holds a situation.toml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where FOLDER's name.ipynb is written")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="holds solution.ipynb and template.ipynb")
    options = parser.parse_args(arguments)
    try:
        for folder in options.folders:
            notebook = build(load(folder.resolve(), options.reference or reference_folder()))
            options.out.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, options.out / f"{folder.resolve().name}.ipynb")
    except GraderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
