"""Writes event files with TensorFlow and dumps what TensorBoard reads from them. Run in a process of its own.

python with_tensorflow.py FOLDER ORACLE.npz
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray


def write(folder: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(3, 200))
    with tf.summary.create_file_writer(str(folder / "relu")).as_default():
        for step, value in enumerate([0.25, -1e30, np.nan, np.inf, -np.inf, 0.0]):
            tf.summary.scalar("loss", value, step=step)
            tf.summary.scalar("double", tf.constant(value, tf.float64), step=step * 10**10)
        for step in (4, 1, 3):  # not sorted: a run that was repeated with the same writer
            tf.summary.scalar("back", float(step), step=step)
        for step, row in enumerate(numbers):
            tf.summary.histogram("normal", row, step=step)
            tf.summary.histogram("single", row.astype("f4"), step=step)
            tf.summary.histogram("with_nan", np.append(row, np.nan), step=step)
            tf.summary.histogram("with_inf", np.append(row, np.inf), step=step)
            tf.summary.histogram("all_nan", row * np.nan, step=step)
            tf.summary.histogram("constant", np.full(5, 0.1), step=step)
            tf.summary.histogram("zeros", np.zeros(5), step=step)
            tf.summary.histogram("empty", [], step=step)
            tf.summary.histogram("few", row, step=step, buckets=4)
        tf.summary.text("note", "a text", step=0)
        tf.summary.image("picture", np.zeros((1, 2, 2, 3)), step=0)
    for part in (1, 2):
        suffix = f".part{part}"
        with tf.summary.create_file_writer(str(folder / "twice" / "train"), filename_suffix=suffix).as_default():
            for step in range(3):
                tf.summary.scalar("loss", part * 10.0 + step, step=step)
    tf.summary.create_file_writer(str(folder / "nothing")).flush()


def read(folder: Path) -> dict[str, np.ndarray]:
    """What TensorBoard reads: for each run and tag the plugin, steps, times and values."""
    arrays, series = {}, []
    for run in sorted({path.parent for path in folder.rglob("*tfevents*")}):
        accumulator = EventAccumulator(str(run), size_guidance={"tensors": 0}, purge_orphaned_data=False)
        accumulator.Reload()
        for tag in accumulator.Tags()["tensors"]:
            name = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
            for index, entry in enumerate(accumulator.Tensors(tag)):
                if name in ("scalars", "histograms"):
                    arrays[f"{len(series)}/{index}"] = make_ndarray(entry.tensor_proto)
            times = [[entry.step, entry.wall_time] for entry in accumulator.Tensors(tag)]
            series.append([str(run.relative_to(folder)), tag, name, times])
    for file in sorted(folder.glob("legacy/*/*")):
        for tag, name, step, moment, value in migrated(file):
            arrays[f"{len(series)}/0"] = value
            series.append([str(file.parent.relative_to(folder)), tag, name, [[step, moment]]])
    return arrays | {"series": np.array(json.dumps(series))}


def migrated(file: Path) -> Iterator[tuple[str, str, int, float, np.ndarray]]:
    """The values of a file in the forms of TensorFlow 1, as TensorBoard turns them into those of TensorFlow 2."""
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            name = value.metadata.plugin_data.plugin_name
            yield value.tag, name, event.step, event.wall_time, make_ndarray(value.tensor)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    np.savez(sys.argv[2], **read(Path(sys.argv[1])))
