"""Event files of scalars, as TensorBoard reads them: for curves that no training has written.

A record is its length, that length's checksum, the data, and theirs; checksums are CRC-32C, rotated and shifted by a
constant (tensorflow/core/lib/io/record_writer.h, tensorflow/core/lib/hash/crc32c.h).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import google_crc32c
from tensorboard.compat.proto import event_pb2

from grader.records import Floats, Ints

_MASK = 0xA282EAD8  # a checksum of data that hold checksums is masked


def scalar_file(series: Mapping[str, tuple[Ints, Floats]]) -> bytes:
    """An event file with (steps, values) by tag. Its times are seconds after 1970, one a step: there was no clock."""
    events = [event_pb2.Event(file_version="brain.Event:2")]
    for tag, (steps, values) in series.items():
        for step, value in zip(steps, values, strict=True):
            event = event_pb2.Event(step=int(step), wall_time=float(step))
            event.summary.value.add(tag=tag, simple_value=float(value))
            events.append(event)
    return b"".join(_record(event.SerializeToString()) for event in events)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + checksum(length) + data + checksum(data)


def checksum(data: bytes) -> bytes:
    """The masked CRC-32C of TensorFlow's record format, as it stands in a file [4 bytes]."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF)
