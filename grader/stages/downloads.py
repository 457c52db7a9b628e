"""Whole downloads from course systems: which file is whose, told by the names that the system itself gives.

A form counts only where its own mark is there; names that merely look alike are left to intake's ordinary rules, so that
nobody's work is taken for another's. The forms are those that the systems' sources write: Moodle's mod/assign/classes/
downloader.php, Canvas's lib/content_zipper.rb, nbgrader's directory_structure, and what Gradescope and GitHub's classroom
command line export.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from grader.errors import UsageError
from grader.formats import archives
from grader.places import opener
from grader.records import Student

_MAX_WRAPPERS = 4  # folders in folders before the download itself
_MAX_METADATA = 64 << 20  # bytes of Gradescope's list of names
_TEXT, _EARLIER = "text that was typed online", "an earlier attempt"

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<key>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL)
_CANVAS = re.compile(
    r"(?:(?P<late_anon>LATE_)?anon_(?P<anon>[A-Za-z0-9]+)|(?P<name>[^\W_]+)_(?P<late>LATE_)?(?P<key>\d+))"
    r"_(?P<number>\d{3,})_(?P<file>.+)",
    re.DOTALL | re.IGNORECASE,
)
_AGAIN = re.compile(r"-(\d+)(?=(?:\.\w+)+$|$)")  # Canvas marks a file that is handed in again: hw.ipynb, hw-1.ipynb
_GRADESCOPE = re.compile(r"submission_(\d+)")
_INBOUND = re.compile(r"(?P<key>.+)\+(?P<work>.+)\+(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \w+)(?:\+.+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What one student handed in at one time. `paths` are its files and folders; `aside` what does not count, each with
    the reason; `order` grows with time where the system numbers what is handed in, and is empty where it does not."""

    student: Student
    paths: tuple[Path, ...]
    order: tuple[int | str, ...] = ()
    aside: tuple[tuple[Path, str], ...] = ()


def recognise(folder: Path, name: str) -> tuple[Handed, ...]:
    """What each student handed in, if the folder, or the only one in it, is a course system's download; else nothing.
    `name` is what people call the folder. Raises UsageError for a course folder of several assignments."""
    for _ in range(_MAX_WRAPPERS):
        entries = _entries(folder)
        for form in (_moodle, _inbound, _canvas):
            if handed := form(entries):
                return handed
        if handed := _gradescope(folder, name) or _nbgrader(folder, name) or _github(entries, name):
            return handed
        if len(entries) != 1 or not _is_folder(entries[0]):
            break
        folder, name = entries[0], entries[0].name
    return ()


def recognise_named(paths: Sequence[Path]) -> tuple[Handed, ...]:
    """The same for paths that were named one by one, as a shell does for `download/*`; nothing unless all are told."""
    for form in (_moodle, _inbound, _canvas, _nbgrader_named):
        handed = form(paths)
        told = {path for one in handed for path in (*one.paths, *(path for path, _ in one.aside))}
        if handed and told.issuperset(paths):
            return handed
    return ()


def identity(student: Student) -> str:
    """What a submission is called: the name that the system gives, with the number that tells namesakes apart."""
    return f"{student.name}_{student.key}" if student.name else student.key


def person(student: Student) -> tuple[str, ...]:
    """What is equal for attempts of one student and for nothing else."""
    return student.system, student.key, unicodedata.normalize("NFC", (student.name or "").casefold())


def readable(name: str) -> str:
    """A file's name for people: composed, and decoded where a Windows archive was unpacked without care for its code
    page. The page under which more of the letters are common Russian ones is taken, as for the names in a zip."""
    raw = os.fsencode(name)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        pages = (raw.decode(page, "replace") for page in ("cp866", "cp1251"))
        text = max(pages, key=lambda text: len(re.findall("[А-Яа-я]", text)))
    return unicodedata.normalize("NFC", text)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX")
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if _is_folder(entry)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_work(path: Path) -> bool:
    """Whether it may hold a submission: a notebook, an archive, a folder that is not empty."""
    return (
        bool(_entries(path)) if _is_folder(path) else path.suffix.lower() == ".ipynb" or archives.is_archive(path.name)
    )


# --- Moodle ----------------------------------------------------------------------------------------------------------


