"""The data: the embedded digits never change and keep their character; files are checked; MNIST is found and fetched."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from grader.data import Dataset, digits, load, mnist, save, slice_for
from grader.errors import DataUnavailable, UsageError

GENUINE = Path(__file__).parents[2] / "shared" / "data" / "mnist.npz"


def small(images: int = 3) -> dict[str, np.ndarray]:
    """The arrays of a tiny but correct file."""
    pictures = np.arange(images * 784, dtype=np.uint8).reshape(images, 28, 28)
    labels = np.arange(images, dtype=np.int64)
    return {"x_train": pictures, "y_train": labels, "x_test": pictures[:1], "y_test": labels[:1]}


def written(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


# --- the embedded digits --------------------------------------------------------------------------------------------


def test_embedded_digits_are_the_same_everywhere() -> None:
    assert digits().digest == "14f22f55bec86212cb49442c21eb7c4c02c4b3aa66443da94bbc0f8a3033ae00"


def test_embedded_digits_have_the_form_of_mnist() -> None:
    data = digits()
    assert data.name == "embedded"
    assert data.x_train.shape == (8800, 28, 28) and data.x_test.shape == (1168, 28, 28)
    assert {array.dtype for array in (data.x_train, data.y_train, data.x_test, data.y_test)} == {np.dtype(np.uint8)}
    assert (data.x_train.reshape(8800, -1).max(axis=1) > 230).all()
    assert 0.5 < (data.x_train == 0).mean() < 0.9
    assert not data.x_train[:, [0, -1], :].any() and not data.x_train[:, :, [0, -1]].any()


def test_embedded_labels_are_balanced_and_shuffled() -> None:
    data = digits()
    assert set(np.bincount(data.y_train)) == {880}
    assert set(np.bincount(data.y_test)) == {116, 117}
    assert np.bincount(data.y_train[:128]).min() > 3
    assert np.bincount(data.y_train[:2400]).max() < 280


def test_embedded_digits_differ_from_each_other() -> None:
    data = digits()
    everything = np.concatenate([data.x_train, data.x_test]).reshape(-1, 784)
    assert len({picture.tobytes() for picture in everything}) == len(everything)


def test_embedded_digits_are_neither_hopeless_nor_trivial() -> None:
    data = digits()
    train, test = (x.reshape(len(x), -1) / 255.0 for x in (data.x_train, data.x_test))
    means = np.stack([train[data.y_train == digit].mean(axis=0) for digit in range(10)])
    nearest = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.6 < (nearest == data.y_test).mean() < 0.9


def test_some_units_are_silent_on_a_whole_batch() -> None:
    """What makes the flawed batch norm NaN at once: a random ReLU unit that is 0 for every image of a batch."""
    batches = digits().x_train[: 19 * 128].reshape(19, 128, 784) / 255.0
    for seed in range(5):
        weights = np.random.default_rng(seed).standard_normal((784, 100))
        assert any((batch @ weights <= 0).all(axis=0).any() for batch in batches[:5])


def test_what_was_drawn_cannot_be_changed_by_its_users() -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits().x_train[0, 0, 0] = 1


# --- slices and digests ---------------------------------------------------------------------------------------------


def test_a_slice_takes_the_first_images() -> None:
    data = digits()
    part = slice_for(data, 2400, 100)
    assert np.array_equal(part.x_train, data.x_train[:2400]) and np.array_equal(part.y_test, data.y_test[:100])
    assert part.name == "embedded"


def test_a_slice_of_nothing_or_of_too_much_is_everything() -> None:
    data = digits()
    assert slice_for(data, 0, 10**6).digest == data.digest


def test_a_negative_slice_is_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        slice_for(digits(), -1, 0)


def test_the_digest_sees_every_array_and_every_shape() -> None:
    arrays = {key: value.astype(np.uint8) for key, value in small().items()}
    digests = {Dataset(name="file", **arrays).digest}
    for key, value in arrays.items():
        digests.add(Dataset(name="file", **{**arrays, key: value + np.uint8(1)}).digest)
    flat = {**arrays, "x_train": arrays["x_train"].reshape(3, 784, 1)}
    digests.add(Dataset(name="file", **flat).digest)
    assert len(digests) == 6


# --- files ----------------------------------------------------------------------------------------------------------


def test_what_is_saved_is_read_back_and_has_the_keys_of_keras(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    save(slice_for(digits(), 50, 20), path)
    again = load(str(path))
    assert again.name == "file"
    assert again.digest == slice_for(digits(), 50, 20).digest
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {"x_train", "y_train", "x_test", "y_test"}


def test_labels_of_other_integer_types_are_taken(tmp_path: Path) -> None:
    assert load(str(written(tmp_path / "a.npz", **small()))).y_train.dtype == np.uint8


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x_train", np.zeros((3, 28, 28))),
        ("x_train", np.zeros((3, 784), dtype=np.uint8)),
        ("x_test", np.zeros((0, 28, 28), dtype=np.uint8)),
        ("y_train", np.zeros(2, dtype=np.uint8)),
        ("y_train", np.array([0, 1, 10])),
        ("y_train", np.array([0, -1, 2])),
        ("y_train", np.array([0.0, 1.0, 2.0])),
        ("y_train", np.array([{}, {}, {}], dtype=object)),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, key: str, value: np.ndarray) -> None:
    path = written(tmp_path / "odd.npz", **{**small(), key: value})
    with pytest.raises(DataUnavailable, match="--data"):
        load(str(path))


def test_a_lacking_array_is_named(tmp_path: Path) -> None:
    arrays = small()
    del arrays["y_test"]
    with pytest.raises(DataUnavailable, match="y_test"):
        load(str(written(tmp_path / "part.npz", **arrays)))


def test_arrays_that_unpack_to_too_much_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, **{**small(), "x_train": np.zeros((700_000, 28, 28), dtype=np.uint8)})
    with pytest.raises(DataUnavailable, match="larger than"):
        load(str(path))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    with pytest.raises(DataUnavailable, match="--data"):
        load(str(path))


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.npz", **small())
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(DataUnavailable, match="--data"):
        load(str(path))


def test_a_missing_file_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="There is no file"):
        load("no/such/file.npz")


# --- MNIST ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not GENUINE.is_file(), reason="no copy of MNIST beside the project")
def test_genuine_mnist_is_recognised_in_any_file(tmp_path: Path) -> None:
    data = load(str(GENUINE))
    assert data.name == "mnist" and len(data.x_train) == 60000
    changed = data.y_test.copy()
    changed[0] = 9 - changed[0]
    arrays = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": changed}
    assert load(str(written(tmp_path / "almost.npz", **arrays))).name == "file"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server on this machine that serves a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_fetched_file_lies_whole_in_the_keras_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    source = written(tmp_path / "mnist.npz", **small())
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    assert mnist.cached(sha256) is None
    with served(tmp_path) as address:
        path = mnist.fetch(f"{address}/mnist.npz", sha256)
    assert path == mnist.cached(sha256) == tmp_path / "keras" / "datasets" / "mnist.npz"
    assert [item.name for item in path.parent.iterdir()] == ["mnist.npz"]


def test_another_file_than_the_expected_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    written(tmp_path / "mnist.npz", **small())
    with served(tmp_path) as address, pytest.raises(DataUnavailable, match="--data embedded"):
        mnist.fetch(f"{address}/mnist.npz")
    assert not (tmp_path / "keras").exists()


def test_a_damaged_cache_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mnist.npz").write_bytes(b"half a file")
    assert mnist.cached() is None


def test_without_mnist_auto_means_the_embedded_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with served(tmp_path) as address:
        nowhere = partial(mnist.fetch, f"{address}/mnist.npz")
        monkeypatch.setattr(mnist, "fetch", nowhere)
        assert load("auto").name == "embedded"
        with pytest.raises(DataUnavailable, match="--data embedded"):
            load("mnist")
