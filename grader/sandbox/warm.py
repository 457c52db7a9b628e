"""The warm worker, seen from outside: started once for a batch, asked for a process whenever a box stands ready.

A box is made by bubblewrap as ever, around a holder that does nothing; the worker's fork then joins it. Where there are no
boxes, the fork confines itself by Landlock. So what confines a program is the same as without the worker; only the
import of TensorFlow is not paid again.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.errors import GraderError
from grader.sandbox import bubblewrap, landlock, seccomp
from grader.sandbox.box import Box, Launch, Program, base_environment

_INSIDE = Path(__file__).parents[1] / "inside"
_NOWHERE = "/proc/none"  # a folder that nobody can make: what is imported leaves no file
_BOX_SECONDS = 60.0  # for bubblewrap to make a box, on a very busy machine
_WORKER_SECONDS = 300.0  # for the worker to import TensorFlow on a very busy machine


class WarmWorker:
    """A worker for as long as the context lasts; it is started when it is first needed, and again should it have died.
    Requests may come at once: they wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="gr-warm-")

    def __enter__(self) -> WarmWorker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def socket(self) -> Path:
        """Where the worker listens. Returns at once."""
        path = Path(self._folder.name, "worker")
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                path.unlink(missing_ok=True)
                self._process = _start(path)
        return path


def _start(path: Path) -> subprocess.Popen[bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, (path.parent / "log").open("wb") as output:
        listener.bind(str(path))
        listener.listen(128)
        return subprocess.Popen(
            [sys.executable, "-X", "frozen_modules=off", "warm.py", str(listener.fileno())],
            cwd=_INSIDE,
            env=base_environment(_NOWHERE, _NOWHERE),  # every fork can read it in /proc
            stdin=subprocess.PIPE,  # it ends when this is closed: with us at the latest, whatever becomes of threads
            stdout=output,
            stderr=output,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A box that the worker's fork has joined: the box's own process, a pidfd of its first process, the process that
    attends to the program, and a connection that ends with that."""

    holder: subprocess.Popen[bytes]
    first: int
    attendant: int
    connection: socket.socket


def enter(worker: Path, program: Program, box: Box, output: int) -> Entered:
    """Start `program` in `box`. Raises GraderError when the box or the worker fails."""
    holder, first, user = _hold(box, output)
    with contextlib.ExitStack() as failed:
        failed.callback(holder.wait)
        failed.callback(holder.kill)
        try:
            pidfd = os.pidfd_open(first)
            failed.callback(os.close, pidfd)
            attendant, connection = _ask(worker, _request(program, box, first, user), output, pidfd)
        except (OSError, GraderError) as error:
            raise GraderError(f"The warm worker failed. Grade again. {error}") from error
        failed.pop_all()
    return Entered(holder=holder, first=pidfd, attendant=attendant, connection=connection)


def _ask(worker: Path, request: Mapping[str, object], *descriptors: int) -> tuple[int, socket.socket]:
    """Send a request to the worker: the process that attends to it, and the connection. Raises GraderError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_WORKER_SECONDS)
    try:
        connection.connect(str(worker))
        socket.send_fds(connection, [json.dumps(request).encode()], descriptors)
        return int(connection.recv(64)), connection
    except (OSError, ValueError) as error:
        connection.close()
        raise GraderError(f"The warm worker failed ({error}). Grade again. {_last_words(worker)}") from error


class Forked:
    """A program of the worker's that no box holds: as far as it is used, like a `Popen` of the process that attends to
    it. That one ends when nothing is left of the program and what it started."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def end(self) -> None:
        """Let the attendant end it."""
        with contextlib.suppress(OSError):  # it may have ended
            self._connection.shutdown(socket.SHUT_WR)

    def poll(self) -> int | None:
        """0 when it has ended; None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Like `Popen.wait`."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0)
        self.returncode = 0
        self._connection.close()
        return 0


def fork(worker: Path, program: Program, box: Box, output: int) -> Forked:
    """Start `program`, which confines itself by what `box` allows. Raises GraderError when the worker fails."""
    request = {**landlock.request(box), "program": program.name, "arguments": program.arguments}
    return Forked(*_ask(worker, request, output))


def _last_words(worker: Path) -> str:
    try:
        return (worker.parent / "log").read_text(errors="replace").strip()[-1500:]
    except OSError:
        return ""


def _request(program: Program, box: Box, first: int, user: int | None) -> dict[str, object]:
    calls = seccomp.program(shared=False)
    return {
        "pid": first,
        "program": program.name,
        "arguments": program.arguments,
        "directory": box.home,
        "environment": {**base_environment(box.home, "/tmp"), **box.environment},
        "user": user,
        "limits": box.limits.resources(),
        "filter": calls.hex() if calls else None,
    }


def _hold(box: Box, output: int) -> tuple[subprocess.Popen[bytes], int, int | None]:
    """A box with nothing in it but a process that waits: its bubblewrap, the number of its first process, and its user."""
    launch = bubblewrap.launch(("/bin/sh", "-c", "echo; exec cat"), box)
    assert launch.first is not None
    try:
        holder = _popen(launch, output)
    finally:
        for descriptor in launch.descriptors:
            os.close(descriptor)
    try:
        return holder, _first_process(holder, launch.first), launch.user
    except (OSError, ValueError, KeyError) as error:
        holder.kill()
        holder.wait()
        raise GraderError(f"bubblewrap could not make a box ({error}). Run grader doctor.") from error
    finally:
        os.close(launch.first)


def _first_process(holder: subprocess.Popen[bytes], said: int) -> int:
    """The number that bubblewrap gives, once the box stands; by then it has been said."""
    assert holder.stdout is not None
    if not select.select([holder.stdout], [], [], _BOX_SECONDS)[0] or not holder.stdout.readline():
        raise OSError("it did not get ready")
    return int(json.loads(os.read(said, 1 << 16))["child-pid"])


def _popen(launch: Launch, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(launch.argv),
        env=dict(launch.environment),
        cwd=launch.directory,
        stdin=subprocess.PIPE,  # the holder waits on it: it ends with us at the latest
        stdout=subprocess.PIPE,
        stderr=output,
        pass_fds=launch.descriptors,
        start_new_session=True,
    )
