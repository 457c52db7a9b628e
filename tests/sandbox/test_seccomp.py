"""The filter, step by step, for machines that the tests do not run on as well. What it does in a box, every tier's tests see."""

from __future__ import annotations

import errno
import struct

import pytest

from grader.sandbox import seccomp

ALLOWED, KILLED = "allowed", "killed"
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}
UNIX, INET, NETLINK, VSOCK = 1, 2, 16, 40
MACHINES = ("x86_64", "aarch64")


def answer(machine: str, number: int, *arguments: int, shared: bool = False, architecture: str = "") -> str | int:
    """What the filter answers to one call: an error number, or one of the above."""
    padded = [value % 2**64 for value in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, AUDIT[architecture or machine], 0, *padded)
    program = seccomp.assemble(machine, shared=shared)
    assert program is not None
    return meaning(interpret([struct.unpack("=HBBI", program[at : at + 8]) for at in range(0, len(program), 8)], data))


def interpret(steps: list[tuple[int, ...]], data: bytes) -> int:
    """Classic BPF, as far as the filter uses it."""
    place, loaded = 0, 0
    while True:
        code, if_true, if_false, operand = steps[place]
        if code == 0x06:
            return operand
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[code]
            place += if_true if holds else if_false
        place += 1


def meaning(value: int) -> str | int:
    if value & 0xFFFF0000 == 0x00050000:
        return value & 0xFFFF
    return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}[value]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_list_gets_its_answer(machine: str, shared: bool) -> None:
    number = seccomp.numbers(machine)
    expected = dict.fromkeys(seccomp.REFUSED, errno.EPERM) | dict.fromkeys(seccomp.UNKNOWN, errno.ENOSYS)
    if shared:
        expected |= dict.fromkeys(seccomp.REFUSED_SHARED, errno.EPERM) | dict.fromkeys(seccomp.IGNORED_SHARED, 0)
    found = {name: answer(machine, number[name], shared=shared) for name in expected if name in number}
    assert found == {name: expected[name] for name in found}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_box_with_namespaces_of_its_own_may_use_them(machine: str) -> None:
    number = seccomp.numbers(machine)
    for name in (*seccomp.REFUSED_SHARED, *seccomp.IGNORED_SHARED, *seccomp.REFUSED_UNLESS_OWN, "sendto"):
        assert name not in number or answer(machine, number[name], 1, 1, 1, 1, 1) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_are_looked_at_with_their_arguments(machine: str) -> None:
    number = seccomp.numbers(machine)
    assert answer(machine, number["clone"], 0x003D0F00) == ALLOWED  # a thread
    assert answer(machine, number["clone"], 0x10000000 | 17) == errno.EPERM  # a user namespace
    assert answer(machine, number["ioctl"], 0, 0x5412) == errno.EPERM  # TIOCSTI
    assert answer(machine, number["ioctl"], 0, 1 << 32 | 0x5412) == errno.EPERM  # the kernel looks at 32 bits
    assert answer(machine, number["ioctl"], 0, 0x5413) == ALLOWED
    assert [answer(machine, number["socket"], family) for family in (UNIX, INET, NETLINK)] == [ALLOWED] * 3
    assert answer(machine, number["socket"], VSOCK) == errno.EAFNOSUPPORT


@pytest.mark.parametrize("machine", MACHINES)
def test_what_shares_the_network_and_the_user_reaches_neither(machine: str) -> None:
    number = seccomp.numbers(machine)
    families = [answer(machine, number["socket"], family, shared=True) for family in (UNIX, INET, NETLINK, VSOCK)]
    assert families == [ALLOWED, *[errno.EOPNOTSUPP] * 3]
    for address, expected in ((0, ALLOWED), (4096, errno.EPERM), (1 << 40, errno.EPERM)):
        assert answer(machine, number["sendto"], 3, 4096, 1, 0, address, 16, shared=True) == expected
    for process, expected in ((0, ALLOWED), (1234, errno.EPERM)):
        assert answer(machine, number["prlimit64"], process, 0, 4096, shared=True) == expected
    for process, expected in ((0, ALLOWED), (1234, 0)):
        assert answer(machine, number["sched_setaffinity"], process, shared=True) == expected


@pytest.mark.parametrize(("machine", "other"), [("x86_64", "i386"), ("aarch64", "arm"), ("x86_64", "aarch64")])
def test_calls_by_the_numbers_of_another_machine_end_the_program(machine: str, other: str) -> None:
    assert answer(machine, 20, architecture=other) == KILLED


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_newer_than_the_list_do_not_exist(machine: str) -> None:
    assert answer(machine, 463) == answer(machine, 0x40000000 | 39) == errno.ENOSYS
    assert answer(machine, 462) == ALLOWED


def test_there_is_no_filter_for_a_machine_whose_numbers_are_not_known() -> None:
    assert seccomp.assemble("riscv64", shared=True) is None
