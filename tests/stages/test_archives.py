"""Archives: honest ones are unpacked whatever wrote them; hostile ones write nothing outside and end in one sentence."""

from __future__ import annotations

import gzip
import io
import os
import resource
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import GraderError, UnreadableSubmission
from grader.formats import archives
from grader.formats.archives import names, safe_parts, stem, unpack

from .making import notebook, put, special, tarred, zipped, zipped_by_windows

FILES = {"hw.ipynb": notebook(), "logs/relu/a.tfevents": b"events", "Отчёт/вывод.txt": "текст".encode(), "empty": b""}
TARS = {".tar": "w:", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
HONEST = {".zip": zipped(FILES), **{suffix: tarred(FILES, mode) for suffix, mode in TARS.items()}}


def tree(folder: Path) -> dict[str, bytes]:
    """All that is below a folder: files with their bytes, anything else as an error."""
    found = {}
    for path in sorted(folder.rglob("*")):
        assert not path.is_symlink() and (path.is_dir() or path.is_file())
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def refusal(archive: Path, target: Path) -> str:
    """The sentence with which an archive is refused: quickly, and with nothing written but below the target."""
    before = set(tree(archive.parent))
    with pytest.raises(UnreadableSubmission) as caught:
        unpack(archive, target)
    assert {path for path in set(tree(archive.parent)) - before if not path.startswith(f"{target.name}/")} == set()
    sentence = str(caught.value)
    assert sentence.count("\n") == 0 and sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("suffix", HONEST)
def test_every_kind_is_unpacked(tmp_path: Path, suffix: str) -> None:
    archive = put(tmp_path / f"a{suffix}", HONEST[suffix])
    assert unpack(archive, tmp_path / "out") == ()
    assert tree(tmp_path / "out") == FILES
    assert set(names(archive)) == set(FILES)
    assert stem(archive.name) == "a"


def test_folders_that_windows_wrote_are_no_files(tmp_path: Path) -> None:
    archive = put(
        tmp_path / "a.zip", zipped({"hw\\": b"", "hw\\a.ipynb": b"1", "hw\\logs\\": b"", "hw\\logs\\e": b"2"})
    )
    assert unpack(archive, tmp_path / "out") == ()
    assert tree(tmp_path / "out") == {"hw/a.ipynb": b"1", "hw/logs/e": b"2"}


@pytest.mark.parametrize("page", ["cp866", "cp1251", "utf-8"])
def test_russian_names_from_windows_are_read_right(tmp_path: Path, page: str) -> None:
    files = {"Иванов Пётр/домашнее задание.ipynb": b"1", "логи.txt": b"22", "plain": b"3"}
    archive = put(tmp_path / "a.zip", zipped_by_windows(files, page))
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == files


def test_separators_of_windows_are_separators(tmp_path: Path) -> None:
    archive = put(tmp_path / "a.zip", zipped({"logs\\relu\\a.tfevents": b"1"}))
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"logs/relu/a.tfevents": b"1"}


def test_what_systems_add_is_dropped_silently(tmp_path: Path) -> None:
    added = ("__MACOSX/._hw.ipynb", "logs/._a", "logs/.DS_Store", ".ipynb_checkpoints/hw-checkpoint.ipynb")
    archive = put(tmp_path / "a.zip", zipped({"hw.ipynb": b"1", **dict.fromkeys(added, b"x")}))
    assert unpack(archive, tmp_path / "out") == ()
    assert tree(tmp_path / "out") == {"hw.ipynb": b"1"}


EVIL_NAMES = (
    "../up", "a/../../up", "/etc/up", "\\up", "..\\up", "C:\\up", "c:up", "//host/up", "a\x1b[31mb", "a\nb", "x" * 250, ".", "a/" * 40 + "b",
)  # fmt: skip


@pytest.mark.parametrize("name", EVIL_NAMES)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_that_lead_out_are_left_out_and_named(tmp_path: Path, name: str, pack: object) -> None:
    assert callable(pack)
    archive = put(tmp_path / "box" / "a", pack({name: b"evil", "hw.ipynb": b"1"}))
    before = tree(tmp_path)
    notes = unpack(archive, tmp_path / "box" / "out")
    assert tree(tmp_path) == before | {"box/out/hw.ipynb": b"1"}
    assert len(notes) == 1 and str(notes[0]).isprintable()


@given(st.text())
def test_a_path_of_ours_is_relative_and_stays_below(name: str) -> None:
    parts = safe_parts(name)
    if parts is not None:
        assert parts and not set(parts) & {"", ".", ".."}
        assert all("/" not in part and "\\" not in part and "\0" not in part for part in parts)
        assert not Path(*parts).is_absolute()
        assert len(os.fsencode(Path(*parts))) < 2000


