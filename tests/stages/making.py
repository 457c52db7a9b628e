"""Event files, notebooks and archives, made byte by byte where a test needs odd ones."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from tensorboard.compat.proto import event_pb2

# --- event files -----------------------------------------------------------------------------------------------------


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes, length: int | None = None) -> bytes:
    """A record with right checksums; its length may be a lie."""
    header = struct.pack("<Q", len(data) if length is None else length)
    return header + masked(header) + data + masked(data)


def event(step: int, tag: str, **value: Any) -> event_pb2.Event:
    """An event with one value: `event(3, "loss", simple_value=0.5)`."""
    made = event_pb2.Event(step=step, wall_time=1000.0 + step)
    made.summary.value.add(tag=tag, **value)
    return made


def tensor(array: np.ndarray, shape: Sequence[int] | None = None, *, listed: bool = False) -> dict[str, Any]:
    """A TensorProto as keywords; its shape may be a lie."""
    double = array.dtype == np.float64
    dims = [{"size": size} for size in (array.shape if shape is None else shape)]
    content = {"double_val" if double else "float_val": array.ravel().tolist()} if listed else {}
    raw = {} if listed else {"tensor_content": array.tobytes()}
    return {"dtype": 2 if double else 1, "tensor_shape": {"dim": dims}, **content, **raw}


def plugin(name: str) -> dict[str, Any]:
    return {"plugin_data": {"plugin_name": name}}


def event_file(*events: event_pb2.Event) -> bytes:
    first = event_pb2.Event(wall_time=1000.0, file_version="brain.Event:2")
    return b"".join(record(e.SerializeToString()) for e in (first, *events))


def scalar_file(tag: str = "loss", values: Sequence[float] = (1.0, 2.0, 3.0)) -> bytes:
    return event_file(*(event(step, tag, simple_value=value) for step, value in enumerate(values)))


def put(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_logs(folder: Path, *runs: str) -> Path:
    for run in runs or ("relu", "raw"):
        put(folder / run / "events.out.tfevents.1.host.v2", scalar_file())
    return folder


# --- notebooks -------------------------------------------------------------------------------------------------------


def cell(source: str | list[str], kind: str = "code", **more: Any) -> dict[str, Any]:
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code, **more}


def document(*cells: Mapping[str, Any] | str, **more: Any) -> dict[str, Any]:
    made = [cell(c) if isinstance(c, str) else c for c in cells]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made, **more}


def notebook(*cells: Mapping[str, Any] | str, **more: Any) -> bytes:
    return json.dumps(document(*(cells or ("x = 1",)), **more)).encode()


# --- archives --------------------------------------------------------------------------------------------------------


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.filename = info.orig_filename = name
            info.compress_type = method
            bundle.writestr(info, data)
    return buffer.getvalue()


def zipped_by_windows(files: Mapping[str, bytes], page: str) -> bytes:
    """A zip with names in a Russian code page and no word about it: in the making, each name is a stand-in of the same
    number of bytes."""
    stand_ins = {f"{index:0>{len(name.encode(page))}}": name for index, name in enumerate(files)}
    data = zipped({stand_in: files[name] for stand_in, name in stand_ins.items()})
    for stand_in, name in stand_ins.items():
        data = data.replace(stand_in.encode(), name.encode(page))
    return data


def tarred(files: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as bundle:  # type: ignore[call-overload]
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                bundle.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                bundle.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info
