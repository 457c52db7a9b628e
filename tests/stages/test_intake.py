"""Intake: what is a submission among files, folders and archives, and how each kind of broken one is told."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UnreadableSubmission, UsageError
from grader.formats import archives
from grader.formats.events import read_runs
from grader.formats.notebooks import load_node, read_notebook
from grader.homework.wanted import NAMES
from grader.records import CellKind, Severity
from grader.stages.intake import Candidate, find_submissions, read_submission, safe_id

from .making import cell, document, notebook, put, put_logs, scalar_file, tarred, zipped, zipped_by_windows

EVENTS = scalar_file()
LOGS = {"logs/relu/a.tfevents": EVENTS, "logs/raw/a.tfevents": EVENTS}


@pytest.fixture
def box(tmp_path: Path) -> Path:
    folder = tmp_path / "box"
    folder.mkdir()
    return folder


@pytest.fixture
def find(box: Path, tmp_path: Path) -> Callable[..., dict[str, Candidate]]:
    """Find submissions among names in the box; by id, in order."""

    def found(*names: str) -> dict[str, Candidate]:
        workspace = tmp_path / "find"
        workspace.mkdir(exist_ok=True)
        return {c.id: c for c in find_submissions([box / name for name in names or [""]], workspace)}

    return found


@pytest.fixture
def read(tmp_path: Path) -> Callable[[Candidate], tuple[str, list[str]]]:
    """Read a candidate: the code of its first cell and the names of its submitted runs."""

    def reading(candidate: Candidate) -> tuple[str, list[str]]:
        workspace = tmp_path / "read" / candidate.id
        workspace.mkdir(parents=True, exist_ok=True)
        submission = read_submission(candidate, workspace)
        assert submission.notebook.is_file() and submission.id == candidate.id
        return submission.cells[0].source, list(read_runs(submission.logs)) if submission.logs else []

    return reading


Find = Callable[..., dict[str, Candidate]]
Read = Callable[[Candidate], tuple[str, list[str]]]

# --- one submission --------------------------------------------------------------------------------------------------


def test_a_notebook_alone(box: Path, find: Find, read: Read) -> None:
    put(box / "Иванова А.ipynb", notebook("x = 1"))
    (candidate,) = find("Иванова А.ipynb").values()
    assert (candidate.id, candidate.source) == ("Иванова А", str(box / "Иванова А.ipynb"))
    assert read(candidate) == ("x = 1", [])


LAYOUTS = {
    "folder": {"hw.ipynb": notebook(), **LOGS},
    "zip beside": {"hw.ipynb": notebook(), "logs.zip": zipped(LOGS)},
    "zip of runs": {"hw.ipynb": notebook(), "logs.zip": zipped({k.removeprefix("logs/"): v for k, v in LOGS.items()})},
    "zip from Colab": {"hw.ipynb": notebook(), "all.zip": zipped({f"content/{k}": v for k, v in LOGS.items()})},
    "tar in a folder": {"hw.ipynb": notebook(), "deep/er/my_logs.tar.gz": tarred(LOGS)},
    "logs in logs": {"hw.ipynb": notebook(), **{f"logs/{k}": v for k, v in LOGS.items()}},
    "no name for logs": {"hw.ipynb": notebook(), "tb/relu/a.tfevents": EVENTS, "tb/raw/a.tfevents": EVENTS},
    "with other files": {"hw.ipynb": notebook(), **LOGS, "README.md": b"x", "data.zip": zipped({"d.csv": b"1"})},
    "checkpoints": {"hw.ipynb": notebook(), ".ipynb_checkpoints/hw-checkpoint.ipynb": notebook("old"), **LOGS},
    "a Mac's": {"hw.ipynb": notebook(), "__MACOSX/._hw.ipynb": b"\0", "._hw.ipynb": b"\0", **LOGS},
    "notebook below": {"work/hw.ipynb": notebook(), **LOGS},
}


@pytest.mark.parametrize("packed", ["folder", "zip", "tgz", "wrapped"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_notebook_and_its_logs(box: Path, find: Find, read: Read, layout: str, packed: str) -> None:
    files = LAYOUTS[layout]
    if packed == "folder":
        for name, data in files.items():
            put(box / "ivanova" / name, data)
        (candidate,) = find("ivanova").values()
    else:
        inside = {f"work/{name}": data for name, data in files.items()} if packed == "wrapped" else files
        pack, suffix = (tarred, ".tar.gz") if packed == "tgz" else (zipped, ".zip")
        put(box / f"ivanova{suffix}", pack(inside))
        (candidate,) = find(f"ivanova{suffix}").values()
    assert candidate.id == "ivanova"
    assert read(candidate) == ("x = 1", ["raw", "relu"])


def test_a_single_run_keeps_its_name(box: Path, find: Find, read: Read) -> None:
    put(box / "hw.ipynb", notebook())
    put(box / "relu" / "a.tfevents", EVENTS)
    assert read(find()["box"])[1] == ["relu"]


def test_of_two_notebooks_the_one_that_looks_like_the_homework_is_taken(box: Path, tmp_path: Path, find: Find) -> None:
    put(
        box / "a_draft.ipynb",
        notebook("x = 1", cell("fit_generator BatchNormFixed preprocess", "markdown"), "#" * 5000),
    )
    put(box / "hw.ipynb", notebook("def fit_generator(): ...", "class BatchNormFixed: ..."))
    put_logs(box / "logs")
    (candidate,) = find().values()
    submission = read_submission(candidate, tmp_path, NAMES.all)
    assert submission.notebook.name == "hw.ipynb"
    (remark,) = submission.remarks
    assert (remark.code, remark.severity) == ("intake.two_notebooks", Severity.WARNING)
    assert "a_draft.ipynb" in str(remark.message) and "hw.ipynb was graded" in str(remark.message)


def test_results_of_an_earlier_grading_are_no_submissions(box: Path, find: Find) -> None:
    for name in ("petrov", "sidorov"):
        put(box / f"{name}.ipynb", notebook())
    put(box / "reports" / "sidorov" / "executed.ipynb", notebook())
    (box / "reports" / ".evidence").mkdir()
    assert list(find()) == ["petrov", "sidorov"]


def test_a_folder_that_may_not_be_read_is_somebodys_and_says_so(
    box: Path, tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(box / "ivanova" / "hw.ipynb", notebook())
    (box / "petrov").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "petrov")
    found = find()
    assert list(found) == ["ivanova", "petrov"]
    with pytest.raises(UnreadableSubmission, match="petrov may not be read"):
        read_submission(found["petrov"], tmp_path)


def test_a_draft_among_the_named_logs_is_not_what_is_graded(box: Path, tmp_path: Path) -> None:
    own = put(box / "hw.ipynb", notebook("x = 1"))
    put(box / "logs" / "draft.ipynb", notebook("Sequential fit_generator BatchNormFixed", "#" * 5000))
    candidate = Candidate(id="hw", source="hw.ipynb", path=own, logs=box / "logs")
    assert read_submission(candidate, tmp_path, NAMES.all).notebook == own


def test_a_suffix_in_capitals_is_a_notebooks_suffix(box: Path, tmp_path: Path) -> None:
    own = put(box / "IVANOVA.IPYNB", notebook())
    logs = put(box / "ivanova_logs.zip", zipped(LOGS))
    (candidate,) = find_submissions([own, logs], tmp_path)
    assert (candidate.path, candidate.logs) == (own, logs)


def test_of_two_equally_likely_notebooks_the_larger_is_taken(box: Path, tmp_path: Path, find: Find) -> None:
    put(box / "a.ipynb", notebook("Sequential"))
    put(box / "b.ipynb", notebook("Sequential", "more"))
    put_logs(box / "logs")
    assert read_submission(find()["box"], tmp_path, NAMES.all).notebook.name == "b.ipynb"


def test_logs_that_cannot_be_unpacked_cost_a_remark_only(box: Path, tmp_path: Path, find: Find) -> None:
    put(box / "hw.ipynb", notebook())
    put(box / "logs.zip", zipped(LOGS)[:-30])
    submission = read_submission(find()["box"], tmp_path)
    assert submission.logs is None
    assert [remark.code for remark in submission.remarks] == ["intake.unreadable_archive"]


def test_of_many_archives_in_one_submission_only_some_are_looked_into(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = {f"part{number}.tgz": tarred({"notes.txt": b"x"}) for number in range(40)}
    put(box / "a.zip", zipped({"hw.ipynb": notebook(), **inner}))
    looked, names = list[Path](), archives.names
    monkeypatch.setattr(archives, "names", lambda path: looked.append(path) or names(path))
    read_submission(Candidate(id="a", source="a.zip", path=box / "a.zip"), tmp_path)
    assert 0 < len(looked) <= 8


def test_archives_in_archives_come_to_an_end(box: Path, tmp_path: Path) -> None:
    data = zipped({"hw.ipynb": notebook()})
    for _ in range(20):
        data = zipped({"a.zip": data, "b.zip": data})
    put(box / "bomb.zip", data)
    with pytest.raises(UnreadableSubmission, match="no notebook"):
        read_submission(Candidate(id="bomb", source="bomb.zip", path=box / "bomb.zip"), tmp_path)


def test_members_that_were_left_out_are_remarked(box: Path, tmp_path: Path, find: Find) -> None:
    put(box / "a.zip", zipped({"hw.ipynb": notebook(), "../evil": b"x"}))
    (remark,) = read_submission(find("a.zip")["a"], tmp_path).remarks
    assert remark.code == "intake.left_out" and "../evil" in str(remark.message)


# --- a class ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_notebooks_is_a_class_in_natural_order(box: Path, find: Find) -> None:
    for name in ("hw10", "hw2", "Яна", "hw1"):
        put(box / f"{name}.ipynb", notebook())
    put(box / "README.md", b"x")
    put(box / "img" / "a.png", b"x")
    assert list(find()) == ["hw1", "hw2", "hw10", "Яна"]


def test_a_folder_of_folders_and_archives_is_a_class(box: Path, find: Find, read: Read) -> None:
    put(box / "ivanova" / "hw.ipynb", notebook("ivanova"))
    put_logs(box / "ivanova" / "logs")
    put(box / "petrov.zip", zipped({"hw.ipynb": notebook("petrov"), **LOGS}))
    put(box / "Сидоров_12_assignsubmission_file" / "work.tar.gz", tarred({"x/hw.ipynb": notebook("sidorov"), **LOGS}))
    put(box / "group" / "a" / "hw.ipynb", notebook("a"))
    put(box / "group" / "b.ipynb", notebook("b"))
    put(box / ".git" / "x.ipynb", notebook())
    (box / "empty").mkdir()
    found = find()
    assert list(found) == ["a", "b", "ivanova", "petrov", "Сидоров_12"]
    assert [read(c)[0] for c in found.values()] == ["a", "b", "ivanova", "petrov", "sidorov"]
    assert [len(read(c)[1]) for c in found.values()] == [0, 0, 2, 2, 2]


@pytest.mark.parametrize("named_one_by_one", [False, True])
def test_logs_beside_a_notebook_of_the_same_name_belong_to_it(
    box: Path, find: Find, read: Read, named_one_by_one: bool
) -> None:
    for name in ("ivanova", "petrov", "Сидорова"):
        put(box / f"{name}.ipynb", notebook(name))
    put(box / "ivanova.zip", zipped(LOGS))
    put(box / "petrov_logs.tar.gz", tarred({"relu/a.tfevents": EVENTS, "x.txt": b""}))
    found = find(*sorted(path.name for path in box.iterdir())) if named_one_by_one else find()
    assert {name: read(c) for name, c in found.items()} == {
        "ivanova": ("ivanova", ["raw", "relu"]),
        "petrov": ("petrov", ["relu"]),
        "Сидорова": ("Сидорова", []),
    }


def test_an_archive_of_a_class_is_a_class(box: Path, find: Find, read: Read) -> None:
    inner = zipped({"hw.ipynb": notebook("petrov"), **LOGS})
    files = {"ivanova/hw.ipynb": notebook("ivanova"), "petrov.zip": inner, "broken.zip": b"PK\x03\x04"}
    put(box / "class.zip", zipped({f"class/{name}": data for name, data in files.items()}))
    found = find("class.zip")
    assert list(found) == ["broken", "ivanova", "petrov"]
    assert found["petrov"].source == str(box / "class.zip" / "class" / "petrov.zip")
    assert read(found["petrov"]) == ("petrov", ["raw", "relu"])


def test_russian_names_in_an_archive_from_windows_become_ids(box: Path, find: Find, read: Read) -> None:
    files = {"Иванов Пётр/дз.ipynb": notebook("1"), "Ёлкина Яна/дз.ipynb": notebook("2")}
    put(box / "class.zip", zipped_by_windows(files, "cp866"))
    found = find("class.zip")
    assert set(found) == {"Иванов Пётр", "Ёлкина Яна"}
    assert read(found["Ёлкина Яна"]) == ("2", [])


def test_what_cannot_be_graded_stays_a_candidate_with_a_sentence(box: Path, tmp_path: Path, find: Find) -> None:
    put(box / "good" / "hw.ipynb", notebook())
    put(box / "broken.zip", zipped({"hw.ipynb": notebook()})[:-20])
    put(box / "rar.rar", b"Rar!\x1a\x07\x01\x00")
    put(box / "script" / "hw.py", b"x = 1")
    put(box / "only.zip", zipped({"hw.py": b"x = 1"}))
    put(box / "justlogs.zip", zipped(LOGS))
    put(box / "page.ipynb", b"<!DOCTYPE html>")
    (box / "link.ipynb").symlink_to(box / "good" / "hw.ipynb")
    (box / "folder").symlink_to(box / "good")
    found = find()
    assert list(found) == ["broken", "good", "justlogs", "link", "only", "page", "rar", "script"]
    for name in set(found) - {"good"}:
        with pytest.raises(UnreadableSubmission, match=r"^[^\n]+\.$"):
            read_submission(found[name], tmp_path)


def test_paths_without_submissions_are_wrong_use(box: Path, find: Find) -> None:
    put(box / "empty" / "README.md", b"x")
    with pytest.raises(UsageError, match=r"no .*missing\.ipynb"):
        find("missing.ipynb")
    with pytest.raises(UsageError, match=r"no notebook in .*empty"):
        find("empty")


def test_many_paths_at_once_each_once(box: Path, find: Find) -> None:
    put(box / "a" / "hw.ipynb", notebook())
    put(box / "b" / "hw.ipynb", notebook())
    put(box / "hw.ipynb", notebook())
    assert list(find("hw.ipynb", "b", "a", "hw.ipynb")) == ["a", "b", "hw"]


def test_ids_are_unique_for_any_file_system(box: Path, find: Find) -> None:
    short = unicodedata.normalize("NFD", "й")
    for number, name in enumerate(("hw", "HW", "hw-2", "й", short, "index.html")):
        put(box / str(number) / f"{name}.ipynb", notebook())
    ids = list(find(*(f"{n}/{name}.ipynb" for n, name in enumerate(("hw", "HW", "hw-2", "й", short, "index.html")))))
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in ids}) == 6
    assert "index.html" not in ids and "index.html-2" in ids


@given(st.text(st.characters(exclude_characters="")))
def test_an_id_can_be_a_folder_everywhere(name: str) -> None:
    own = safe_id(name)
    assert own and len(own.encode()) <= 100 and own == unicodedata.normalize("NFC", own)
    assert not set(own) & set('/\\:*?"<>|') and own[0] not in ".- " and own[-1] not in ". "
    assert not [c for c in own if unicodedata.category(c)[0] == "C" or (c.isspace() and c != " ")]


@pytest.mark.parametrize(
    ("name", "own"),
    [("Иванова А.", "Иванова А"), ("../etc", "_etc"), ("\u202egnp", "gnp"), ("...", "submission"), ("a\nb/c", "a b_c")],
)
def test_ids_keep_what_people_read(name: str, own: str) -> None:
    assert safe_id(name) == own


# --- notebooks -------------------------------------------------------------------------------------------------------


def test_cells_come_with_their_recorded_text(box: Path) -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["Epoch 1\n", "Epoch 2\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "42", "text/html": "<b>"}, "metadata": {}},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": []},
    ]
    code = cell(["x = 1\n", "x"], outputs=outputs, execution_count=7)
    found = read_notebook(put(box / "a.ipynb", notebook(cell("# Вывод", "markdown"), code, cell("r", "raw"))))
    assert [(c.index, c.kind, c.source) for c in found.cells] == [
        (1, CellKind.MARKDOWN, "# Вывод"),
        (2, CellKind.CODE, "x = 1\nx"),
        (3, CellKind.RAW, "r"),
    ]
    assert (found.cells[1].execution_count, found.cells[1].output) == (7, "Epoch 1\nEpoch 2\n42")


def test_recorded_text_is_capped(box: Path) -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": "ы" * 9_999}] * 50
    found = read_notebook(put(box / "a.ipynb", notebook(cell("x", outputs=outputs))))
    assert found.cells[0].output == "ы" * 9_999 + "ы"


TEXT = json.dumps(document("x = 'ы'", metadata={"language_info": {"name": "python"}}), ensure_ascii=False)
READABLE = {
    "plain": TEXT.encode(),
    "with a mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "outputs as deep as allowed": notebook(cell("x = 'ы'", outputs=json.loads("[" * 400 + "]" * 400))),
    "no minor": json.dumps({"nbformat": 4, "cells": [cell("x = 'ы'")]}).encode(),
    "strange counts": notebook(cell("x = 'ы'", execution_count="7", metadata=None, outputs=None)),
    "kernel of its own": notebook("x = 'ы'", metadata={"kernelspec": {"name": "my-env", "display_name": "x"}}),
}


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE.keys())
def test_notebooks_of_every_encoding_are_read(box: Path, data: bytes) -> None:
    path = put(box / "a.ipynb", data)
    assert [c.source for c in read_notebook(path).cells] == ["x = 'ы'"]
    assert [c.source for c in load_node(path).cells] == ["x = 'ы'"]


def test_format_3_is_upgraded_cell_by_cell(box: Path) -> None:
    printed = [{"output_type": "stream", "stream": "stdout", "text": ["hi\n"]}, {"output_type": "pyout", "text": "42"}]
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Часть", "metadata": {}},
        {"cell_type": "code", "input": ["x = 1"], "language": "python", "outputs": printed, "prompt_number": 3},
    ]
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }
    path = put(box / "a.ipynb", json.dumps(old).encode())
    heading, code = read_notebook(path).cells
    assert (heading.kind, heading.source) == (CellKind.MARKDOWN, "## Часть")
    assert (code.source, code.execution_count, code.output) == ("x = 1", 3, "hi\n42")
    nbformat.validate(load_node(path))


def test_a_node_is_clean_for_execution(box: Path) -> None:
    tagged = {"tags": ["skip-execution", "raises-exception"], "deletable": False}
    printed = [{"output_type": "stream", "name": "stdout", "text": "cheat"}]
    first = cell("1/0", metadata=tagged, outputs=printed, execution_count=1, id="mine")
    image = cell("![](attachment:a)", "markdown", attachments={"a": {"image/png": "x"}}, id="mine")
    evil = {"kernelspec": {"name": "evil", "display_name": "e", "argv": ["sh"]}, "widgets": {}}
    node = load_node(put(box / "a.ipynb", notebook(first, image, cell("\ud800", id="not valid!"), metadata=evil)))
    nbformat.validate(node)
    assert (node.nbformat, node.nbformat_minor, node.metadata) == (4, 5, {})
    assert [c.metadata for c in node.cells] == [{}, {}, {}]
    assert (node.cells[0].outputs, node.cells[0].execution_count) == ([], None)
    assert [c.id for c in node.cells] == ["mine", "cell-2", "cell-3"]
    assert "attachments" not in node.cells[1]
    assert nbformat.writes(node).encode()


R = {"language_info": {"name": "R"}, "kernelspec": {"name": "ir", "display_name": "R"}}
UNREADABLE = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "web page": (b"\n<!DOCTYPE html><html><body>Login</body></html>", "web page"),
    "conflict": (
        json.dumps(document("x"), indent=1).replace(' "cells"', '<<<<<<< HEAD\n "cells"').encode()
        + b"\n=======\n>>>>>>> b\n",
        "conflict markers",
    ),
    "cut in a text": (TEXT.encode()[:60], "cut off"),
    "cut after a cell": (json.dumps(document("x", "y"), indent=1).encode()[:200], "cut off"),
    "cut at the end": (TEXT.encode()[:-1], "cut off"),
    "a script": (b"import numpy as np\n", "line 1"),
    "a slip": (TEXT.replace('"cells":', '"cells"').encode(), "not valid JSON"),
    "other JSON": (b'{"a": 1}', "no notebook"),
    "a list": (b"[]", "no notebook"),
    "a number": (b"3", "no notebook"),
    "no list of cells": (b'{"nbformat": 4, "cells": null}', "no list of cells"),
    "no worksheets": (b'{"nbformat": 3, "cells": []}', "no list of cells"),
    "cell is a list": (b'{"nbformat": 4, "cells": [[]]}', "Cell 1"),
    "source is a number": (notebook("x", cell(5)), "Cell 2"),  # type: ignore[arg-type]
    "unknown kind": (notebook(cell("x", "heading")), "Cell 1"),
    "kind is a list": (notebook({"cell_type": [], "source": ""}), "Cell 1"),
    "of the future": (notebook(nbformat=99), "newer than 4"),
    "of the far future": (notebook(nbformat=10**4000), "newer than 4"),
    "of the past": (notebook(nbformat=2), "older than 3"),
    "R": (notebook(metadata=R), "in R"),
    "R by its kernel": (notebook(metadata={"kernelspec": {"name": "ir"}}), "in ir"),
    "Julia": (notebook(metadata={"kernelspec": {"name": "julia-1.9"}}), "in julia"),
    "deep": (b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
    "broad": (b"[" + b"[]," * 3_000_000 + b"[]]", "too much data"),
    "long number": (b'{"nbformat": ' + b"9" * 6000 + b"}", "number"),
    "2001 cells": (notebook(*["x"] * 2001), "2001 cells"),
    "binary": (bytes(range(256)), "encrypted, binary"),
    "zeros": (bytes(100), "encrypted, binary"),
    "armoured": (b"-----BEGIN PGP MESSAGE-----\nabc", "encrypted, binary"),
    "cp1251": (TEXT.encode("cp1251"), "UTF-8"),
    "odd UTF-16": (b"\xff\xfea", "UTF-8"),
    "archive": (zipped({"a": b""}), "archive"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
}


def sentence_for(path: Path) -> str:
    with pytest.raises(UnreadableSubmission) as caught:
        read_notebook(path)
    with pytest.raises(UnreadableSubmission):
        load_node(path)
    sentence = str(caught.value)
    assert sentence.isprintable() and sentence.endswith(".") and len(sentence) < 200
    return sentence


@pytest.mark.parametrize(("data", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_notebook_gets_the_sentence_of_its_cause(box: Path, data: bytes, words: str) -> None:
    assert words in sentence_for(put(box / "hw.ipynb", data))


def with_output(data: str) -> bytes:
    """A notebook whose only cell has this JSON among its outputs."""
    return notebook(cell("x", outputs=["here"])).replace(b'"here"', data.encode())


SWOLLEN = {
    "short texts": lambda: with_output('"ab",' * 8_000_000 + "1"),
    "numbers": lambda: with_output("1.5," * 8_000_000 + "1"),
    "keys": lambda: with_output("{" + ",".join(map('"%x":1'.__mod__, range(4_050_000))) + "}"),
    "lines": lambda: notebook(cell(["a\n"] * 4_200_000)),
}


@pytest.mark.parametrize("made", SWOLLEN.values(), ids=SWOLLEN)
def test_a_notebook_that_swells_in_memory_is_refused(box: Path, made: Callable[[], bytes]) -> None:
    path = put(box / "hw.ipynb", made())
    assert "too much data" in bounded(sentence_for, path, mib=256)


@pytest.mark.parametrize("output", [{"text": "x" * 60_000_000}, {"data": {"image/png": "A" * 60_000_000}}], ids=list)
def test_huge_outputs_cost_nothing(box: Path, output: dict[str, object]) -> None:
    path = put(box / "hw.ipynb", notebook(cell("x = 1", outputs=[{"output_type": "display_data", **output}])))
    read = bounded(read_notebook, path, mib=256)
    assert read.cells[0].source == "x = 1" and len(read.cells[0].output) <= 20_000


ODD = {
    "a key twice": (b'{"nbformat": 4, "cells": [], ' + notebook("x = 1")[1:], "x = 1", None),
    "half a character": (notebook("x = '\ud800'"), "x = '?'", None),
    "NUL": (notebook("x = '\0'"), "x = '\0'", None),
    "NaN": (notebook(cell("x", execution_count=float("nan"))), "x", None),
    "a count without end": (notebook(cell("x", execution_count=10**4000)), "x", None),
    "a negative count": (notebook(cell("x", execution_count=-1)), "x", None),
    "a real count": (notebook(cell("x", execution_count=7)), "x", 7),
    "tags that skip and forgive": (
        notebook(cell("1/0", metadata={"tags": ["skip-execution", "raises-exception"]})), "1/0", None,
    ),
    "a kernel of its own": (
        notebook("x", metadata={"kernelspec": {"name": "evil", "argv": ["sh", "-c", "id"], "env": {"A": "1"}}}), "x", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "source", "count"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_and_harmless_is_read_and_stays_behind(
    box: Path, data: bytes, source: str, count: int | None
) -> None:
    path = put(box / "hw.ipynb", data)
    (read,) = read_notebook(path).cells
    assert (read.source, read.execution_count) == (source, count)
    node = load_node(path)
    assert node.metadata == {} and node.cells[0].metadata == {} and node.cells[0].source == source


def test_only_regular_files_of_bounded_size_are_opened(box: Path) -> None:
    (box / "folder.ipynb").mkdir()
    os.mkfifo(box / "pipe.ipynb")
    (box / "link.ipynb").symlink_to(put(box / "real.ipynb", notebook()))
    (box / "device.ipynb").symlink_to("/dev/zero")
    os.truncate(put(box / "huge.ipynb"), (64 << 20) + 1)
    words = {"folder": "not a file", "pipe": "not a file", "link": "a link", "device": "a link", "huge": "too big"}
    for name, expected in words.items():
        assert expected in sentence_for(box / f"{name}.ipynb")
    assert "not a file" in sentence_for(Path("/dev/zero"))
    assert "cannot be opened" in sentence_for(box / "missing.ipynb")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_in_the_place_of_a_cell_or_of_metadata_ends_well(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "hw.ipynb"
    odd = cell("x") | (
        {k: v for k, v in value.items() if k != "source"} if isinstance(value, dict) else {"outputs": value}
    )
    old = {"nbformat": 3, "metadata": value, "worksheets": [{"cells": [{"input": "x", **odd}, value]}, value]}
    for made in (document(odd, metadata=value), document(**{"cells": value}), document(**{"nbformat": value}), old):
        try:
            read_notebook(put(path, json.dumps(made).encode()))
        except UnreadableSubmission as error:
            assert str(error).endswith(".")
