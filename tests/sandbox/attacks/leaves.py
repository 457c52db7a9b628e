"""Leaves in its output folder what must not be taken for event files."""

import os
import socket

from common import answer, attempt, order

asked = order()
os.makedirs("logs/run")


def listen(path):
    socket.socket(socket.AF_UNIX).bind(path)


with open("logs/run/events.out.tfevents.1.plain", "w") as plain:
    plain.write("plain")
os.chdir("logs/run")
with open("original", "w") as original:
    original.write("original")
answered = {
    "link": attempt(os.symlink, asked["secret"], "events.out.tfevents.2.link"),
    "relative link": attempt(os.symlink, "original", "events.out.tfevents.3.link"),
    "second name": attempt(os.link, "original", "events.out.tfevents.4.second"),
    "pipe": attempt(os.mkfifo, "events.out.tfevents.5.pipe"),
    "socket": attempt(listen, "events.out.tfevents.6.socket"),
    "device": attempt(os.mknod, "events.out.tfevents.7.device", 0o20666, os.makedev(1, 5)),
    "folder": attempt(os.symlink, os.path.dirname(asked["secret"]), "../events.out.tfevents.8.folder"),
}
os.chdir("../..")
answer(made=answered)
