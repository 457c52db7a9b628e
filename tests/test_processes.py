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
