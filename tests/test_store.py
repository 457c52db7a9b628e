"""What is written is whole or not there, also when two write the same at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grader.store import write_results


def logs(folder: Path, text: str) -> Path:
    for run in ("relu", "raw"):
        (folder / run).mkdir(parents=True)
        (folder / run / "events").write_text(text)
    return folder


def test_logs_of_an_earlier_grading_are_replaced_as_a_whole(tmp_path: Path) -> None:
    first, second = logs(tmp_path / "first", "1"), logs(tmp_path / "second", "2")
    (first / "older").mkdir()
    write_results(tmp_path / "out", "one", {}, None, first)
    write_results(tmp_path / "out", "one", {}, None, second)
    assert sorted(path.name for path in (tmp_path / "out" / "one").iterdir()) == ["logs"]
    assert sorted(path.name for path in (tmp_path / "out" / "one" / "logs").iterdir()) == ["raw", "relu"]
    assert (tmp_path / "out" / "one" / "logs" / "relu" / "events").read_text() == "2"
    write_results(tmp_path / "out", "one", {}, None, None)
    assert list((tmp_path / "out" / "one").iterdir()) == []


def test_two_that_write_the_same_submission_do_not_disturb_each_other(tmp_path: Path) -> None:
    source = logs(tmp_path / "source", "x")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write_results, tmp_path / "out", "one", {}, None, source) for _ in range(200)]:
            done.result()
    assert sorted(path.name for path in (tmp_path / "out" / "one").iterdir()) == ["logs"]
    assert (tmp_path / "out" / "one" / "logs" / "raw" / "events").read_text() == "x"
