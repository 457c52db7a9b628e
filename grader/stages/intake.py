"""What was handed in: finding the submissions among files, folders and archives, and reading one of them.

Finding is cheap and never fails for what a student did: something that is meant as a submission stays a candidate, and
says what is wrong with it when it is read. No link is followed, and nothing is written outside the workspace.
"""

from __future__ import annotations

import enum
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from grader.errors import UnreadableSubmission, UsageError
from grader.files import printable
from grader.formats import archives
from grader.formats.notebooks import NotebookFile, read_notebook
from grader.language import listed
from grader.records import Cell, CellKind, Finding, Message, Severity, Student, Submission, say
from grader.stages import downloads

_MAX_DEPTH = 12
_MAX_ARCHIVES = 8  # unpacked of one submission, and so many looked into
_MAX_NOTEBOOKS = 20  # compared within one submission
_MAX_ID_BYTES = 100
_IGNORED = frozenset({"__MACOSX", "__pycache__"})
_TAKEN_IDS = ("index.html", "grades.csv", "results.json", "reviews.csv", "review")  # beside the submissions' folders
_LOGS = re.compile(r"logs?|tensorboard", re.IGNORECASE)
_SOMEONES_LOGS = re.compile(r"(.*[ _.-])?(logs?|tensorboard)([ _.-].*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something that is meant as a submission: a notebook, or a folder or archive with one. `source` is where it came
    from, for people; `logs` is a folder or archive of logs that lay beside the notebook under its name. From a course
    system's download, `student` is whose it is, `also` are further files and folders of the same submission, `order` is as
    in `Handed`, and `earlier` are where earlier attempts came from."""

    id: str
    source: str
    path: Path
    logs: Path | None = None
    student: Student | None = None
    also: tuple[Path, ...] = ()
    order: tuple[int | str, ...] = ()
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The candidates among what was named, and a line on each thing that is none of them."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[str, ...]


class _Holds(enum.Enum):
    """What an archive is for, as its list of names tells."""

    WORK = "a notebook, or what cannot be read"
    LOGS = "event files and no notebook"
    OTHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder that was looked through. `source` is its path as people know it."""

    path: Path
    source: str
    notebooks: tuple[Path, ...]
    archives: tuple[tuple[Path, _Holds], ...]
    folders: tuple[_Folder, ...]
    has_events: bool
    has_files: bool
    is_closed: bool  # nobody but its owner may look into it

    def archives_of(self, kind: _Holds) -> tuple[Path, ...]:
        return tuple(path for path, holds in self.archives if holds is kind)

    @property
    def work(self) -> tuple[Path, ...]:
        """All notebooks, and archives that may hold some, at any depth."""
        below = (path for folder in self.folders for path in folder.work)
        return (*self.notebooks, *self.archives_of(_Holds.WORK), *below)

    @property
    def is_empty(self) -> bool:
        return not self.has_files and all(folder.is_empty for folder in self.folders)

    @property
    def is_logs(self) -> bool:
        return not self.work and (self._with_events or bool(_LOGS.fullmatch(self.path.name)))

    @property
    def _with_events(self) -> bool:
        return self.has_events or bool(self.archives_of(_Holds.LOGS)) or any(f._with_events for f in self.folders)

    @property
    def logs(self) -> tuple[Path, ...]:
        """The folders and archives of logs that lie directly in this folder."""
        return (*(f.path for f in self.folders if f.is_logs), *self.archives_of(_Holds.LOGS))


# --- finding ---------------------------------------------------------------------------------------------------------


def find_submissions(paths: Sequence[Path], workspace: Path) -> tuple[Candidate, ...]:
    """The candidates among notebooks, folders and archives, each with an id of its own, in natural order of the ids.

    A folder is one submission when it holds one notebook, or several beside a folder or archive `logs`; else each
    notebook, archive and folder in it is a submission. An archive that is named is unpacked below `workspace` and
    treated like a folder; one that lies in a folder is one submission. Raises UsageError for a path that is not there
    and for a folder without any notebook.
    """
    return take_in(paths, workspace).candidates


def take_in(paths: Sequence[Path], workspace: Path) -> Intake:
    """The same with what was left out. Downloads of course systems are known by their form (`grader.stages.downloads`):
    there a submission is what one student handed in. Where a student has several attempts the last counts: the one that
    the system says is the latest, or else the one in the download that was named last."""
    paths = [*dict.fromkeys(paths)]
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(
                say("There is no {path}. Name notebooks, or folders or archives that hold some.", path=str(path))
            )
    left: list[str] = []
    places = [_Place.of(path, workspace, left) for path in paths]
    found = _of_students(paths, places, left) or _of_people(paths, places, left)
    return Intake(candidates=_with_ids(_last_attempts(found)), left_out=tuple(left))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A path that was named, and the folder to look into: itself, or what an archive was unpacked to. None for a
    notebook and for an archive that cannot be read."""

    named: Path
    folder: Path | None

    @classmethod
    def of(cls, path: Path, workspace: Path, left: list[str]) -> _Place:
        if path.is_dir() or not _is_packed(path):
            return cls(named=path, folder=path if path.is_dir() else None)
        target = Path(tempfile.mkdtemp(prefix="unpacked-", dir=workspace))
        try:
            left += (f"{path}: {note}" for note in archives.unpack(path, target))
        except UnreadableSubmission:
            return cls(named=path, folder=None)
        return cls(named=path, folder=target)

    def source(self, path: Path) -> str:
        """A path below the folder, as people know it."""
        below = path.relative_to(self.folder) if self.folder else Path()
        return str(Path(self.named, *map(downloads.readable, below.parts)))


def notebooks_of(candidate: Candidate) -> tuple[Path, ...]:
    """The notebooks that lie open in what was handed in; those in archives are found when it is read."""
    places = (candidate.path, *candidate.also)
    folders = [_look(path, "") for path in places if path.is_dir() and not path.is_symlink()]
    below = [path for folder in folders for inner in _all_folders(folder) for path in inner.notebooks]
    return (*(path for path in places if path not in below and path.suffix.lower() == ".ipynb"), *below)


# --- whole downloads -------------------------------------------------------------------------------------------------


def _of_students(paths: Sequence[Path], places: Sequence[_Place], left: list[str]) -> list[Candidate]:
    """The candidates in downloads of course systems. Only where all that can be looked into has a known form: else one
    student's archive could pose as a download, and hand in another's work."""
    if len(paths) > 1 and (handed := downloads.recognise_named(paths)):
        aside = [(str(path), why) for one in handed for path, why in one.aside]
        left += (f"{name}: {why}" for name, why in aside)
        return [_from_student(one, str(one.paths[0])) for one in handed]
    looked = [place for place in places if place.folder]
    forms = [downloads.recognise(p.folder, _stem(p.named.absolute())) for p in looked if p.folder]
    if not looked or not all(forms):
        return []
    found = [c for place, form in zip(looked, forms, strict=True) for c in _in_download(place, form, left)]
    return [*found, *(_by_name(place.named, str(place.named)) for place in places if not place.folder)]


def _in_download(place: _Place, form: Sequence[downloads.Handed], left: list[str]) -> Iterator[Candidate]:
    """The candidates in one download. Work that lies beside Moodle's, whose mark is sure, is taken by its name."""
    yield from (_from_student(one, place.source(one.paths[0])) for one in form)
    reasons = {path: why for one in form for path, why in one.aside}
    for path in _not_in(place.folder, {path for one in form for path in one.paths}):
        beside = _beside(path, place.source(path)) if form[0].student.system == "Moodle" and path not in reasons else []
        yield from beside
        if not beside:
            left.append(f"{place.source(path)}: {reasons.get(path) or _why_nobodys(path)}")


def _why_nobodys(path: Path) -> str:
    return "there is nothing in it" if path.is_dir() and not _entries(path) else "its name does not say whose it is"


def _beside(path: Path, source: str) -> list[Candidate]:
    if path.is_dir() and not path.is_symlink():
        return list(_in_folder(_look(path, source), top=False))
    return [_by_name(path, source)] if path.suffix.lower() == ".ipynb" or _is_packed(path) else []


def _from_student(handed: downloads.Handed, source: str) -> Candidate:
    """A candidate from a download: its notebook first, if there is one."""
    first, *also = sorted(handed.paths, key=lambda path: path.suffix.lower() != ".ipynb")
    whole = _find(downloads.identity(handed.student), source, first)
    return replace(whole, student=handed.student, also=tuple(also), order=handed.order)


def _last_attempts(found: Iterable[Candidate]) -> Iterator[Candidate]:
    """Each student once, with the last attempt; whoever is not known by a course system is left as is."""
    attempts: dict[object, list[Candidate]] = {}
    for candidate in found:
        attempts.setdefault(downloads.person(candidate.student) if candidate.student else candidate, []).append(
            candidate
        )
    for several in attempts.values():
        *earlier, last = sorted(several, key=lambda candidate: candidate.order)
        if last.student is None or not earlier:
            yield last
            continue
        student = replace(last.student, attempt=last.student.attempt + len(earlier))
        yield replace(last, student=student, earlier=tuple(candidate.source for candidate in earlier))


def _not_in(folder: Path | None, taken: Set[Path]) -> Iterator[Path]:
    """What is shown in a folder and belongs to nothing that was taken; folders as a whole where all of them does."""
    above = {parent for path in taken for parent in path.parents}
    for entry in _entries(folder) if folder else ():
        if entry in above:
            yield from _not_in(entry, taken)
        elif entry not in taken:
            yield entry


# --- work by its names -----------------------------------------------------------------------------------------------


def _of_people(paths: Sequence[Path], places: Sequence[_Place], left: list[str]) -> list[Candidate]:
    """The candidates among notebooks, folders and archives that people have named."""
    beside = _named_logs(paths)
    kept = [(place, _in_place(place)) for place in places if place.named not in beside.values()]
    for place, candidates in kept:
        if place.folder is not None:
            taken = {path for c in candidates for path in (c.path, c.logs) if path is not None}
            left += (
                f"{place.source(path)}: no notebook, and nobody's logs"
                for path in (_not_in(place.folder, taken) if not taken & {place.folder, place.named} else ())
            )
    return [replace(c, logs=beside.get(c.path, c.logs)) for _, candidates in kept for c in candidates]


def _named_logs(paths: Sequence[Path]) -> dict[Path, Path]:
    """Logs by notebook among paths that were named one by one, as a shell does for `class/*`."""
    notebooks = [path for path in paths if path.suffix.lower() == ".ipynb" and not path.is_dir()]
    packed = [path for path in paths if notebooks and _is_packed(path)]
    return _logs_beside(notebooks, [path for path in packed if _holds(path) is _Holds.LOGS])


def _in_place(place: _Place) -> list[Candidate]:
    if place.folder is None:
        return [_by_name(place.named, str(place.named))]
    folder = _look(place.folder, str(place.named))
    if place.folder != place.named:
        return _in_archive(place, folder)
    if not folder.work:
        raise UsageError(
            say(
                "There is no notebook in {path}. Name a folder that holds .ipynb files or archives.",
                path=str(place.named),
            )
        )
    return list(_in_folder(folder, top=True))


def _in_archive(place: _Place, folder: _Folder) -> list[Candidate]:
    """The submissions in an archive that was named; itself, when it is one."""
    found = list(_in_folder(folder, top=False))
    itself = _by_name(place.named, str(place.named))
    return found if found and found[0].path != place.folder else [itself]


def _in_folder(folder: _Folder, *, top: bool) -> Iterator[Candidate]:
    """The submissions in a folder. `top` is a folder that was named, where a lone sub-folder is a class of one."""
    several = len(folder.work) > 1
    together = bool(folder.notebooks) and len(folder.work) == len(folder.notebooks) and _has_common_logs(folder)
    alone = not several and (not top or folder.notebooks or folder.logs)
    if together or (folder.work and alone):
        yield _find(folder.path.resolve().name, folder.source, folder.path)
    else:
        yield from _in_class(folder)


def _has_common_logs(folder: _Folder) -> bool:
    """Whether logs lie there under no one's name."""
    return any(_LOGS.fullmatch(_stem(path)) for path in folder.logs)


def _in_class(folder: _Folder) -> Iterator[Candidate]:
    """Each notebook, archive and folder as submissions of their own. One without a notebook counts where others are
    handed in in the same way, unless its name says that it holds logs."""
    beside = _logs_beside(folder.notebooks, folder.logs)
    for notebook in folder.notebooks:
        yield replace(_find(notebook.stem, _below(folder, notebook), notebook), logs=beside.get(notebook))
    packed = any(holds is _Holds.WORK for _, holds in folder.archives) or any(f.work for f in folder.folders)
    for path, holds in folder.archives:
        if holds is _Holds.WORK or (packed and _is_someones(path, beside.values())):
            yield _find(archives.stem(path.name), _below(folder, path), path)
    for inner in folder.folders:
        if inner.work:
            yield from _in_folder(inner, top=False)
        elif inner.is_closed or (packed and not inner.is_empty and _is_someones(inner.path, beside.values())):
            yield _find(inner.path.name, inner.source, inner.path)


def _is_someones(path: Path, taken: Iterable[Path]) -> bool:
    return path not in taken and not _SOMEONES_LOGS.fullmatch(_stem(path))


def _logs_beside(notebooks: Iterable[Path], logs: Iterable[Path]) -> dict[Path, Path]:
    """Logs by the notebook whose name they bear: `ivanova.zip`, `ivanova_logs.zip` belong to `ivanova.ipynb`."""
    by_name = {(notebook.parent, _same(notebook.stem)): notebook for notebook in notebooks}
    found: dict[Path, Path] = {}
    for path in logs:
        name = _same(_stem(path))
        without = re.sub(r"^logs?[ _.-]+|[ _.-]+logs?$", "", name)
        notebook = by_name.get((path.parent, without)) or by_name.get((path.parent, name))
        if notebook is not None:
            found.setdefault(notebook, path)
    return found


def _stem(path: Path) -> str:
    return archives.stem(path.name)


def _same(name: str) -> str:
    """The name in a form that is equal for names that people and file systems take for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_packed(path: Path) -> bool:
    return archives.is_archive(path.name) and not path.is_dir()


def _below(folder: _Folder, path: Path) -> str:
    return str(Path(folder.source, path.name))


def _by_name(path: Path, source: str) -> Candidate:
    return _find(_stem(path) if _is_packed(path) else path.stem, source, path)


def _find(name: str, source: str, path: Path) -> Candidate:
    """A candidate whose id is not yet its own."""
    return Candidate(id=safe_id(name), source=source.encode("utf-8", "replace").decode(), path=path)


# --- looking ---------------------------------------------------------------------------------------------------------


def _look(
    path: Path, source: str, depth: int = 0, holds: Callable[[Path, frozenset[str]], _Holds] | None = None
) -> _Folder:
    """Look through a folder and all below it, but for hidden files and links to folders. `holds` looks into archives."""
    holds = holds or _holds
    entries = _entries(path)
    folders = [entry for entry in entries if _is_folder(entry) and not entry.is_symlink() and not _is_ours(entry)]
    files = [entry for entry in entries if not _is_folder(entry)]
    notebooks = tuple(file for file in files if file.suffix.lower() == ".ipynb")
    names = frozenset(_same(notebook.stem) for notebook in notebooks)
    return _Folder(
        path=path,
        source=source,
        notebooks=notebooks,
        archives=tuple((file, holds(file, names)) for file in files if archives.is_archive(file.name)),
        folders=tuple(_look(f, str(Path(source, f.name)), depth + 1, holds) for f in folders if depth < _MAX_DEPTH),
        has_events=any("tfevents" in file.name for file in files),
        has_files=bool(files),
        is_closed=_is_closed(path),
    )


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib's raises where nobody may look


def _is_closed(folder: Path) -> bool:
    return not os.access(folder, os.R_OK | os.X_OK)


def _entries(path: Path) -> list[Path]:
    """What is shown in a folder, in natural order; nothing, if it may not be read."""
    try:
        return sorted(
            filter(lambda entry: _is_shown(entry.name), path.iterdir()), key=lambda entry: _natural(entry.name)
        )
    except OSError:
        return []


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds results of ours: `grade .` must not grade what it wrote there the last time."""
    return _is_folder(folder / ".evidence")


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in _IGNORED


def _natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts hw2 before hw10."""
    parts = re.split(r"(\d+)", _same(name))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def _holds(path: Path, notebooks: frozenset[str] = frozenset()) -> _Holds:
    """What an archive is for. One that cannot be read is someone's work, unless its name says that it holds logs: it
    is called logs, or like one of `notebooks` beside it."""
    for_logs = bool(_SOMEONES_LOGS.fullmatch(_stem(path)))
    try:
        names = archives.names(path)
    except UnreadableSubmission:
        return _Holds.LOGS if for_logs or _same(_stem(path)) in notebooks else _Holds.WORK
    if any(name.lower().endswith(".ipynb") for name in names):
        return _Holds.WORK
    if for_logs or any("tfevents" in name.rsplit("/", 1)[-1] for name in names):
        return _Holds.LOGS
    return _Holds.WORK if any(archives.is_archive(name) for name in names) else _Holds.OTHER


# --- ids -------------------------------------------------------------------------------------------------------------


def safe_id(name: str) -> str:
    """A name that can be a folder's, everywhere: NFC, no separators, control or bidirectional characters, no dot or
    dash in front, at most 100 bytes of UTF-8, not empty. Letters of any script stay."""
    name = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c)[0] != "C")
    name = unicodedata.normalize("NFC", name)
    name = " ".join(re.sub(r'[/\\:*?"<>|]', "_", name).split()).lstrip(".- ")
    return _cut(name, _MAX_ID_BYTES) or "submission"


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore").rstrip(". ")


def _with_ids(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates in natural order, each with an id that no other has, not even on a careless file system."""
    taken = {_same(name) for name in _TAKEN_IDS}
    done = []
    for candidate in sorted(found, key=lambda c: (_natural(c.id), _natural(c.source))):
        own = _own_id(candidate.id, taken)
        taken.add(_same(own))
        done.append(replace(candidate, id=own))
    return tuple(sorted(done, key=lambda c: _natural(c.id)))


def _own_id(name: str, taken: set[str]) -> str:
    own, number = name, 2
    while _same(own) in taken:
        suffix = f"-{number}"
        own, number = _cut(name, _MAX_ID_BYTES - len(suffix)) + suffix, number + 1
    return own


# --- reading ---------------------------------------------------------------------------------------------------------


def read_submission(candidate: Candidate, workspace: Path, names: Collection[str] = ()) -> Submission:
    """Read a candidate; its archives are unpacked below `workspace`, an existing folder, which must outlive the
    submission. Of several notebooks the one is taken whose code has most of the homework's `names` in it. Raises
    UnreadableSubmission with one sentence when there is no notebook to grade."""
    handed = _Handed(candidate, workspace)
    path, notebook, remarks = _choose(handed, names)
    return Submission(
        id=candidate.id,
        source=candidate.source,
        notebook=path,
        sha256=notebook.sha256,
        cells=notebook.cells,
        logs=_logs_among(handed.places),
        remarks=(*_of_attempts(candidate), *remarks, *handed.remarks),
        student=candidate.student,
    )


def _of_attempts(candidate: Candidate) -> Iterator[Finding]:
    """What the course system tells of when it was handed in."""
    if candidate.student is not None and candidate.student.late:
        sentence = say("{system} marks this as handed in late.", system=candidate.student.system)
        yield Finding(code="intake.late", severity=Severity.INFO, message=sentence)
    if candidate.student is not None and candidate.earlier:
        attempt, names = candidate.student.attempt, ", ".join(map(printable, candidate.earlier[-5:]))
        sentence = say("This is attempt {attempt}, and the one that counts; not {names}.", attempt=attempt, names=names)
        yield Finding(code="intake.earlier_attempt", severity=Severity.INFO, message=sentence)


class _Handed:
    """A candidate with all its archives unpacked: the notebooks with their places in what was handed in, the folders to
    look for logs in, and what was noticed."""

    def __init__(self, candidate: Candidate, workspace: Path) -> None:
        self.name = candidate.path.name
        self.workspace = workspace
        self.notebooks: dict[Path, str] = {}
        self.places: list[Path] = []
        self.remarks: list[Finding] = []
        self.troubles: list[UnreadableSubmission] = []
        self.room = archives.MAX_BYTES
        self.left = self.looks = _MAX_ARCHIVES
        for path in (candidate.path, *candidate.also):
            self.add(path)
        if candidate.logs is not None:
            own = dict(self.notebooks)
            (self.add_folder if candidate.logs.is_dir() else self.add_archive)(candidate.logs)
            self.notebooks = own or self.notebooks  # logs were named as logs: a draft beside them is not what is graded

    def add(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self.add_folder(path)
        elif archives.is_archive(path.name):
            self.add_archive(path)
        elif path.suffix.lower() == ".ipynb" or not self.notebooks:
            self.notebooks[path] = path.name

    def add_folder(self, path: Path) -> None:
        self.places.append(path)
        if _is_closed(path):
            sentence = "The folder {name} may not be read by this user. Give yourself the right to, and grade again."
            self.troubles.append(UnreadableSubmission(say(sentence, name=printable(path.name))))
        for folder in _all_folders(_look(path, "", holds=self.holds)):
            self.notebooks |= {notebook: _below(folder, notebook) for notebook in folder.notebooks}
            for archive in (*folder.archives_of(_Holds.WORK), *folder.archives_of(_Holds.LOGS)):
                self.add_archive(archive)

    def holds(self, path: Path, notebooks: frozenset[str]) -> _Holds:
        """What an archive is for; after the first few nobody looks: to list a compressed one takes its time."""
        self.looks -= 1
        return _holds(path, notebooks) if self.looks >= 0 else _Holds.OTHER

    def add_archive(self, path: Path) -> None:
        if self.left <= 0:
            return
        self.left -= 1
        target = Path(tempfile.mkdtemp(prefix="unpacked-", dir=self.workspace))
        try:
            notes = archives.unpack(path, target, most=self.room)
        except UnreadableSubmission as error:
            self.troubles.append(error)
            self.remarks.append(_remark("intake.unreadable_archive", error.message))
            return
        self.room -= sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        if notes:
            sentence = say(
                "Some files of {name} were left out: {notes}.", name=printable(path.name), notes=listed(notes, "; ")
            )
            self.remarks.append(_remark("intake.left_out", sentence))
        self.add_folder(target)


def _remark(code: str, message: Message) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, message=message)


def _all_folders(folder: _Folder) -> Iterator[_Folder]:
    yield folder
    for inner in folder.folders:
        yield from _all_folders(inner)


def _choose(handed: _Handed, names: Collection[str]) -> tuple[Path, NotebookFile, tuple[Finding, ...]]:
    """The notebook to grade: of several, the one that looks most like the homework."""
    paths = list(handed.notebooks)
    if not paths:
        if handed.troubles:
            raise handed.troubles[0]
        raise UnreadableSubmission(
            say("There is no notebook in {name}: hand in the .ipynb file.", name=printable(handed.name))
        )
    readable = dict(_readable(paths[:_MAX_NOTEBOOKS])) if len(paths) > 1 else {}
    if not readable:
        return paths[0], read_notebook(paths[0]), ()
    path = max(readable, key=lambda path: _likeness(path, readable[path], names))
    copies = [p for p, notebook in readable.items() if notebook.sha256 == readable[path].sha256]
    others = [handed.notebooks[p] for p in paths if p not in copies]
    return path, readable[path], tuple(_two_notebooks(handed.notebooks[path], others))


def _readable(paths: Iterable[Path]) -> Iterator[tuple[Path, NotebookFile]]:
    for path in paths:
        try:
            yield path, read_notebook(path)
        except UnreadableSubmission:
            continue


def _likeness(path: Path, notebook: NotebookFile, names: Collection[str]) -> tuple[int, int]:
    """How much a notebook looks like the homework: its names in the code, then its size in bytes."""
    code = "\n".join(cell.source for cell in _code(notebook.cells))
    return sum(name in code for name in names), path.stat().st_size


def _code(cells: Iterable[Cell]) -> Iterator[Cell]:
    return (cell for cell in cells if cell.kind is CellKind.CODE)


def _two_notebooks(taken: str, others: Sequence[str]) -> Iterator[Finding]:
    if others:
        sentence = say(
            "Several notebooks were handed in: {taken} was graded, not {others}. Hand in one notebook.",
            taken=printable(taken),
            others=", ".join(printable(other) for other in others[:5]),
        )
        yield _remark("intake.two_notebooks", sentence)


# --- logs ------------------------------------------------------------------------------------------------------------


def _logs_among(places: Iterable[Path]) -> Path | None:
    """The folder of run folders that holds most event files, the first of those that hold as many."""
    files: dict[Path, int] = {}
    for place in places:
        for root, count in _log_roots(place).items():
            files[root] = max(count, files.get(root, 0))
    return max(files, key=lambda root: files[root], default=None)


def _log_roots(place: Path) -> dict[Path, int]:
    """Folders of run folders below `place`, with the number of their event files: those called logs, and if there is
    none, the closest folder that is above all runs."""
    runs = _run_folders(place)
    named: dict[Path, int] = {}
    for run, count in runs.items():
        parts = run.relative_to(place).parts
        last = max((index for index, part in enumerate(parts) if _LOGS.fullmatch(part)), default=None)
        if last is not None:
            root = place.joinpath(*parts[: last + 1])
            named[root] = named.get(root, 0) + count
    if named or not runs:
        return named
    above = Path(os.path.commonpath(list(runs)))
    above = above.parent if len(runs) == 1 and above != place else above
    return {above: sum(runs.values())}


def _run_folders(place: Path) -> dict[Path, int]:
    """The folders that hold event files, with their number."""
    found: dict[Path, int] = {}
    for path, folders, names in os.walk(place):
        deep = len(Path(path).relative_to(place).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(filter(_is_shown, folders))
        count = sum("tfevents" in name and _is_shown(name) for name in names)
        if count:
            found[Path(path)] = count
    return found
