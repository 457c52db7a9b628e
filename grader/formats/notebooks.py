"""Notebooks, read with suspicion: whatever the file is, it gives clean cells or one sentence that says what is wrong.

Only what is needed is taken from the file: kinds, sources, ids and recorded text. Outputs, metadata (with their tags
and kernels) and attachments never reach nbformat or the kernel.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from grader.errors import UnreadableSubmission
from grader.files import printable
from grader.language import noted
from grader.places import opener
from grader.records import Cell, CellKind, say

_MIB = 1 << 20
_MOST_POINTED_INTO = 8 << 20  # characters: each line of a cell is looked for
_MAX_BYTES = 64 * _MIB
_MAX_CELLS = 2000
_MAX_CONTAINERS = 2_000_000  # lists and objects in the JSON: empty ones take twenty times their text's memory
_MAX_VALUES = 4_000_000  # values in them, by the commas between: short ones take as much
_MAX_COUNT = 1_000_000_000  # of executions: what no kernel has counted to is no count
_MAX_OUTPUT = 20_000  # bytes of recorded text that are kept of a cell
_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)
_OTHER_KERNELS = ("ir", "julia", "scala", "bash", "javascript", "deno", "octave", "matlab", "xcpp", "sos")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookFile:
    """A notebook as it was handed in. `sha256` is that of the file's bytes; `language` is what its metadata call the
    programming language, `kernel_language` what they call the kernel's, each None where they say nothing."""

    cells: tuple[Cell, ...]
    sha256: str
    language: str | None = None
    kernel_language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """A notebook's JSON, once it is known to be one of format 3 or 4."""

    name: str
    sha256: str
    major: int
    metadata: Mapping[str, Any]
    cells: tuple[Mapping[str, Any], ...]


def read_notebook(path: Path) -> NotebookFile:
    """The cells of a notebook with their recorded text. Raises UnreadableSubmission with the cause."""
    raw = _raw(path)
    node = _node(raw)
    cells = (_cell(index, *pair) for index, pair in enumerate(zip(node.cells, raw.cells, strict=True), start=1))
    return NotebookFile(
        cells=tuple(cells),
        sha256=raw.sha256,
        language=_named(raw.metadata, "language_info", "name"),
        kernel_language=_named(raw.metadata, "kernelspec", "language"),
    )


def load_node(path: Path) -> nbformat.NotebookNode:
    """A notebook fit to be run: format 4.5, the sources as they are, an id for each cell; no outputs, no metadata, no
    attachments. Raises UnreadableSubmission with the cause."""
    return _node(_raw(path))


def lines_in_file(path: Path, cells: Iterable[Cell]) -> Mapping[tuple[int, int], int]:
    """The line of the file that each line of a cell stands in, both from 1, by (cell, line): the JSON of a notebook has a text
    for each of them. Where it has one for the whole cell, it is that one's. Nothing for a file of more than 8 MiB. Raises
    UnreadableSubmission."""
    text = read_file(path).decode("utf-8", "replace")
    found: dict[tuple[int, int], int] = {}
    at, line_of_file = 0, 1
    for cell in cells if len(text) <= _MOST_POINTED_INTO else ():
        start = max(at, text.find('"source"', at))
        for number, line in enumerate(cell.source.split("\n"), start=1):
            place = max(start, _find_text(text, line, start))
            line_of_file += text.count("\n", at, place)
            at = start = place
            found[cell.index, number] = line_of_file
    return found


