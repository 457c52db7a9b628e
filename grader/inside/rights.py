"""Giving up rights for good: what a process does to itself before it becomes a student's program."""

import ctypes
import os
import signal
import struct

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SECCOMP_MODE_FILTER = 2
CAPABILITIES = 64  # more than any kernel knows
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    """The result of a call of libc, unless it failed."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def drop_rights(user):
    """No user of the host, no capability, and no way back to either."""
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    checked(libc.capset(header, struct.pack("6I", 0, 0, 0, 0, 0, 0)), "capset")
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    checked(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")
    checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def refuse_calls(program):
    """Let the kernel refuse system calls from now on. `program` is an array of `struct sock_filter` in hexadecimal digits;
    None where there is none for this machine."""
    if program is None:
        return
    steps = ctypes.create_string_buffer(bytes.fromhex(program))
    header = struct.pack("HxxxxxxQ", (len(steps) - 1) // 8, ctypes.addressof(steps))
    checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0), "seccomp")
