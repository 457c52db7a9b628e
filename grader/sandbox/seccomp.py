"""System calls that no student's program needs, refused by the kernel: a deny-list in the manner of flatpak and isolate,
as a program of classic BPF (see the kernel's Documentation/userspace-api/seccomp_filter.rst).

A namespace hides objects; the filter takes away the code that reaches past namespaces, and most of what kernel bugs were
found in. `program` makes the filter for a box with namespaces of its own; with `shared`, for one that shares network,
processes and users with the host, where it must also keep programs from connecting and from touching what belongs to
the same user.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType

# Numbers on x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h). From 424 on all machines have the same numbers.
_NUMBERS: Mapping[str, tuple[int | None, int | None]] = MappingProxyType(
    {
        # looking into and steering other processes
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "process_madvise": (440, 440),
        "kcmp": (312, 272),
        "pidfd_getfd": (438, 438),
        "move_pages": (279, 239),
        "migrate_pages": (256, 238),
        # other views of the file system, files by handle
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_by_handle_at": (304, 265),
        "name_to_handle_at": (303, 264),
        "fanotify_init": (300, 262),
        "quotactl": (179, 60),
        "lookup_dcookie": (212, 18),
        "nfsservctl": (180, 42),
        # namespaces, and what no namespace holds: keyrings
        "unshare": (272, 97),
        "setns": (308, 268),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        # memory and queues that outlive a process and escape its limits
        "shmget": (29, 194),
        "msgget": (68, 186),
        "semget": (64, 190),
        "mq_open": (240, 180),
        # large and fragile parts of the kernel
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "personality": (135, 92),
        "modify_ldt": (154, None),
        # running the machine
        "syslog": (103, 116),
        "acct": (163, 89),
        "swapon": (167, 224),
        "swapoff": (168, 225),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "reboot": (169, 142),
        "settimeofday": (164, 170),
        "clock_settime": (227, 112),
        "adjtimex": (159, 171),
        "clock_adjtime": (305, 266),
        "sethostname": (170, 161),
        "setdomainname": (171, 162),
        "vhangup": (153, 58),
        "iopl": (172, None),
        "ioperm": (173, None),
        # as if the kernel did not have them: libraries then do without
        "clone3": (435, 435),  # its flags lie in memory, where a filter cannot look
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        "quotactl_fd": (443, 443),
        "statmount": (457, 457),
        "listmount": (458, 458),
        # looked at with their arguments
        "clone": (56, 220),
        "ioctl": (16, 29),
        "socket": (41, 198),
        "sendto": (44, 206),
        # shared: reaching others by sockets
        "connect": (42, 203),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
        # shared: owners and attributes of files that belong to the same user. Landlock does not guard these
        "chown": (92, None),
        "lchown": (94, None),
        "fchown": (93, 55),
        "fchownat": (260, 54),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        # shared: modes and times likewise
        "chmod": (90, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "fchmodat2": (452, 452),
        "utime": (132, None),
        "utimes": (235, None),
        "utimensat": (280, 88),
        "futimesat": (261, None),
        # shared: priorities and limits of processes that belong to the same user
        "setpriority": (141, 140),
        "ioprio_set": (251, 30),
        "sched_setaffinity": (203, 122),
        "sched_setscheduler": (144, 119),
        "sched_setparam": (142, 118),
        "sched_setattr": (314, 274),
        "prlimit64": (302, 261),
    }
)
_NAMES = tuple(_NUMBERS)


def _span(first: str, last: str) -> tuple[str, ...]:
    return _NAMES[_NAMES.index(first) : _NAMES.index(last) + 1]


REFUSED = _span("ptrace", "ioperm")  # EPERM
UNKNOWN = _span("clone3", "listmount")  # ENOSYS
REFUSED_SHARED = (*_span("connect", "fremovexattr"), "setpriority", "ioprio_set")  # EPERM
# Honest programs copy a file with its mode and go on; that the mode is not copied does not matter to them.
IGNORED_SHARED = _span("chmod", "futimesat")  # 0, and nothing is done
# Unless the first argument is 0, the caller itself. libzmq ends the process when its thread may not set its own schedule.
IGNORED_UNLESS_OWN = _span("sched_setaffinity", "sched_setattr")  # 0, and nothing is done
REFUSED_UNLESS_OWN = ("prlimit64",)  # EPERM
_NEWER = 463  # calls from here on are not in the list: as if the kernel did not have them

_COLUMNS = {"x86_64": 0, "aarch64": 1}
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000  # linux/seccomp.h
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_NEW_NAMESPACES = 0x7E020000  # all CLONE_NEW* flags of clone(2)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into a terminal in its owner's name
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16

Step = tuple[int, int, int, int]  # code, steps to jump when true, when false, operand


def program(*, shared: bool) -> bytes | None:
    """The filter for this machine, as the bytes of an array of `struct sock_filter`; None for a machine whose numbers
    are not known here."""
    return assemble(platform.machine(), shared=shared)


def numbers(machine: str) -> dict[str, int]:
    """The calls that the list knows by name and that `machine` has."""
    column = _COLUMNS[machine]
    return {name: number for name, both in _NUMBERS.items() if (number := both[column]) is not None}


def assemble(machine: str, *, shared: bool) -> bytes | None:
    """`program` for a machine by its name in `uname -m`."""
    if machine not in _COLUMNS:
        return None
    number = numbers(machine)
    steps = [
        *_foreign(_AUDIT[machine]),
        _load(_NUMBER),
        (_AT_LEAST, 0, 1, _NEWER),  # the x32 calls of x86_64 too: they have bit 30 set
        _fail(errno.ENOSYS),
        *_answer(number, REFUSED, errno.EPERM),
        *_answer(number, UNKNOWN, errno.ENOSYS),
        *_when(number["clone"], _argument_has(0, _NEW_NAMESPACES, errno.EPERM)),
        *_when(number["ioctl"], _argument_is(1, (_TIOCSTI, _TIOCLINUX), errno.EPERM)),
        *(_shared(number) if shared else _families(number, (_UNIX, _INET, _INET6, _NETLINK), errno.EAFNOSUPPORT)),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _shared(number: Mapping[str, int]) -> list[Step]:
    steps = [
        *_answer(number, REFUSED_SHARED, errno.EPERM),
        *_answer(number, IGNORED_SHARED, 0),
        *_when(number["sendto"], _argument_is_set(4, errno.EPERM)),
        # libzmq ends the process when getifaddrs fails with anything but this one
        *_families(number, (_UNIX,), errno.EOPNOTSUPP),
    ]
    for names, error in ((IGNORED_UNLESS_OWN, 0), (REFUSED_UNLESS_OWN, errno.EPERM)):
        for name in names:
            steps += _when(number[name], _argument_is_set(0, error))
    return steps


def _load(offset: int) -> Step:
    return (_LOAD, 0, 0, offset)


def _fail(error: int) -> Step:
    return (_RETURN, 0, 0, _ERROR | error)


def _low(argument: int) -> Step:
    """The lower half of an argument: both machines are little-endian."""
    return _load(_ARGUMENTS + 8 * argument)


def _foreign(architecture: int) -> list[Step]:
    """The end of a program that calls by the numbers of another machine, as 32-bit calls do."""
    return [_load(_ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]


def _answer(number: Mapping[str, int], names: Iterable[str], error: int) -> list[Step]:
    return [step for name in names if name in number for step in ((_EQUAL, 0, 1, number[name]), _fail(error))]


def _when(call: int, body: list[Step]) -> list[Step]:
    """`body` for one call, which it may spoil the loaded number for."""
    return [(_EQUAL, 0, len(body) + 1, call), *body, _load(_NUMBER)]


def _argument_has(argument: int, bits: int, error: int) -> list[Step]:
    return [_low(argument), (_ANY_BIT, 0, 1, bits), _fail(error)]


def _argument_is(argument: int, values: tuple[int, int], error: int) -> list[Step]:
    return [_low(argument), (_EQUAL, 1, 0, values[0]), (_EQUAL, 0, 1, values[1]), _fail(error)]


def _argument_is_set(argument: int, error: int) -> list[Step]:
    """Not zero, in either half."""
    upper = _load(_ARGUMENTS + 8 * argument + 4)
    return [_low(argument), (_EQUAL, 0, 2, 0), upper, (_EQUAL, 1, 0, 0), _fail(error)]


def _families(number: Mapping[str, int], allowed: tuple[int, ...], error: int) -> list[Step]:
    """Sockets of these families alone. Virtual machines have AF_VSOCK, which no network namespace hides."""
    tests = [(_EQUAL, len(allowed) - place, 0, family) for place, family in enumerate(allowed)]
    return _when(number["socket"], [_low(0), *tests, _fail(error)])
