"""`grader tensorboard`: a submission's curves share their charts with the reference's, in a real TensorBoard."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from stages.making import put

from grader.assignment import load_assignment
from grader.board import Board, lay_out
from grader.cli import main
from grader.formats.event_writer import scalar_file
from grader.formats.events import read_runs
from grader.places import reference_folder
from grader.store import read_reference

STEPS = np.arange(10)  # where this student's validation points stand: numbered by epoch


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Results of a submission that logs under names of its own, and of one that could not be graded."""
    result = {"profile": "fast", "environment": {"data": "embedded"}}
    folder = tmp_path / "reports"
    series = {"val_loss": (STEPS, np.linspace(14, 13, 10)), "mystery": (STEPS, STEPS.astype(float))}
    put(folder / "Иванова А" / "result.json", json.dumps(result).encode())
    put(folder / "Иванова А" / "logs" / "relu" / "events.out.tfevents.1.x", scalar_file(series))
    put(folder / "broken" / "result.json", b"{}")
    return folder


def test_the_references_curves_stand_under_the_submissions_tags_at_its_steps(out: Path, tmp_path: Path) -> None:
    assignment, folder = load_assignment(reference_folder()), tmp_path / "board"
    folder.mkdir()
    assert lay_out(out, [], assignment, folder) == Board(submissions=("Иванова А",), reference_curves=1)
    runs = read_runs(folder / "reference seed 24")
    band = read_reference(assignment, "fast", "embedded").bands["relu", "validation_loss"]
    (series,) = runs["relu"].scalars
    assert series.tag == "val_loss" and series.steps.tolist() == STEPS.tolist()
    assert np.allclose(series.values, band.values[0], rtol=1e-6)
    for name, expected in (("reference lowest of 24", band.low), ("reference highest of 24", band.high)):
        (series,) = read_runs(folder / name)["relu"].scalars
        assert np.allclose(series.values, expected, rtol=1e-6)
    assert (folder / "Иванова А" / "relu" / "events.out.tfevents.1.x").is_file()


@pytest.mark.parametrize("arguments", [["broken"], ["../reports/Иванова А"], ["nobody"]])
def test_a_name_without_logs_is_wrong_use(out: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tensorboard", str(out), *arguments]) == 2
    assert "no logs of" in capsys.readouterr().err


def test_a_folder_without_results_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tensorboard", str(tmp_path)]) == 2
    assert "no submissions with logs" in capsys.readouterr().err


def test_tensorboard_shows_both_and_ends_with_ctrl_c(out: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "grader", "tensorboard", str(out), "Иванова А", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ})
    try:
        assert process.stderr is not None
        said = []
        for line in iter(process.stderr.readline, ""):
            said.append(line)
            if re.search(rf"http://localhost:{port}/", line):
                break
        assert "Runs of 1 submission, each under its name: Иванова А." in said[0]
        assert [line for line in said[1:] if "TensorBoard" not in line] == []
        threading.Thread(target=process.stderr.read, daemon=True).start()
        shown = _tags(port)
        assert {"Иванова А/relu", "reference seed 24/relu", "reference lowest of 24/relu"} <= shown.keys()
        assert "val_loss" in shown["Иванова А/relu"] and set(shown["reference seed 24/relu"]) == {"val_loss"}
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=300) == 0
    finally:
        process.kill()
        process.wait()


def _tags(port: int) -> dict[str, dict[str, object]]:
    """Tags by run, when TensorBoard has read them."""
    found: dict[str, dict[str, object]] = {}
    for _ in range(600):
        with urllib.request.urlopen(f"http://localhost:{port}/data/plugin/scalars/tags") as answer:
            found = json.load(answer)
        if len(found) >= 4:
            break
        time.sleep(0.5)
    return found
