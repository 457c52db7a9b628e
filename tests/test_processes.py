"""The server that forks processes: what happens to it when those that ask for one come and go."""

from __future__ import annotations

import subprocess
import sys

LEAVES = """
import os, socket
from multiprocessing import forkserver
from grader.processes import FORKED

if __name__ == "__main__":
    forkserver.ensure_running()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(forkserver._forkserver._forkserver_address)
    os.waitid(os.P_PID, forkserver._forkserver._forkserver_pid, os.WEXITED | os.WNOWAIT)  # it has ended over that
    process = FORKED.Process(target=print, args=("forked",))
    process.start()
    process.join()
"""


def test_the_server_is_silent_about_whoever_leaves_before_it_has_a_process_and_another_one_starts() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("forked\n", "", 0)


MISSED = """
import os, signal, threading, time
from concurrent.futures import Future
from grader.processes import as_they_end

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in what runs in its background
asleep = threading.Thread(target=time.sleep, args=(100,), daemon=True)
asleep.start()
threading.Timer(0.5, lambda: signal.pthread_kill(asleep.ident, signal.SIGINT)).start()
try:
    list(as_they_end([Future()]))
except KeyboardInterrupt:
    print("seen", flush=True)
"""


def test_a_signal_that_woke_nobody_ends_a_wait_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", MISSED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "seen\n"
