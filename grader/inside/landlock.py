"""Landlock: a process forbids itself, for good and for all that it starts, files beyond those that are named.

Numbers and flags are those of linux/landlock.h; no library has all of them. `abi` says what the kernel knows: 1 to 3
files, 4 TCP, 5 devices, 6 abstract sockets and signals to processes outside.
"""

import ctypes
import os
import stat
import struct

from rights import checked, libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on all machines
VERSION, PATH_BENEATH = 1, 1  # a flag of the first, a type of the second
(EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO,
 MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV) = (1 << bit for bit in range(16))  # fmt: skip
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ
    | WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE
)
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # what a rule for a single file may name
NAMES = {"list": READ_DIR, "read": READ, "write": WRITE, "device": READ_FILE | WRITE_FILE | TRUNCATE}
CONNECT_TCP, BIND_TCP = 2, 1
ABSTRACT_SOCKETS, SIGNALS = 1, 2


def abi():
    """The version of Landlock that the kernel has; 0 for none."""
    return max(0, libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


def known_rights(version):
    """What this version can forbid about files."""
    newer = (REFER if version < 2 else 0) | (TRUNCATE if version < 3 else 0) | (IOCTL_DEV if version < 5 else 0)
    return (1 << 16) - 1 & ~newer


def restrict(rules):
    """Forbid all that Landlock can, but for `rules`: pairs of a path and one of NAMES. A path that is not there is left out."""
    version = abi()
    files = known_rights(version)
    fields = [files, BIND_TCP | CONNECT_TCP, ABSTRACT_SOCKETS | SIGNALS][
        : 3 if version >= 6 else 2 if version >= 4 else 1
    ]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = checked(libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock")
    for path, name in rules:
        allow(ruleset, path, NAMES[name] & files)
    checked(libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def allow(ruleset, path, access):
    """One rule: `access` to a file, or to all below a folder."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        access &= ON_FILES
    checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", access, place), 0), f"landlock: {path}")
    os.close(place)
