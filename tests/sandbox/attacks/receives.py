"""Looks for the messages of another box, and tries to stop it."""

import ctypes
import os
import resource
import signal
import socket

from common import answer, attempt, call, order

asked = order()


def connect():
    with socket.socket(socket.AF_UNIX) as own:
        own.connect("\0" + asked["token"])


def find_key():
    text = [ctypes.create_string_buffer(part) for part in (b"user", asked["token"].encode())]
    call(asked["request_key"], *map(ctypes.addressof, text), 0, -4)


def limit(pid):
    resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))


answered = {
    "files": {path: attempt(open, path) for path in asked["paths"]},
    "abstract": attempt(connect),
    "memory": attempt(call, asked["shmget"], asked["number"], 4096, 0),
    "queue": attempt(call, asked["msgget"], asked["number"], 0),
    "key": attempt(find_key),
    "signals": {pid: attempt(os.kill, pid, signal.SIGKILL) for pid in asked["pids"]},
    "limits": {pid: attempt(limit, pid) for pid in asked["pids"]},
    "priorities": {pid: attempt(os.setpriority, os.PRIO_PROCESS, pid, 19) for pid in asked["pids"]},
}
answer(**answered)
for pid in range(2, 40):
    attempt(os.kill, pid, 0)
os.kill(-1, signal.SIGKILL)
