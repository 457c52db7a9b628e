"""Leaves messages wherever another box might find them, and stays."""

import ctypes
import os
import socket
import time

from common import answer, attempt, call, order

asked = order()


def write(folder):
    path = f"{folder}/{asked['token']}"
    with open(path, "w") as file:
        file.write("message")
    os.chmod(path, 0o666)


def listen():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0" + asked["token"])
    listener.listen()
    kept.append(listener)


def add_key():
    text = [ctypes.create_string_buffer(part) for part in (b"user", asked["token"].encode(), b"message")]
    call(asked["add_key"], *map(ctypes.addressof, text), 7, -4)  # the keyring of the user


kept = []
answer(
    pid=os.getpid(),
    user=os.getuid(),
    files={folder: attempt(write, folder) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")},
    abstract=attempt(listen),
    memory=attempt(call, asked["shmget"], asked["number"], 4096, 0o1666),
    queue=attempt(call, asked["msgget"], asked["number"], 0o1666),
    key=attempt(add_key),
)
time.sleep(600)
