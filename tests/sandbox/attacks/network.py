"""Reaches for listeners that are there."""

import os
import socket

from common import answer, attempt, order

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def connect(family, kind, address):
    with socket.socket(family, kind) as own:
        own.settimeout(5)
        own.connect(address)
        own.send(b"x")


def send_to(family, address):
    with socket.socket(family, UDP) as own:
        own.sendto(b"x", address)


def send_message(family, address):
    with socket.socket(family, UDP) as own:
        own.sendmsg([b"x"], [], 0, address)


def open_socket(family):
    socket.socket(family, TCP if family != 17 else socket.SOCK_RAW).close()


asked = order()
tcp, udp = ("127.0.0.1", asked["tcp"]), ("127.0.0.1", asked["udp"])
answer(
    reached={
        "tcp": attempt(connect, socket.AF_INET, TCP, tcp),
        "udp": attempt(connect, socket.AF_INET, UDP, udp),
        "udp without connecting": attempt(send_to, socket.AF_INET, udp),
        "udp as a message": attempt(send_message, socket.AF_INET, udp),
        "a path": attempt(connect, socket.AF_UNIX, TCP, asked["path"]),
        "an abstract name": attempt(connect, socket.AF_UNIX, TCP, "\0" + asked["abstract"]),
    },
    families={family: attempt(open_socket, family) for family in (17, 31, 38, 40)},  # packet, bluetooth, alg, vsock
    pair=attempt(socket.socketpair),
    terminals=attempt(os.open, "/dev/tty", os.O_RDWR),
)
