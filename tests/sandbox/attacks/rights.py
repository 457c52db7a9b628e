"""Looks for rights, and for a way to more."""

import ctypes
import os
import shutil
import subprocess

from common import answer, libc

PR_GET_NO_NEW_PRIVS, F_GETFD = 39, 1


def capabilities():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    return list(data)


def succeeds(*command):
    program = shutil.which(command[0], path="/usr/bin:/bin:/usr/sbin:/sbin")
    if program is None:
        return False
    done = subprocess.run([program, *command[1:]], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


shutil.copyfile("/bin/sh", "own-sh")
os.chmod("own-sh", 0o6755)
answer(
    user=os.getuid(),
    groups=os.getgroups(),
    capabilities=capabilities(),
    no_new_privs=libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    descriptors=[number for number in range(3, 1024) if libc.fcntl(number, F_GETFD) >= 0],
    su=succeeds("su", "-c", "true"),
    mount=succeeds("mount", "-t", "tmpfs", "none", "/tmp"),
    unshare=succeeds("unshare", "-Ur", "true"),
    true=succeeds("true"),
)
