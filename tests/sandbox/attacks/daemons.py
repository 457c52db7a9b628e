"""Starts processes of all kinds that want to outlive their run. Each holds a lock for as long as it lives."""

import fcntl
import os
import signal
import subprocess
import sys
import time

from common import answer, order


def stay(name):
    """Deaf to all signals, with a lock, for ever."""
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
    descriptor = os.open(name, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    open(name + ".ready", "w").close()
    while True:
        time.sleep(600)


def double_fork(name):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            stay(name)
        os._exit(0)
    os.wait()


def chain(depth):
    """Each starts the next and ends, so that the last has lost all its ancestors."""
    if depth == 0:
        stay("chain")
    os.setsid()
    if os.fork() == 0:
        chain(depth - 1)
    os._exit(0)


NAMES = ("daemon", "session", "chain")

if len(sys.argv) > 1:
    stay("session")
double_fork("daemon")
subprocess.Popen([sys.executable, __file__, "again"], start_new_session=True)
if os.fork() == 0:
    chain(5)
while not all(os.path.exists(name + ".ready") for name in NAMES):
    time.sleep(0.01)
answer(started=NAMES)
if order()["stays"]:
    time.sleep(600)