def _moodle(entries: Iterable[Path]) -> tuple[Handed, ...]:
    """`Иванова Анна_4711_assignsubmission_file/…`, and the same in front of each file's name. The mark is long enough to
    be nobody's own. Text that was typed online counts only for those who have nothing else."""
    found = [(match, entry) for entry in entries if (match := _moodle_name(entry))]
    return tuple(_of_moodle(key, list(pieces)) for key, pieces in _grouped(found, lambda m: (m["name"], m["key"])))


def _moodle_name(entry: Path) -> re.Match[str] | None:
    match = _MOODLE.fullmatch(readable(entry.name))
    return match if match and bool(match["file"]) != _is_folder(entry) else None


def _of_moodle(key: tuple[str, ...], pieces: list[tuple[re.Match[str], Path]]) -> Handed:
    files = tuple(path for match, path in pieces if match["kind"] == "file")
    paths = files or tuple(path for _, path in pieces)
    return Handed(
        student=Student(system="Moodle", name=key[0], key=key[1]),
        paths=paths,
        aside=tuple((path, _TEXT) for _, path in pieces if path not in paths),
    )


def _grouped(
    found: Iterable[tuple[re.Match[str], Path]], key: Callable[[re.Match[str]], tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], Iterable[tuple[re.Match[str], Path]]]]:
    """Matches of the same student, whatever stands between them."""
    return groupby(sorted(found, key=lambda pair: (key(pair[0]), pair[1])), key=lambda pair: key(pair[0]))


# --- Canvas ----------------------------------------------------------------------------------------------------------


def _canvas(entries: Iterable[Path]) -> tuple[Handed, ...]:
    """`ivanovaanna_LATE_1234_56789_hw.ipynb`: name, user, attachment. People give such names too (group, variant), so all
    work must have them, each attachment be there once, and each user have one name."""
    found = [(_CANVAS.fullmatch(readable(entry.name)), entry) for entry in entries if _is_work(entry)]
    matches = [(match, path) for match, path in found if match is not None and not _is_folder(path)]
    people = {_canvas_person(match) for match, _ in matches}
    numbers = {match["number"] for match, _ in matches}
    if not matches or len(matches) < len(found) or len(numbers) < len(matches):
        return ()
    if len({key for _, key in people}) < len(people):
        return ()
    return tuple(_of_canvas(key, list(pieces)) for key, pieces in _grouped(matches, _canvas_person))


def _canvas_person(match: re.Match[str]) -> tuple[str, str]:
    return ("", f"anon_{match['anon']}") if match["anon"] else (match["name"].casefold(), match["key"])


def _of_canvas(key: tuple[str, ...], pieces: list[tuple[re.Match[str], Path]]) -> Handed:
    """Of files with one name the latest attachment counts: their numbers grow. Other files belong to it."""
    latest: dict[str, list[tuple[int, Path]]] = {}
    for match, path in pieces:
        latest.setdefault(_AGAIN.sub("", match["file"]).casefold(), []).append((int(match["number"]), path))
    slots = [sorted(slot) for slot in latest.values()]
    last = max(pieces, key=lambda piece: int(piece[0]["number"]))[0]
    return Handed(
        student=Student(
            system="Canvas",
            name=key[0] or None,
            key=key[1],
            late=bool(last["late"] or last["late_anon"]),
            attempt=max(map(len, slots)),
        ),
        paths=tuple(slot[-1][1] for slot in slots),
        order=(int(last["number"]),),
        aside=tuple((path, _EARLIER) for slot in slots for _, path in slot[:-1]),
    )


# --- Gradescope ------------------------------------------------------------------------------------------------------


def _gradescope(folder: Path, name: str) -> tuple[Handed, ...]:
    """`assignment_12_export/submission_345/…`, with the names in submission_metadata.yml."""
    metadata = folder / "submission_metadata.yml"
    if not metadata.is_file() and not re.fullmatch(r"assignment_\d+_export", name):
        return ()
    people = _submitters(_text(metadata))
    found = [(match[1], entry) for entry in _folders(folder) if (match := _GRADESCOPE.fullmatch(entry.name))]
    return tuple(_of_gradescope(number, path, people.get(number, [])) for number, path in found)


def _of_gradescope(number: str, path: Path, people: Sequence[Mapping[str, str]]) -> Handed:
    """A submission, which may be that of several. What stays the same when it is handed in again is the key."""
    known = [one.get("sid") or one.get("email") or "" for one in people]
    name = ", ".join(one["name"] for one in people if one.get("name"))
    key = ",".join(known) if known and all(known) else f"submission_{number}"
    return Handed(student=Student(system="Gradescope", name=name or None, key=key), paths=(path,), order=(int(number),))


