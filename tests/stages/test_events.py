"""Event files: what TensorFlow writes is read as TensorBoard reads it, and what is broken gives what stands before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from bounded import bounded
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2

from grader.formats import events
from grader.formats.events import digest_of, read_file, read_runs
from grader.records import FileState, Histograms, Scalars

from .making import event, event_file, plugin, put, record, scalar_file, tensor

NAME = "events.out.tfevents.1.host.v2"
BUCKETS = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])


def written(folder: Path, data: bytes) -> Path:
    return put(folder / NAME, data)


def loss(path: Path) -> list[float]:
    """The values of the scalar `loss`, [] when there is none."""
    _, scalars, _ = read_file(path)
    return [value for series in scalars if series.tag == "loss" for value in series.values.tolist()]


# --- against TensorFlow and TensorBoard ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder of runs that TensorFlow wrote, and what TensorBoard reads in it."""
    folder = tmp_path_factory.mktemp("genuine")
    for name, histo in {
        "ordinary": {"bucket_limit": [0.0, 1.0, 2.0, 1.8e308], "bucket": [0.0, 2.0, 0.0, 1.0]},
        "hollow": {"bucket_limit": [0.0, 1.0], "bucket": [0.0, 0.0]},
    }.items():
        old = event(7, name, histo={"min": 0.5, "max": 4.0, "num": 3, **histo})
        put(folder / "legacy" / name / NAME, event_file(event(1, "loss", simple_value=0.5), old))
    oracle = folder.parent / "oracle.npz"
    program = Path(__file__).with_name("with_tensorflow.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, program, folder, oracle], check=True, env=environment, capture_output=True)
    with np.load(oracle) as arrays:
        return folder, dict(arrays)


def test_every_value_is_the_one_that_tensorboard_reads(genuine: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, oracle = genuine
    runs = read_runs(folder)
    compared = 0
    for number, (run, tag, kind, times) in enumerate(json.loads(str(oracle["series"]))):
        if kind not in ("scalars", "histograms"):
            assert runs[run].scalar(tag) is None and runs[run].histogram(tag) is None
            continue
        mine: Scalars | Histograms | None = runs[run].scalar(tag) if kind == "scalars" else runs[run].histogram(tag)
        assert mine is not None, (run, tag)
        assert mine.steps.tolist() == [step for step, _ in times]
        np.testing.assert_array_equal(mine.times, [moment for _, moment in times])
        values = mine.values if isinstance(mine, Scalars) else mine.buckets
        for index, value in enumerate(values):
            np.testing.assert_array_equal(value, oracle[f"{number}/{index}"], err_msg=f"{run} {tag} {index}")
            compared += 1
    assert compared == 52
    assert {file.state for run in runs.values() for file in run.files} == {FileState.OK}


def test_runs_are_named_by_their_place_and_files_of_one_run_are_joined(
    genuine: tuple[Path, dict[str, np.ndarray]],
) -> None:
    runs = read_runs(genuine[0])
    assert list(runs) == ["legacy/hollow", "legacy/ordinary", "nothing", "relu", "twice/train"]
    twice = runs["twice/train"].scalar("loss")
    assert twice is not None
    assert twice.values.tolist() == [10, 11, 12, 20, 21, 22]
    assert twice.steps.tolist() == [0, 1, 2, 0, 1, 2]
    assert [file.name[-6:] for file in runs["twice/train"].files] == [".part1", ".part2"]
    assert (runs["nothing"].scalars, runs["nothing"].histograms) == ((), ())


def test_a_training_that_was_stopped_and_repeated_counts_once(
    genuine: tuple[Path, dict[str, np.ndarray]],
) -> None:
    run = read_runs(genuine[0], last_attempts=True)["twice/train"]
    series = run.scalar("loss")
    assert series is not None
    assert series.values.tolist() == [20, 21, 22]
    assert "begun anew" in str(run.files[0].detail)
    assert not run.files[1].detail


def test_files_that_go_on_where_the_one_before_ended_are_joined(tmp_path: Path) -> None:
    for number, steps in enumerate(((0, 1), (2, 3), (4,)), 8):  # 8, 9, 10: their names do not sort as text
        events = [event(step, "loss", simple_value=float(step)) for step in steps]
        put(tmp_path / "run" / f"events.out.tfevents.1.host.7.{number}.v2", event_file(*events))
    put(tmp_path / "run" / "events.out.tfevents.1.host.7.11.v2", event_file(event(0, "other", simple_value=1.0)))
    run = read_runs(tmp_path, last_attempts=True)["run"]
    series, other = run.scalar("loss"), run.scalar("other")
    assert series is not None and other is not None
    assert series.steps.tolist() == [0, 1, 2, 3, 4]
    assert len(other.values) == 1


def test_dtypes_and_shapes_are_those_that_the_records_promise(genuine: tuple[Path, dict[str, np.ndarray]]) -> None:
    run = read_runs(genuine[0])["relu"]
    series, histogram = run.scalar("loss"), run.histogram("normal")
    assert series is not None and histogram is not None
    assert (series.steps.dtype, series.values.dtype, series.times.dtype) == (np.int64, np.float64, np.float64)
    assert {(b.dtype.name, b.shape) for b in histogram.buckets} == {("float64", (30, 3))}
    with_nan = run.histogram("with_nan")
    assert with_nan is not None
    assert np.isnan(with_nan.buckets[0][:, :2]).all() and not with_nan.buckets[0][:, 2].any()


def test_reading_imports_neither_tensorflow_nor_tensorboards_loaders(tmp_path: Path) -> None:
    written(tmp_path, scalar_file())
    program = (
        "import sys, pathlib; from grader.formats.events import read_runs; "
        f"assert read_runs(pathlib.Path({str(tmp_path)!r}))['.'].scalars; "
        "print([m for m in sys.modules if m.split('.')[0] == 'tensorflow' or 'event_processing' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# --- forms of values -------------------------------------------------------------------------------------------------


def test_the_plugin_is_named_once_and_remembered_for_the_tag(tmp_path: Path) -> None:
    first = event(0, "h", tensor=tensor(BUCKETS), metadata=plugin("histograms"))
    other = event(0, "t", tensor=tensor(BUCKETS), metadata=plugin("mine"))
    later = [event(1, "h", tensor=tensor(BUCKETS * 2)), event(1, "t", tensor=tensor(BUCKETS))]
    _, _, histograms = read_file(written(tmp_path, event_file(first, other, *later)))
    assert [series.tag for series in histograms] == ["h"]
    np.testing.assert_array_equal(histograms[0].buckets[1], BUCKETS * 2)


@pytest.mark.parametrize("listed", [False, True])
def test_values_come_as_bytes_or_as_lists(tmp_path: Path, listed: bool) -> None:
    single, double = np.array(0.1, np.float32), np.array(0.1, np.float64)
    log, scalars, histograms = read_file(
        written(
            tmp_path,
            event_file(
                event(0, "single", tensor=tensor(single, listed=listed)),
                event(0, "double", tensor=tensor(double, listed=listed)),
                event(0, "h", tensor=tensor(BUCKETS, listed=listed)),
                event(0, "none", tensor=tensor(np.zeros((0, 3)), listed=listed), metadata=plugin("histograms")),
            ),
        )
    )
    assert log.state is FileState.OK
    assert [series.values[0] for series in scalars] == [float(np.float32(0.1)), 0.1]
    np.testing.assert_array_equal(histograms[0].buckets[0], BUCKETS)
    assert histograms[1].buckets[0].shape == (0, 3)


def test_a_count_of_minus_zero_is_zero(tmp_path: Path) -> None:
    log, _, histograms = read_file(written(tmp_path, event_file(event(0, "h", tensor=tensor(BUCKETS * [1, 1, -0.0])))))
    assert log.state is FileState.OK
    assert not histograms[0].buckets[0][:, 2].any()


def test_a_list_of_one_stands_for_all(tmp_path: Path) -> None:
    value = {"dtype": 2, "tensor_shape": {"dim": [{"size": 30}, {"size": 3}]}, "double_val": [0.0]}
    _, _, histograms = read_file(written(tmp_path, event_file(event(0, "h", tensor=value))))
    np.testing.assert_array_equal(histograms[0].buckets[0], np.zeros((30, 3)))


LIES = {
    "fewer bytes": {"tensor": tensor(BUCKETS, (3, 3)), "metadata": plugin("histograms")},
    "more bytes": {"tensor": tensor(BUCKETS, (1, 3)), "metadata": plugin("histograms")},
    "endless": {"tensor": tensor(BUCKETS, (2**62, 3)), "metadata": plugin("histograms")},
    "endless from one": {"tensor": tensor(BUCKETS[:1, :1], (2**40, 3), listed=True)},
    "negative": {"tensor": tensor(BUCKETS, (-2, 3)), "metadata": plugin("histograms")},
    "a row for a scalar": {"tensor": tensor(BUCKETS[0]), "metadata": plugin("scalars")},
    "no number": {"tensor": {"dtype": 1, "tensor_shape": {}}, "metadata": plugin("scalars")},
    "half a number": {
        "tensor": {"dtype": 1, "tensor_shape": {}, "tensor_content": b"ab"},
        "metadata": plugin("scalars"),
    },
    "no shape": {"tensor": {"dtype": 1, "tensor_shape": {"unknown_rank": True}, "float_val": [1.0]}},
    "uneven buckets": {"histo": {"bucket_limit": [1.0, 2.0], "bucket": [1.0]}},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_value_that_lies_about_its_shape_costs_only_itself(tmp_path: Path, lie: dict[str, object]) -> None:
    good = [event(step, "loss", simple_value=step) for step in range(2)]
    path = written(tmp_path, event_file(good[0], event(5, "lie", **lie), good[1]))
    log, scalars, histograms = read_file(path)
    assert (log.state, log.events) == (FileState.DAMAGED, 4)
    assert "at byte" in str(log.detail)
    assert loss(path) == [0, 1]
    assert len(scalars) == 1 and not histograms


def test_other_kinds_of_values_are_passed_over(tmp_path: Path) -> None:
    strings = {"dtype": 7, "tensor_shape": {"dim": [{"size": 2}]}, "string_val": [b"a", b"b"]}
    graph = event_pb2.Event(graph_def=b"x" * (2 << 20))
    others = [event(0, "text", tensor=strings), event(0, "image", image={"width": 1}), graph]
    path = written(tmp_path, event_file(*others, event(3, "loss", simple_value=1.5)))
    log, scalars, histograms = read_file(path)
    assert (log.state, log.events, histograms) == (FileState.OK, 5, ())
    assert loss(path) == [1.5] and len(scalars) == 1


# --- damage ----------------------------------------------------------------------------------------------------------


def places_to_cut() -> list[int]:
    """Within the length, its checksum, the data, the data's checksum, of the first and of a later record."""
    first = len(event_file())
    return [place + offset for place in (0, first) for offset in (1, 7, 8, 11, 12, 13, 20)] + [len(scalar_file()) - 1]


@pytest.mark.parametrize("cut", places_to_cut())
def test_a_file_that_was_cut_off_gives_what_stands_before(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, scalar_file()[:cut])
    log, _, _ = read_file(path)
    assert log.state is FileState.TRUNCATED
    assert loss(path) == ([1.0, 2.0] if cut > 100 else [])
    start = 0 if cut <= 20 else None
    assert f"at byte {start}" in str(log.detail) or start is None


def test_a_file_cut_between_records_is_whole(tmp_path: Path) -> None:
    log, scalars, _ = read_file(written(tmp_path, event_file()))
    assert (log.state, log.events, scalars) == (FileState.OK, 1, ())


@pytest.mark.parametrize(("field", "what"), [(3, "length"), (9, "length"), (14, "data"), (-2, "data")])
def test_a_flipped_bit_is_told_with_its_record(tmp_path: Path, field: int, what: str) -> None:
    start, data = len(event_file()), bytearray(scalar_file(values=[1.0]))
    data[start + field if field >= 0 else field] ^= 0x10
    log, scalars, _ = read_file(written(tmp_path, bytes(data)))
    assert (log.state, log.events, scalars) == (FileState.DAMAGED, 1, ())
    assert what in str(log.detail) and f"at byte {start}" in str(log.detail)


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (b"", FileState.EMPTY),
        (b"hello", FileState.TRUNCATED),
        (b"Epoch 1: Train loss: 0.1 " * 9, FileState.DAMAGED),
        (bytes(4096), FileState.DAMAGED),
        (record(b"this is no protocol buffer"), FileState.DAMAGED),
        (event_file() + record(b"", length=2**40), FileState.REFUSED),
        (event_file() + record(b"", length=2**64 - 1), FileState.REFUSED),
        (event_file() + record(b"", length=1 << 20), FileState.TRUNCATED),
    ],
)
def test_what_is_no_event_file_gets_a_state_and_a_reason(tmp_path: Path, data: bytes, state: FileState) -> None:
    log, scalars, histograms = read_file(written(tmp_path, data))
    assert (log.state, scalars, histograms) == (state, (), ())
    assert log.detail


def test_bombs_of_small_messages_are_not_unfolded(tmp_path: Path) -> None:
    many = b"\x2a" + varint(2 * 400_000) + b"\x0a\x00" * 400_000  # a summary of 400 000 blank values
    strings = b"\x42\x00" * 5_000_000
    bomb = record(many) * 20 + record(strings)
    log, scalars, _ = read_file(written(tmp_path, event_file() + bomb + scalar_file()))
    assert (log.state, log.events, len(scalars)) == (FileState.DAMAGED, 26, 1)


def test_a_few_bytes_that_stand_for_many_numbers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = events._FolderBudget(numbers=1_000_000)
    monkeypatch.setattr(events, "_FolderBudget", lambda: small)
    many = tensor(np.ones(1), shape=(100_000, 3), listed=True)
    bomb = event_file(*(event(step, "h", tensor=many) for step in range(500)))
    log, _, (series,) = bounded(read_file, written(tmp_path, bomb), mib=64)
    assert (log.state, log.events, len(series.buckets)) == (FileState.REFUSED, 4, 3)
    assert "too many numbers" in str(log.detail)


def test_values_are_counted_like_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = events._FolderBudget(records=2_000)
    monkeypatch.setattr(events, "_FolderBudget", lambda: small)
    crowd = event(1, "loss", simple_value=1.0)
    for _ in range(999):
        crowd.summary.value.add(tag="loss", simple_value=1.0)
    log, (series,), _ = read_file(written(tmp_path, event_file(*[crowd] * 50)))
    assert (log.state, len(series.values)) == (FileState.REFUSED, 2_000)


def varint(number: int) -> bytes:
    low = bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
    return low + (varint(number >> 7) if number > 0x7F else b"")


def test_bounds_on_files_records_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = events._FolderBudget(files=2, size=10_000, records=6)
    monkeypatch.setattr(events, "_FolderBudget", lambda: small)
    for number in range(4):
        put(tmp_path / f"{number}.tfevents", scalar_file())
    states = [(file.state, file.events) for file in read_runs(tmp_path)["."].files]
    ok, cut, no = (FileState.OK, 4), (FileState.REFUSED, 2), (FileState.REFUSED, 0)
    assert states == [ok, cut, no, no]


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, scalar_file())
    os.truncate(path, (256 << 20) + 1)
    assert read_file(path)[0].state is FileState.REFUSED


def test_folders_are_followed_eight_deep_and_other_names_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt", b"x")
    for depth in (8, 9):
        written(tmp_path.joinpath(*["d"] * depth), scalar_file())
    assert list(read_runs(tmp_path)) == ["/".join(["d"] * 8)]
    assert read_runs(tmp_path / "missing") == {}


def test_links_pipes_and_folders_are_never_followed(tmp_path: Path) -> None:
    logs, outside = tmp_path / "logs", tmp_path / "outside"
    secret = written(outside, scalar_file())
    written(logs, scalar_file())
    (logs / "b.tfevents").symlink_to(secret)
    (logs / "run").symlink_to(outside)
    (logs / "c.tfevents").mkdir()
    os.mkfifo(logs / "d.tfevents")
    (tmp_path / "link").symlink_to(logs)
    runs = read_runs(logs)
    assert list(runs) == ["."]
    assert {file.name: file.state for file in runs["."].files} == {
        NAME: FileState.OK,
        "b.tfevents": FileState.REFUSED,
        "d.tfevents": FileState.REFUSED,
    }
    assert read_runs(tmp_path / "link") == {}


def test_names_that_are_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    try:
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe/a\xff.tfevents")), scalar_file())
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (run,) = read_runs(tmp_path).values()
    assert json.dumps([run.name, run.files[0].name]).encode("utf-8")
    assert run.name.encode("utf-8") and run.files[0].state is FileState.OK


# --- any bytes -------------------------------------------------------------------------------------------------------

WHOLE = event_file(
    event(0, "loss", simple_value=0.5),
    event(0, "h", tensor=tensor(BUCKETS), metadata=plugin("histograms")),
    *(event(step, "loss", tensor=tensor(np.array(step, np.float32))) for step in range(1, 4)),
    *(event(step, "h", tensor=tensor(BUCKETS * step)) for step in range(1, 4)),
)


def points(data: bytes) -> list[list[tuple[int, float, bytes]]]:
    """All that is read from a file's bytes, as one comparable list a series."""
    with TemporaryDirectory() as folder:
        _, scalars, histograms = read_file(put(Path(folder, "a.tfevents"), data))
    found: dict[str, list[tuple[int, float, bytes]]] = {}
    for series in (*scalars, *histograms):
        values = series.values if isinstance(series, Scalars) else series.buckets
        raw = [value.tobytes() for value in values]
        found[series.tag] = list(zip(series.steps.tolist(), series.times.tolist(), raw, strict=True))
    return [found.get(tag, []) for tag in ("loss", "h")]


@given(st.binary(max_size=400))
def test_random_bytes_never_raise(data: bytes) -> None:
    points(data)
    points(record(data))


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_file_gives_a_prefix_of_the_original(data: st.DataObject) -> None:
    mutated = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "insert"])):
            case "flip":
                mutated[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del mutated[max(place, 1) :]
            case "drop":
                del mutated[max(place, 1) : max(place, 1) + 1]
            case _:
                mutated.insert(place, data.draw(st.integers(0, 255)))
    for read, whole in zip(points(bytes(mutated)), points(WHOLE), strict=True):
        assert read == whole[: len(read)]


def test_a_digest_of_logs_changes_with_what_would_be_read_and_reads_nothing_else(tmp_path: Path) -> None:
    event = tmp_path / "relu" / "events.out.tfevents.1"
    event.parent.mkdir()
    found = set()
    for content in (b"one", b"two"):
        event.write_bytes(content)
        found.add(digest_of(tmp_path))
    (tmp_path / "checkpoint").write_bytes(b"weights")
    assert len(found) == 2 and digest_of(tmp_path) in found
    with (tmp_path / "events.out.tfevents.2").open("wb") as sparse:
        sparse.truncate(1 << 40)  # would take an hour to read
    os.mkfifo(tmp_path / "events.out.tfevents.3")
    (tmp_path / "events.out.tfevents.4").symlink_to("/dev/zero")
    assert digest_of(tmp_path) not in found
    assert digest_of(tmp_path / "missing")
