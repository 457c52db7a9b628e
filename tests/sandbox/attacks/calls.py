"""Makes the system calls of a table, and a few with arguments of their own."""

import ctypes
import fcntl
import mmap
import os
import platform
import signal
import socket
import threading

from common import answer, attempt, call, order

CLONE_NEWUSER, TIOCSTI, TIOCLINUX = 0x10000000, 0x5412, 0x541C
GETPID_BY_INT_80 = bytes.fromhex("b814000000cd80c3")  # mov eax, 20; int 0x80; ret


def make_a_32_bit_call():
    """The signal that ends a process which makes one; 0 when it lives on."""
    child = os.fork()
    if child == 0:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(GETPID_BY_INT_80)
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def set_own_affinity():
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def start_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


asked = order()
answer(
    table={name: attempt(call, number, *[-1] * 6) for name, number in asked["table"].items()},
    newer=attempt(call, 463, 0),
    x32=attempt(call, 0x40000000 | 39),
    new_user=attempt(call, asked["clone"], CLONE_NEWUSER | signal.SIGCHLD),
    typing=[attempt(fcntl.ioctl, 0, request, b"x") for request in (TIOCSTI, TIOCLINUX)],
    foreign=make_a_32_bit_call() if platform.machine() == "x86_64" else None,
    allowed=[attempt(step) for step in (os.getpid, socket.socketpair, start_thread, set_own_affinity)],
)