def _text(path: Path) -> str:
    """The beginning of a file; nothing of one that cannot be read."""
    try:
        with open(path, "rb", opener=opener) as file:
            return file.read(_MAX_METADATA).decode("utf-8", "replace")
    except OSError:
        return ""


def _submitters(text: str) -> dict[str, list[dict[str, str]]]:
    """Names, ids and addresses by the number of the submission. Only the lines in the places where Gradescope writes these
    are read, and a value of another kind is left out: a submission's own text, which stands deeper, cannot pose as one."""
    found: dict[str, list[dict[str, str]]] = {}
    people: list[dict[str, str]] | None = None
    for line in text.split("\n"):
        if head := re.fullmatch(r"submission_(\d+):\s*", line):
            people = None
            found[head[1]] = []
        elif re.match(r"  :\w+:", line):
            people = list(found.values())[-1] if found and line.rstrip() == "  :submitters:" else None
        elif people is not None and (item := re.fullmatch(r"  ([- ]) :(name|sid|email): (.*)", line.rstrip())):
            if item[1] == "-":
                people.append({})
            if people and (value := _scalar(item[3])):
                people[-1][item[2]] = value
    return found


def _scalar(text: str) -> str | None:
    """A YAML value that ends on its line: plain, or in quotes."""
    if text[:1] == "'":
        return text[1:-1].replace("''", "'") if len(text) > 1 and text[-1] == "'" else None
    if text[:1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return None
    return text if text and text[0] not in "|>&*!{[" else None


# --- nbgrader, GitHub -------------------------------------------------------------------------------------------------


def _nbgrader(folder: Path, name: str) -> tuple[Handed, ...]:
    """`submitted/ivanova/hw1/hw.ipynb`, alone or in the course's folder, whose other notebooks are nobody's work."""
    if name != "submitted":
        inner = folder / "submitted"
        return _nbgrader(inner, "submitted") if _is_folder(inner) else ()
    students = [entry for entry in _entries(folder) if _is_work(entry)]
    if not students or any(not _is_folder(work) for s in students for work in (_entries(s) if _is_folder(s) else [s])):
        return ()
    if any(len(_folders(student)) > 1 for student in students):
        works = sorted({work.name for student in students for work in _folders(student)})
        raise UsageError(f"There are several assignments in {name}: {', '.join(works)}. Name one: {name}/*/{works[0]}")
    return _nbgrader_named([work for student in students for work in _folders(student)])


def _nbgrader_named(paths: Sequence[Path]) -> tuple[Handed, ...]:
    """Folders `submitted/ivanova/hw1`, one of each student."""
    whole = [path.absolute() for path in paths]
    if len({path.parent for path in whole}) < len(whole):
        return ()
    if not all(_is_folder(path) and path.parent.parent.name == "submitted" for path in whole):
        return ()
    return tuple(
        Handed(student=Student(system="nbgrader", key=readable(full.parent.name)), paths=(path,))
        for path, full in zip(paths, whole, strict=True)
    )


def _inbound(entries: Iterable[Path]) -> tuple[Handed, ...]:
    """`ivanova+hw1+2026-11-23 10:15:00.123456 UTC`: nbgrader's exchange, where all attempts lie side by side."""
    found = [(match, e) for e in entries if _is_folder(e) and (match := _INBOUND.fullmatch(readable(e.name)))]
    works = sorted({match["work"] for match, _ in found})
    if len(works) > 1:
        raise UsageError(f"There are several assignments here: {', '.join(works)}. Name one: '*+{works[0]}+*'")
    return tuple(
        Handed(student=Student(system="nbgrader", key=match["key"]), paths=(path,), order=(match["time"],))
        for match, path in found
    )


def _github(entries: Sequence[Path], name: str) -> tuple[Handed, ...]:
    """`hw1-submissions/hw1-ivanova/…`: the repositories that GitHub's classroom command line clones."""
    slug, mark, rest = name.rpartition("-submissions")
    folders = [entry for entry in entries if _is_folder(entry)]
    logins = [re.fullmatch(re.escape(slug) + "-([A-Za-z0-9-]+)", entry.name) for entry in folders]
    if not (slug and mark and not rest and folders and all(logins)):
        return ()
    return tuple(
        Handed(student=Student(system="GitHub", key=login[1]), paths=(path,))
        for login, path in zip(logins, folders, strict=True)
        if login
    )