def test_links_and_devices_are_left_out_of_tars(tmp_path: Path) -> None:
    put(tmp_path / "secret", b"secret")
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "dev": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    members = {name: special(name, kind, "../secret") for name, kind in kinds.items()}
    archive = put(tmp_path / "a.tar.gz", tarred({**members, "sym/inside": b"1", "hw.ipynb": b"2"}))
    assert [str(note).split(":")[0] for note in unpack(archive, tmp_path / "out")] == list(kinds)
    assert tree(tmp_path / "out") == {"sym/inside": b"1", "hw.ipynb": b"2"}


def test_links_are_left_out_of_zips(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "/etc")
        bundle.writestr("link/passwd", "1")
    archive = put(tmp_path / "a.zip", buffer.getvalue())
    assert len(unpack(archive, tmp_path / "out")) == 1
    assert tree(tmp_path / "out") == {"link/passwd": b"1"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_of_names_that_a_file_system_may_confuse_the_first_is_kept(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    short = unicodedata.normalize("NFD", "й")
    files = {"HW.ipynb": b"1", "hw.IPYNB": b"2", "й": b"3", short: b"4", "й/inner": b"5", "d/x": b"6", "D": b"7"}
    archive = put(tmp_path / "a", pack(files))
    assert len(unpack(archive, tmp_path / "out")) == 4
    assert sorted(tree(tmp_path / "out").values()) == [b"1", b"3", b"6"]


@pytest.mark.parametrize("mode", ["zip", "w:gz", "w:bz2", "w:xz"])
def test_a_bomb_is_refused_before_it_swells(tmp_path: Path, mode: str) -> None:
    files = {"zeros": bytes(100 << 20)}
    archive = put(tmp_path / "a", zipped(files) if mode == "zip" else tarred(files, mode))
    assert "swells" in refusal(archive, tmp_path / "out")
    assert sum(map(len, tree(tmp_path / "out").values())) < 50 << 20


def pax(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A header of a tar that says more of the next member, or of all that follow."""
    sizes = ((text, len(text) + 2) for text in records)
    body = (b"%d %s\n" % (rest + len(str(rest + len(str(rest)))), text) for text, rest in sizes)
    return header(special("pax", kind), b"".join(body))


def header(info: tarfile.TarInfo, body: bytes = b"") -> bytes:
    info.size = len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % tarfile.BLOCKSIZE)


SPARSE = (b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.name=x", b"GNU.sparse.realsize=0")
LONG = b"0\n" * 5_000_000
SWELLING: dict[str, Callable[[], bytes]] = {
    "a directory of comments": lambda: zipped_with_comments(200, 60_000),
    "words for all members": lambda: (
        pax(*(b"%x=" % n for n in range(300_000)), kind=tarfile.XGLTYPE)
        + b"".join(header(tarfile.TarInfo(f"f{n}")) for n in range(1000))
    ),
    "a map of holes": lambda: pax(*SPARSE) + header(tarfile.TarInfo("x"), b"2500000\n" + LONG),
    "a chain of headers": lambda: pax(b"a=b") * 30_000,
    "a long name": lambda: header(special("x", tarfile.GNUTYPE_LONGNAME), LONG),
}


def zipped_with_comments(count: int, size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for number in range(count):
            info = zipfile.ZipInfo(f"f{number}")
            info.comment = bytes(size)
            bundle.writestr(info, b"")
    return buffer.getvalue()


@pytest.mark.parametrize("made", SWELLING.values(), ids=SWELLING)
def test_directories_and_headers_that_swell_in_memory_are_refused(tmp_path: Path, made: Callable[[], bytes]) -> None:
    archive = put(tmp_path / "a", made())
    assert "damaged" in bounded(lambda: refusal(archive, tmp_path / "out"), mib=64)


def test_a_method_that_unpacks_without_bounds_is_not_taken(tmp_path: Path) -> None:
    archive = put(tmp_path / "a.zip", zipped({"zeros": bytes(100 << 20)}, zipfile.ZIP_BZIP2))
    (note,) = bounded(lambda: unpack(archive, tmp_path / "out"), mib=64)
    assert "unusual way" in str(note)


def test_a_tar_that_is_only_to_be_listed_is_not_unpacked_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_TO_NAME", 1 << 20)
    archive = put(tmp_path / "a.tgz", tarred({"noise": os.urandom(10 << 20)}))
    with pytest.raises(UnreadableSubmission, match="more than"):
        names(archive)
    assert unpack(archive, tmp_path / "out") == ()


def test_a_broken_header_is_not_the_end_of_a_tar(tmp_path: Path) -> None:
    data = bytearray(tarred({"first": b"1", "second": b"2"}, "w:"))
    data[1024 + 5] ^= 1
    assert "damaged" in refusal(put(tmp_path / "a.tar", bytes(data)), tmp_path / "out")


def unpack_without_room(archive: Path, target: Path) -> None:
    """With one file that may be opened, as on a machine that has run out of something."""
    lowest = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1,) * 2)
    os.close(lowest)
    unpack(archive, target)


def test_a_machine_that_has_run_out_of_something_is_not_the_archives_fault(tmp_path: Path) -> None:
    archive = put(tmp_path / "a.zip", zipped({"f": b"x"}))
    with pytest.raises(GraderError, match="Make room") as caught:
        bounded(unpack_without_room, archive, tmp_path / "out")
    assert not isinstance(caught.value, UnreadableSubmission)


def test_more_bytes_than_allowed_are_refused(tmp_path: Path) -> None:
    archive = put(tmp_path / "a.zip", zipped({"a": os.urandom(3 << 20)}))
    with pytest.raises(UnreadableSubmission, match="more than 2 MiB"):
        unpack(archive, tmp_path / "out", most=2 << 20)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_crowd_of_members_is_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    archive = put(tmp_path / "a", pack({f"f{number}": b"" for number in range(20_000)}))
    assert "more than 5000 files" in refusal(archive, tmp_path / "out")


def entry_offset(data: bytes, number: int = 0) -> int:
    """Where the directory of a zip keeps an entry."""
    offset = -1
    for _ in range(number + 1):
        offset = data.index(b"PK\x01\x02", offset + 1)
    return offset


def patched(data: bytes, offset: int, layout: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, value)
    return bytes(changed)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    data = zipped({"a": b"x" * 100, "b": b"y" * 100}, zipfile.ZIP_STORED)
    archive = put(tmp_path / "a.zip", patched(data, entry_offset(data, 1) + 42, "<I", 0))
    assert "overlap" in refusal(archive, tmp_path / "out")


@pytest.mark.parametrize("claimed", [5, 5_000_000])
def test_a_size_that_lies_is_refused(tmp_path: Path, claimed: int) -> None:
    data = zipped({"a": bytes(range(256)) * 40})
    refusal(put(tmp_path / "a.zip", patched(data, entry_offset(data) + 24, "<I", claimed)), tmp_path / "out")


def test_a_password_is_refused(tmp_path: Path) -> None:
    data = zipped({"a": b"x"})
    data = patched(patched(data, entry_offset(data) + 8, "<H", 1), 6, "<H", 1)
    assert "password" in refusal(put(tmp_path / "a.zip", data), tmp_path / "out")


def test_a_tar_header_that_claims_a_huge_name_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as bundle:
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 30 << 20
        bundle.addfile(header, io.BytesIO(os.urandom(30 << 20)))
    refusal(put(tmp_path / "a.tar", buffer.getvalue()), tmp_path / "out")


@pytest.mark.parametrize("suffix", HONEST)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    files = {"a": os.urandom(20_000), "b": os.urandom(20_000)}
    data = zipped(files) if suffix == ".zip" else tarred(files, TARS[suffix])
    refusal(put(tmp_path / f"a{suffix}", data[: int(len(data) * share)]), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.zip", b"", "empty"),
        ("a.zip", b"hello", "not a zip or tar"),
        ("a.zip", b"<!DOCTYPE html><html>login</html>", "web page"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + bytes(50), "rar or 7z"),
        ("a.zip", b"Rar!\x1a\x07\x01\x00" + bytes(50), "rar or 7z"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50), "rar or 7z"),
        ("a.tar.gz", gzip.compress(b"not a tar"), "damaged"),
        ("a.zip", b"PK\x03\x04" + bytes(100), "damaged"),
        ("a.tar", bytes(10240), "not a zip or tar"),
    ],
)
def test_what_is_no_archive_gets_a_sentence(tmp_path: Path, name: str, data: bytes, word: str) -> None:
    assert word in refusal(put(tmp_path / name, data), tmp_path / "out")


def test_links_and_pipes_are_no_archives(tmp_path: Path) -> None:
    put(tmp_path / "real.zip", zipped(FILES))
    (tmp_path / "link.zip").symlink_to(tmp_path / "real.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    for name in ("link.zip", "pipe.zip", "missing.zip"):
        with pytest.raises(UnreadableSubmission):
            unpack(tmp_path / name, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


@given(st.data())
def test_any_mutation_ends_in_files_below_or_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    original = HONEST[data.draw(st.sampled_from([".zip", ".tar", ".tgz"]))]
    mutated = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("mutated")
    archive = put(folder / "box" / "a", bytes(mutated))
    try:
        unpack(archive, folder / "box" / "out")
    except UnreadableSubmission as error:
        assert str(error).endswith(".")
    assert all(path == "box/a" or path.startswith("box/out/") for path in tree(folder))