def _find_text(text: str, line: str, start: int) -> int:
    """Where a line of a cell begins in the file, -1 if nowhere; with or without letters beyond ASCII spelt out."""
    spelt = (json.dumps(line, ensure_ascii=ascii_only)[:-1] for ascii_only in (False, True))
    return next((place for begin in spelt if (place := text.find(begin, start)) >= 0), -1)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most 64 MiB. No link is followed. Raises UnreadableSubmission."""
    try:
        file = io.FileIO(path, opener=opener)
    except OSError as error:
        raise _refused(path.name, _why_unopened(path, error), why=str(error.strerror)) from None
    with file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise _refused(path.name, _NOT_A_FILE)
        if facts.st_size > _MAX_BYTES:
            raise _refused(path.name, _TOO_BIG, size=facts.st_size // _MIB, most=_MAX_BYTES // _MIB)
        return io.BufferedReader(file).read(_MAX_BYTES)


def _why_unopened(path: Path, error: OSError) -> str:
    if path.is_symlink():
        return noted("{name} is a link to another file: hand in the notebook itself.")
    if isinstance(error, IsADirectoryError) or (path.exists() and not path.is_file()):
        return _NOT_A_FILE
    return noted("{name} cannot be opened ({why}): look whether it is there and may be read.")


_NOT_A_FILE = noted("{name} is a folder, a pipe or a device, not a file: hand in the notebook itself.")
_TOO_BIG = noted(
    "The notebook {name} is too big ({size} MiB, at most {most}): clear its outputs, save it and hand it in again."
)


def _refused(name: str, template: str, **values: str | int | float) -> UnreadableSubmission:
    return UnreadableSubmission(say(template, name=printable(name), **values))


# --- from bytes to JSON ----------------------------------------------------------------------------------------------


def _raw(path: Path) -> _Raw:
    data = read_file(path)
    document = _parsed(_decoded(data, path.name), path.name)
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise _refused(path.name, "{name} holds JSON, but no notebook: hand in the .ipynb file that Jupyter saves.")
    major = _supported(document["nbformat"], path.name)
    metadata = document.get("metadata")
    raw = _Raw(
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        major=major,
        metadata=metadata if isinstance(metadata, dict) else {},
        cells=tuple(_raw_cells(document, major, path.name)),
    )
    _refuse_other_languages(raw)
    return raw


def _decoded(data: bytes, name: str) -> str:
    """The file's text, from UTF-8 or, where a byte order mark says so, UTF-16."""
    if not data.strip():
        raise _refused(name, "The notebook {name} is empty: save it in Jupyter and hand it in again.")
    if data.startswith(b"PK\x03\x04"):
        raise _refused(name, "{name} is an archive with the name of a notebook: unpack it, or name it .zip.")
    try:
        return data.decode("utf-16" if data.startswith(_UTF16_BOMS) else "utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(name, _BINARY) from None


_BINARY = noted("{name} is encrypted, binary or not in UTF-8: hand in the .ipynb file as Jupyter saves it.")


def _parsed(text: str, name: str) -> Any:
    if text.count("[") + text.count("{") > _MAX_CONTAINERS or text.count(",") > _MAX_VALUES:
        raise _refused(name, "{name} holds too much data: clear its outputs, save it and hand it in again.")
    try:
        return json.loads(text)
    except RecursionError:
        raise _refused(name, "{name} is nested too deeply to be a notebook: save it in Jupyter again.") from None
    except json.JSONDecodeError as error:
        raise _refused(name, _why_no_json(text, error), line=error.lineno) from None
    except ValueError:  # a number of thousands of digits
        raise _refused(name, "{name} holds a number that no notebook has: save it in Jupyter again.") from None


def _why_no_json(text: str, error: json.JSONDecodeError) -> str:
    """The sentence for a text that is no JSON."""
    start = text[:1000].lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<head", "<?xml")):
        return noted("{name} is a web page, perhaps that of a login, not a notebook: download the .ipynb file itself.")
    if start.startswith("version https://git-lfs"):
        return noted("{name} is a pointer of Git LFS, not the notebook: run git lfs pull and hand in the file itself.")
    if _CONFLICT.search(text):
        return noted(
            "{name} holds conflict markers of Git: resolve the conflict, open the notebook in Jupyter and save it."
        )
    if "\x00" in text or start.startswith(("-----begin", "$ansible_vault")):
        return _BINARY
    ending = text[-1000:].rstrip()
    if start.startswith("{") and (not ending.endswith("}") or error.pos >= len(text.rstrip())):
        return noted("{name} is cut off in line {line}: save it in Jupyter and hand it in again.")
    return noted(
        "{name} is not a notebook, as line {line} is not valid JSON: hand in the .ipynb file that Jupyter saves."
    )


def _supported(major: int, name: str) -> int:
    if major > 4:
        raise _refused(name, "{name} has a notebook format newer than 4: save it as format 4.")
    if major < 3:
        raise _refused(name, "{name} has a notebook format older than 3: open it in Jupyter and save it again.")
    return major


def _raw_cells(document: Mapping[str, Any], major: int, name: str) -> Iterator[Mapping[str, Any]]:
    """The cells' objects; format 3 keeps them in worksheets."""
    sheets = [document] if major == 4 else document.get("worksheets")
    if not isinstance(sheets, list) or not all(
        isinstance(s, dict) and isinstance(s.get("cells"), list) for s in sheets
    ):
        raise _refused(name, "{name} holds JSON, but no list of cells: hand in the .ipynb file that Jupyter saves.")
    count = sum(len(sheet["cells"]) for sheet in sheets)
    if count > _MAX_CELLS:
        raise _refused(
            name, "{name} has {count} cells, at most {most} can be graded: remove cells.", count=count, most=_MAX_CELLS
        )
    for index, cell in enumerate((cell for sheet in sheets for cell in sheet["cells"]), start=1):
        if not isinstance(cell, dict):
            raise _broken_cell(name, index)
        yield cell


def _refuse_other_languages(raw: _Raw) -> None:
    named = _named(raw.metadata, "language_info", "name") or _named(raw.metadata, "kernelspec", "language")
    kernel = (_named(raw.metadata, "kernelspec", "name") or "").lower()
    if named is None and kernel.split("-")[0].rstrip("0123456789.") in _OTHER_KERNELS:
        named = kernel
    if named is not None and "python" not in named.lower():
        shown = "".join(c for c in named[:40] if c.isprintable())
        raise _refused(raw.name, "{name} is a notebook in {language}: the homework is done in Python.", language=shown)


def _named(metadata: Mapping[str, Any], part: str, key: str) -> str | None:
    found = metadata.get(part)
    name = found.get(key) if isinstance(found, dict) else None
    return _text(name) if isinstance(name, str) and name else None


# --- from JSON to cells ----------------------------------------------------------------------------------------------


def _node(raw: _Raw) -> nbformat.NotebookNode:
    """The notebook in format 4.5, from nothing but kinds, sources, counts and ids."""
    cells = [_bare(cell, raw, index) for index, cell in enumerate(raw.cells, start=1)]
    if raw.major == 3:
        cells = _upgraded(cells)
    _give_ids(cells)
    node = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    try:
        nbformat.validate(node, relax_add_props=False)
    except nbformat.ValidationError:
        raise _refused(raw.name, "{name} is not a valid notebook: open it in Jupyter and save it again.") from None
    return node


def _bare(cell: Mapping[str, Any], raw: _Raw, index: int) -> dict[str, Any]:
    """A cell with nothing but what counts, in the format of the file."""
    kind = cell.get("cell_type")
    if raw.major == 3:
        return _bare_old(cell, raw, index)
    if kind not in tuple(CellKind):
        raise _broken_cell(raw.name, index)
    bare = {"cell_type": kind, "metadata": {}, "source": _source(cell.get("source"), raw.name, index)}
    if isinstance(cell.get("id"), str):
        bare["id"] = cell["id"]
    return bare | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _bare_old(cell: Mapping[str, Any], raw: _Raw, index: int) -> dict[str, Any]:
    kind = cell.get("cell_type")
    if kind == "code":
        if "python" not in str(cell.get("language", "python")).lower():
            raise _refused(raw.name, "{name} has cells in another language than Python: the homework is in Python.")
        source = _source(cell.get("input"), raw.name, index)
        return {"cell_type": kind, "metadata": {}, "input": source, "outputs": [], "language": "python"}
    if kind not in ("markdown", "raw", "html", "heading"):
        raise _broken_cell(raw.name, index)
    level = cell.get("level")
    level = level if isinstance(level, int) and 1 <= level <= 6 else 1
    return {"cell_type": kind, "metadata": {}, "source": _source(cell.get("source"), raw.name, index), "level": level}


def _upgraded(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells of format 3 as cells of format 4; headings become Markdown."""
    sheet = {"cells": cells, "metadata": {}}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [sheet]}
    new = nbformat.convert(nbformat.from_dict(old), 4)
    return [_as_saved_by_format_4(cell) for cell in new.cells]


def _as_saved_by_format_4(cell: Mapping[str, Any]) -> dict[str, Any]:
    bare = {"cell_type": cell["cell_type"], "metadata": {}, "source": cell["source"]}
    return bare | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _give_ids(cells: Iterable[dict[str, Any]]) -> None:
    """A valid id of its own for each cell: the one it has, else one made from its place."""
    taken: set[str] = set()
    for index, cell in enumerate(cells, start=1):
        wanted = cell.get("id", "")
        cell["id"] = wanted if _CELL_ID.fullmatch(wanted) and wanted not in taken else _free_id(index, taken)
        taken.add(cell["id"])


def _free_id(index: int, taken: set[str]) -> str:
    name = f"cell-{index}"
    while name in taken:
        name += "-"
    return name


def _source(source: Any, name: str, index: int) -> str:
    """A source, which may be a text or a list of texts."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise _broken_cell(name, index)
    return _text(source)


def _broken_cell(name: str, index: int) -> UnreadableSubmission:
    return _refused(
        name, "Cell {cell} of {name} is broken: open the notebook in Jupyter and save it again.", cell=index
    )


def _text(text: str) -> str:
    """The text, with what no file can hold (lone surrogates) replaced."""
    return text.encode("utf-8", "replace").decode()


def _cell(index: int, clean: Mapping[str, Any], raw: Mapping[str, Any]) -> Cell:
    count = raw.get("execution_count", raw.get("prompt_number"))
    return Cell(
        index=index,
        kind=CellKind(clean["cell_type"]),
        source=clean["source"],
        execution_count=count if _is_count(count) else None,
        output=_recorded(raw.get("outputs")) if clean["cell_type"] == "code" else "",
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT


# --- recorded text ---------------------------------------------------------------------------------------------------


def _recorded(outputs: Any) -> str:
    """What the cell printed and showed as plain text, its first 20 kB."""
    kept, room = list[bytes](), _MAX_OUTPUT
    for text in _texts(outputs if isinstance(outputs, list) else []):
        piece = text[:room].encode("utf-8", "replace")[:room]
        kept.append(piece)
        room -= len(piece)
        if room <= 0:
            break
    return b"".join(kept).decode("utf-8", "ignore")


def _texts(outputs: Iterable[Any]) -> Iterator[str]:
    """The pieces of text among outputs of format 3 or 4."""
    for output in outputs:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        text = data.get("text/plain") if isinstance(data, dict) else output.get("text")
        pieces = text if isinstance(text, list) else [text]
        yield from (piece for piece in pieces if isinstance(piece, str))
