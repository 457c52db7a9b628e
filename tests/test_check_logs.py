"""`check` takes the logs that are named where they lie, whatever lies there."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest
from stages.making import notebook, put, put_logs, scalar_file, zipped

from grader.commands.check import _own
from grader.errors import UsageError
from grader.formats.events import read_runs
from grader.records import Submission
from grader.stages.intake import read_submission


def read(tmp_path: Path, logs: Path) -> Submission:
    path = put(tmp_path / "hw.ipynb", notebook())
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return read_submission(_own(Namespace(notebook=path, logs=logs), workspace), workspace)


def test_a_folder_with_a_pipe_and_links_in_it(tmp_path: Path) -> None:
    logs = put_logs(tmp_path / "my runs")
    os.mkfifo(logs / "relu" / "pipe.tfevents")
    (logs / "relu" / "link.tfevents").symlink_to("/etc/passwd")
    submission = read(tmp_path, logs)
    assert submission.logs is not None and sorted(read_runs(submission.logs)) == ["raw", "relu"]
    assert submission.source == str(tmp_path / "hw.ipynb")


def test_an_archive_of_any_name(tmp_path: Path) -> None:
    submission = read(tmp_path, put(tmp_path / "runs.zip", zipped({"logs/relu/a.tfevents": scalar_file()})))
    assert submission.logs is not None and list(read_runs(submission.logs)) == ["relu"]


def test_an_archive_of_a_class_is_not_checked_by_its_first(tmp_path: Path) -> None:
    pack = put(tmp_path / "class.zip", zipped({f"{name}/hw.ipynb": notebook() for name in ("ivanova", "petrov")}))
    with pytest.raises(UsageError, match="holds 2 submissions"):
        _own(Namespace(notebook=pack, logs=None), tmp_path)


def test_a_pipe_costs_a_remark(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "logs.zip")
    submission = read(tmp_path, tmp_path / "logs.zip")
    assert submission.logs is None and "a pipe" in str(submission.remarks[0].message)


def test_logs_that_are_not_there_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        _own(Namespace(notebook=tmp_path / "hw.ipynb", logs=tmp_path / "none"), tmp_path)


def test_a_folder_without_event_files_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(UsageError, match="no event files"):
        read(tmp_path, tmp_path / "logs")
