"""The warm worker: has imported TensorFlow and run nothing, and forks itself for every kernel and every probe.

Started outside the boxes as `warm.py DESCRIPTOR` with a listening socket (sequential packets, in a folder that no box
sees). A request is a JSON object with two descriptors: where output goes, and a pidfd of the first process of a box that
stands ready. It serves until its standard input is closed. The fork joins that box's namespaces, closes every
descriptor, gives up every right, takes the box's filter of system calls (which a namespace does not hand on), and only
then becomes the program that was asked for: it sees what a process started in the box would see. What it leaves behind is
killed with the box. Without a box, the fork confines itself and is looked after by its parent (see `attendant.py`), for as
long as the connection lasts. The worker itself never runs a TensorFlow operation, nor a line of a student's code.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import traceback

from attendant import confine, look_after, stand_alone
from rights import checked, drop_rights, libc, refuse_calls

NAMESPACES = {
    "user": 0x10000000,
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
}


def main():
    """Import what takes long, then serve until the grader is gone."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()  # nearly all that is made now stays
    for name in ("kernel", "run_probe", "ipykernel.ipkernel", "ipykernel.debugger", "keras.src.datasets.mnist"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        serve(listener.accept()[0], listener)


def serve(connection, listener):
    """Answer one request with the number of the process that attends to it; the connection closes when all is over. Who
    asked may be gone by now, and the system may have no process to give: the next request is served all the same."""
    descriptors = []
    with connection, contextlib.suppress(OSError):
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 17, 2)
        if descriptors:
            child = os.fork()
            if child == 0:
                listener.close()
                attend(json.loads(message), connection, *descriptors)
            connection.send(str(child).encode())
    for descriptor in descriptors:
        os.close(descriptor)


def attend(request, connection, output, box=None):
    """One process: in the box if there is one, else confined by itself and looked after. Never returns."""
    if box is not None:
        enter(request, box, output)
    try:
        look_after(lambda: become(request, output), connection.fileno())
    finally:
        os._exit(0)


def enter(request, box, output):
    """Put one process into a box, wait for it, and end the box with it. Never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        checked(libc.setns(box, differing(request["pid"])), "setns")
        for name, value in request["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        child = os.fork()
        if child == 0:
            become(request, output)
        os.waitpid(child, 0)
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(output, traceback.format_exc().encode()[-8000:])
    finally:
        end(box)


def end(box):
    """Kill the first process of a box, wait until it is gone, and be gone too. Never returns."""
    try:
        with contextlib.suppress(ProcessLookupError):  # it may have met a limit
            signal.pidfd_send_signal(box, signal.SIGKILL)
        select.select([box], [], [])
    finally:
        os._exit(0)


def differing(pid):
    """The kinds of namespaces in which the process `pid` lives apart from us."""
    apart = [
        kind for kind in NAMESPACES if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    ]
    return sum(NAMESPACES[kind] for kind in apart)


def become(request, output):
    """Turn into the program, with nothing but what the request names. Never returns."""
    try:
        stand_alone(output)
        if "rules" in request:
            confine(request)
        else:
            drop_rights(request["user"])
            os.umask(0o022)
            os.chdir(request["directory"])  # noqa: TID251 - a process of its own
            refuse_calls(request["filter"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None
        sys.argv = [request["program"], *request["arguments"]]
        importlib.import_module(request["program"]).main()
        os._exit(0)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
