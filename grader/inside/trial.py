"""Tries what a sandbox must not allow, and what it must, and writes down what happened. It judges nothing.

Started as a script: `trial.py ORDER ANSWERS`. ORDER is a JSON file: `secret` (a file outside), `port` (of a listener on
127.0.0.1), `most_processes`, `memory` (bytes, too many and few), and `calls` (system calls: a number and arguments each).
Each answer is "done" or the name of an error number.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time

PR_GET_SECCOMP = 21
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def attempt(function, *arguments):
    """Whether it was done, or which error it met."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"


def append(path):
    with open(path, "a") as file:
        file.write("x")


def connect(port):
    socket.create_connection(("127.0.0.1", port), 5).close()


def wait_for_caller(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()


def allocate(size):
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def call(number, arguments):
    padded = [ctypes.c_long(value) for value in (*arguments, *[0] * (6 - len(arguments)))]
    if libc.syscall(ctypes.c_long(number), *padded) < 0:
        raise OSError(ctypes.get_errno(), "")


def start_processes(most):
    """How many processes could be started, and what stopped that; all are ended again."""
    waiting, ending = os.pipe()
    children, stopped = [], "done"
    while len(children) < most and stopped == "done":
        stopped = attempt(lambda: children.append(os.fork()))
        if children and children[-1] == 0:
            os.close(ending)
            os.read(waiting, 1)
            os._exit(0)
    os.close(ending)
    for child in children:
        os.waitpid(child, 0)
    os.close(waiting)
    return [len(children), stopped]


def start_daemon(path):
    """A process that nobody waits for, deaf to signals, holds a lock on `path` for as long as it lives."""
    ready, say = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            fcntl.flock(os.open(path, os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)
            os.write(say, b"\n")
            time.sleep(60)  # should it not be ended
        os._exit(0)
    os.wait()
    os.read(ready, 1)


def effective_capabilities():
    header, data = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    return data[0] | data[3] << 32


def environments():
    """The names in every environment that can be read."""
    names = set(os.environ)
    with contextlib.suppress(OSError):
        for process in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{process}/environ", "rb") as file:
                names |= {os.fsdecode(entry.split(b"=")[0]) for entry in file.read().split(b"\0") if entry}
    return sorted(names)


def main():
    with open(sys.argv[1]) as file:
        order = json.load(file)
    secret, (too_much, little) = order["secret"], order["memory"]
    answers = {
        "read": attempt(open, secret),
        "list": attempt(os.listdir, os.path.dirname(secret)),
        "write": attempt(append, secret),
        "connect": attempt(connect, order["port"]),
        "environment": environments(),
        "capabilities": effective_capabilities(),
        "filtered": libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0),
        "too much memory": attempt(allocate, too_much),
        "processes": start_processes(order["most_processes"]),
        "calls": {name: attempt(call, number, arguments) for name, (number, *arguments) in order["calls"].items()},
        "allowed": {
            "memory": attempt(allocate, little),
            "home": attempt(append, "home"),
            "program": attempt(subprocess.run, ["/bin/true"]),
            "thread": attempt(threading.Thread(target=time.sleep, args=(0,)).start),
            "socket pair": attempt(socket.socketpair),
            "kernel's socket": attempt(wait_for_caller, "s"),
        },
        "daemon": attempt(start_daemon, "daemon"),
    }
    with open(sys.argv[2], "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()
