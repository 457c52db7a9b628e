"""The process that drives one notebook: nbclient here, the kernel in the sandbox, sockets in a folder between them.

Forked by `grader.stages.execution` from a process that has imported it. It stays outside the box of the kernel, so what
it records (which cells ran, what they printed, how they ended) is beyond the reach of the notebook's code; and it is a
process of its own, so that a hostile stream of messages can harm this one submission only. It judges nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import resource
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from zmq.utils.monitor import parse_monitor_message

from grader.files import replacing
from grader.formats.notebooks import load_node
from grader.language import noted
from grader.records import CellRun, CellStatus, Fault, FaultKind, Resources
from grader.sandbox import MECHANISMS, Program
from grader.sandbox.box import MIB
from grader.sandbox.watch import Meter, exceeded, overdue, start
from grader.stages.execution import FINISHED, Spec, box_for

_START_SECONDS = 300.0  # TensorFlow's import on a very busy machine
_GRACE_SECONDS = 10.0  # for a cell to end after an interrupt
_WATCH_SECONDS = 0.25
_RETRY_MILLISECONDS = 1000  # within which ZeroMQ tries to connect again, where it does
_TEXT_BYTES = 200_000  # kept of what a cell prints
_MESSAGE_BYTES = 8 * MIB
_DROPPED, _RETRIED = zmq.EVENT_DISCONNECTED, zmq.EVENT_CONNECT_RETRIED  # type: ignore[attr-defined]
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LINE = re.compile(r"Cell In\[\d+\], line (\d+)")


class OutputLimit(Exception):
    """The kernel sent more than it may."""


class Budget:
    """All that a kernel sends, counted where it arrives."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise OutputLimit


class CountedSession(Session):  # type: ignore[misc]
    """A session that counts every byte. The client works on a clone, so the budget is shared, not copied."""

    budget: Budget

    def feed_identities(self, msg_list: Any, copy: bool = True) -> Any:
        self.budget.spend(sum(len(getattr(part, "bytes", part)) for part in msg_list))
        return super().feed_identities(msg_list, copy)

    def clone(self) -> Any:
        twin = super().clone()
        twin.budget = self.budget
        return twin


class BoxProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts the kernel in its box. Interrupts travel as messages: a signal would end the sandbox itself."""

    spec: Spec
    tail = b""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        kwargs = await super().pre_launch(**kwargs)
        box = box_for(self.spec)
        settings = Path(self.spec.workspace, "settings")
        info = json.loads(Path(self.parent.connection_file).read_text())
        connection = settings / "kernel.json"
        connection.write_text(json.dumps({**info, "ip": box.at("/sockets/k")}))
        connection.chmod(0o644)
        kwargs["cmd"] = [box.at("/settings/settings.json"), box.at("/settings/kernel.json")]
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        reading, writing = os.pipe()
        program = Program(name="kernel", arguments=tuple(cmd))
        worker = Path(self.spec.worker) if self.spec.worker else None
        self.running = start(program, box_for(self.spec), MECHANISMS[self.spec.mechanism], writing, worker)
        self.process = self.running.process
        os.close(writing)
        threading.Thread(target=self._drain, args=(reading,), daemon=True).start()
        self.pid = self.pgid = self.process.pid
        return self.connection_info

    def _drain(self, descriptor: int) -> None:
        """Read what arrives outside Jupyter's protocol (a subprocess's output), so that nobody blocks on it."""
        while chunk := os.read(descriptor, 1 << 16):
            self.tail = (self.tail + chunk)[-8192:]
        os.close(descriptor)

    async def send_signal(self, signum: int) -> None:
        self.end()

    async def kill(self, restart: bool = False) -> None:
        self.end()

    async def terminate(self, restart: bool = False) -> None:
        self.end()

    def end(self) -> None:
        self.running.kill()


def make_manager(spec: Spec) -> AsyncKernelManager:
    """A kernel manager over unix sockets, with bounds on what is received."""
    sockets = str(Path(spec.workspace, "sockets", "k"))
    if len(f"{sockets}-5".encode()) > zmq.IPC_PATH_MAX_LEN:
        raise OSError(f"The path of the working folder is too long for a socket: {sockets}")
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_BYTES)  # type: ignore[attr-defined]

    class Manager(AsyncKernelManager):  # type: ignore[misc]
        def client(self, **kwargs: Any) -> Any:
            return super().client(**{"context": context, **kwargs})  # it would not take the manager's by itself

    connection = tempfile.mkdtemp(dir=spec.workspace) + "/kernel.json"
    manager = Manager(transport="ipc", ip=sockets, connection_file=connection, context=context)
    manager._kernel_spec = KernelSpec(argv=["python"], display_name="box", language="python", interrupt_mode="message")
    manager.session = CountedSession(parent=manager)
    manager.session.budget = Budget(spec.output_mib * MIB)
    manager.provisioner = BoxProvisioner(kernel_id="box", kernel_spec=manager._kernel_spec, parent=manager)
    manager.provisioner.spec = spec
    manager.kernel_id = "box"
    return manager


class Drive:
    """One notebook on its way through the kernel, cell by cell. Everything so far is on disk after each cell."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.notebook = load_node(Path(spec.notebook))
        self.runs: list[CellRun] = []
        self.fault: Fault | None = None
        self.stopped: FaultKind | None = None
        self.usage = Resources()
        self.cpu_before = 0.0  # what the kernel's start took
        self.counts: dict[int, int] = {}
        self.replies: dict[int, Any] = {}
        self.began = time.monotonic()

    async def execute(self) -> None:
        manager = make_manager(self.spec)
        client = NotebookClient(
            self.notebook,
            km=manager,
            timeout=None,
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            startup_timeout=_START_SECONDS,
            raise_on_iopub_timeout=True,
            iopub_timeout=30,
            on_cell_executed=self._note_reply,
        )
        async with self._kernel(client, manager):
            self.began, self.cpu_before = time.monotonic(), self.usage.cpu_seconds
            for position, cell in enumerate(self.notebook.cells):
                if cell.cell_type == "code" and self.fault is None:
                    await self._cell(client, manager, position)
                    self.save()

    @contextlib.asynccontextmanager
    async def _kernel(self, client: NotebookClient, manager: AsyncKernelManager) -> AsyncIterator[None]:
        await manager.start_kernel()
        watching = [asyncio.ensure_future(self._watch(manager))]
        try:
            client.kc = manager.client()
            client.kc.start_channels()
            for channel in (client.kc.iopub_channel, client.kc.shell_channel):
                watching.append(asyncio.ensure_future(self._listen(channel.socket, manager)))
            await client.kc.wait_for_ready(timeout=_START_SECONDS)
            client.kc.allow_stdin = False
            yield
        finally:
            for task in watching:
                task.cancel()
            manager.provisioner.end()
            await asyncio.to_thread(manager.provisioner.running.wait)
            client.kc.stop_channels()

    def _note_reply(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """The kernel's own word on how a cell ended: an error may leave no output that says so."""
        self.replies[cell_index + 1] = execute_reply.get("content", {})

    async def _watch(self, manager: AsyncKernelManager) -> None:
        """Kill the kernel when it meets a limit that no rlimit can express, and what is left of one that has ended."""
        running = manager.provisioner.running
        box, meter = box_for(self.spec), Meter(running)
        ended = False
        while self.stopped is None and not ended:
            ended = running.has_ended()  # before the last look, at what it left
            self.usage = await asyncio.to_thread(meter.read)
            self.stopped = exceeded(box, meter) or self.stopped
            await asyncio.sleep(_WATCH_SECONDS)
        manager.provisioner.end()

    async def _cell(self, client: NotebookClient, manager: AsyncKernelManager, position: int) -> None:
        cell, began = self.notebook.cells[position], time.monotonic()
        task = asyncio.ensure_future(client.async_execute_cell(cell, position))
        late = not await self._ends_in_time(task)
        if late:
            await manager.interrupt_kernel()
            if not await _done(task, _GRACE_SECONDS):
                manager.provisioner.end()
                await _done(task, _GRACE_SECONDS)
        self._record(cell, position + 1, time.monotonic() - began, task, late)

    async def _listen(self, channel: zmq.asyncio.Socket, manager: AsyncKernelManager) -> None:
        """End a kernel that sent a message beyond all bounds: ZeroMQ drops it and the connection, says nothing else, and does
        not connect again, as it does where the kernel left."""
        with channel.get_monitor_socket(_DROPPED | _RETRIED) as monitor:
            while parse_monitor_message(await monitor.recv_multipart())["event"] != _DROPPED:
                pass
            connects_again = await monitor.poll(_RETRY_MILLISECONDS)
        if not connects_again and self.stopped is None and manager.provisioner.process.poll() is None:
            self.stopped = FaultKind.OUTPUT_LIMIT
            manager.provisioner.end()

    async def _ends_in_time(self, task: asyncio.Task[Any]) -> bool:
        """Wait for a cell, until its own time is over or that of the whole notebook."""
        began, before = time.monotonic(), self.usage.cpu_seconds
        while not await _done(task, _WATCH_SECONDS):
            now, used = time.monotonic(), self.usage.cpu_seconds
            own = overdue(used - before, now - began, self.spec.seconds_per_cell)
            if own or overdue(used - self.cpu_before, now - self.began, self.spec.seconds):
                return False
        return True

    def _record(self, cell: Any, index: int, seconds: float, task: asyncio.Task[Any], late: bool) -> None:
        if isinstance(cell.get("execution_count"), int):  # it comes from the notebook, which may say anything
            self.counts[cell.execution_count] = index
        raised = _error_of(cell, index) or _error_in(self.replies.get(index, {}), index)
        ended = _ending(task, self.stopped)
        if ended is not None:
            kind = FaultKind.TIMED_OUT if late and self.stopped is None else ended
            self.fault = Fault(kind=kind, message=_SAYS[kind], cell=index)
        elif late:
            raised = Fault(kind=FaultKind.TIMED_OUT, message=_SAYS[FaultKind.TIMED_OUT], cell=index)
        fault = self.fault or raised
        self.runs.append(
            CellRun(
                index=index,
                status=_STATUS[fault.kind] if fault else CellStatus.OK,
                seconds=round(seconds, 3),
                text=_text_of(cell),
                fault=fault,
            )
        )

    def save(self) -> None:
        """The notebook as it ran so far, and what is known of it."""
        done = {run.index for run in self.runs}
        rest = [i for i, cell in enumerate(self.notebook.cells, 1) if cell.cell_type == "code" and i not in done]
        pending = [CellRun(index=index, status=CellStatus.NOT_RUN) for index in rest]
        outcome = {
            "cells": [dataclasses.asdict(run) for run in (*self.runs, *pending)],
            "fault": dataclasses.asdict(self.fault) if self.fault else None,
            "counts": self.counts,
            "cpu_seconds": self.usage.cpu_seconds + time.process_time(),
            "peak_memory_mib": self.usage.peak_memory_mib,
        }
        root = Path(self.spec.workspace)
        _replace(root / "executed.ipynb", nbformat.writes(self.notebook))
        _replace(root / "outcome.json", json.dumps(outcome))


_SAYS = {
    FaultKind.TIMED_OUT: noted("The time for this cell was over."),
    FaultKind.KERNEL_DIED: noted("The kernel died."),
    FaultKind.OUT_OF_MEMORY: noted("The notebook used more memory than it may."),
    FaultKind.DISK_LIMIT: noted("The notebook wrote more to disk than it may."),
    FaultKind.FILES_LIMIT: noted("The notebook made more files than it may."),
    FaultKind.OUTPUT_LIMIT: noted("The notebook printed more than it may."),
}
_STATUS = {
    FaultKind.RAISED: CellStatus.RAISED,
    FaultKind.TIMED_OUT: CellStatus.TIMED_OUT,
    FaultKind.KERNEL_DIED: CellStatus.DIED,
    FaultKind.OUT_OF_MEMORY: CellStatus.DIED,
    FaultKind.DISK_LIMIT: CellStatus.DIED,
    FaultKind.FILES_LIMIT: CellStatus.DIED,
    FaultKind.OUTPUT_LIMIT: CellStatus.DIED,
}


async def _done(task: asyncio.Task[Any], seconds: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)


def _ending(task: asyncio.Task[Any], stopped: FaultKind | None) -> FaultKind | None:
    """What ended the kernel during a cell, if anything did. Anything odd in its messages counts as its death."""
    if not task.done():
        task.cancel()
        return stopped or FaultKind.KERNEL_DIED
    problem = task.exception() if not task.cancelled() else DeadKernelError()
    if problem is None:
        return None
    if isinstance(problem, OutputLimit):
        return FaultKind.OUTPUT_LIMIT
    return stopped or FaultKind.KERNEL_DIED


def _error_of(cell: Any, index: int) -> Fault | None:
    for output in cell.get("outputs", []):
        if output.get("output_type") == "error":
            trace = _ANSI.sub("", "\n".join(str(line) for line in output.get("traceback", [])))
            line = _LINE.search(trace)
            return Fault(
                kind=FaultKind.RAISED,
                message=f"{output.get('ename', '')}: {str(output.get('evalue', ''))[:500]}",
                cell=index,
                line=int(line.group(1)) if line else None,
                traceback=trace[:8000],
            )
    return None


def _error_in(reply: Any, index: int) -> Fault | None:
    if reply.get("status") in (None, "ok"):
        return None
    message = f"{reply.get('ename', 'error')}: {str(reply.get('evalue', ''))[:500]}"
    return Fault(kind=FaultKind.RAISED, message=message, cell=index)


def _text_of(cell: Any) -> str:
    texts = [str(output.get("text", "")) for output in cell.get("outputs", []) if output.output_type == "stream"]
    return _ANSI.sub("", "".join(texts))[:_TEXT_BYTES]


def _replace(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def main(argv: list[str]) -> None:
    """Drive the notebook of a spec, whatever becomes of it."""
    spec = Spec.read(Path(argv[0]))
    resource.setrlimit(resource.RLIMIT_DATA, (2048 * MIB, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    drive = Drive(spec)
    asyncio.run(drive.execute())
    drive.save()
    Path(spec.workspace, FINISHED).touch()
