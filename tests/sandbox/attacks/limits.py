"""Takes as much as it can get."""

import mmap
import os
import resource

from common import answer, attempt, order

MIB = 1 << 20


def take_private(size):
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def write_file(size):
    with open("large", "wb") as file:
        for _ in range(size // MIB):
            file.write(bytes(MIB))
            file.flush()


def fork_until_it_fails(most):
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
    return len(children), stopped


asked = order()
answer(
    forks=fork_until_it_fails(asked["processes"] * 3),
    memory=attempt(take_private, asked["memory_mib"] * MIB),
    file=attempt(write_file, (asked["file_mib"] + 1) * MIB),
    cpu_seconds=resource.getrlimit(resource.RLIMIT_CPU)[0],
    core=resource.getrlimit(resource.RLIMIT_CORE)[0],
)
