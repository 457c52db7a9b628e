"""Starts one program that confines itself, and looks after it: where no namespace holds what it starts, every process
that loses its parent becomes a child of this one, and is killed in the end.

Started outside the confinement as `attendant.py DESCRIPTOR`, which holds a JSON object that says what to start and what it
may touch. It ends when the program ends or when its standard input is closed (with the grader at the latest), and only
when nothing is left that could still write.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys

from landlock import restrict
from rights import checked, drop_rights, libc, refuse_calls

PR_SET_CHILD_SUBREAPER = 36
OF_ITSELF = ("cmdline", "maps", "stat", "statm", "status")


def main():
    with os.fdopen(int(sys.argv[1])) as file:
        request = json.load(file)
    look_after(lambda: become(request), 0)


def look_after(program, wanted):
    """Run `program` in a process of its own until it ends, or until the descriptor `wanted` is closed at its other end.
    Whatever it started is gone then. `program` must confine itself and never return."""
    checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    waking = wake_on_children()
    child, kept = start(program)
    attend(child, waking, wanted)
    kill_all()
    for descriptor in kept:
        os.close(descriptor)


def start(program):
    """The program's process, and descriptors of what it may read about itself: TensorFlow ends without. A rule holds for
    an entry of /proc only as long as the kernel does not forget the entry, so they are kept open."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ready, 1)
        program()
    kept = [os.open(f"/proc/{child}/{name}", os.O_PATH) for name in OF_ITSELF]
    os.write(go, b"\n")
    return child, kept


def wake_on_children():
    """A descriptor that can be read from when a child has ended."""
    waking, signalled = os.pipe()
    os.set_blocking(signalled, False)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return waking


def attend(child, waking, wanted):
    """Wait until the child has ended or nobody wants it any more. Orphans are reaped meanwhile: a dead process counts
    against the limit as long as nobody has asked for it."""
    while wanted not in select.select([wanted, waking], [], [])[0]:
        os.read(waking, 4096)
        if child in reap(os.WNOHANG):
            return


def reap(options):
    """The children that have ended."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, options)[0]) != 0:
            ended.append(pid)
    return ended


def kill_all():
    """Until there is no child: what a killed process had started becomes one, and is killed in the next round."""
    while True:
        for pid in below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
            reap(os.WNOHANG)
        except ChildProcessError:
            return


def below(pid):
    """All descendants of a process, oldest first."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from below(child)


def become(request):
    """Turn into the program, with nothing but what the request names. Never returns."""
    try:
        stand_alone(1)
        confine(request)
        os.execve(request["argv"][0], request["argv"], request["environment"])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"The program could not be started: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(126)


def stand_alone(output):
    """A session of one's own, no input, both outputs in one place, and no other descriptor."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    nothing = os.open("/dev/null", os.O_RDWR)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def confine(request):
    """Give up, for good, all that the request does not name."""
    drop_rights(request["user"])
    for name, value in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.umask(0o022)
    os.chdir(request["directory"])  # noqa: TID251 - a process of its own
    os.makedirs(request["environment"]["TMPDIR"], exist_ok=True)
    restrict([*request["rules"], *([f"/proc/{os.getpid()}/{name}", "read"] for name in OF_ITSELF)])
    refuse_calls(request["filter"])


if __name__ == "__main__":
    main()
