"""What an attack might reach on this machine, set up so that it would be noticed: secrets, listeners, a sibling."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Host:
    """`filled` are the placeholders of attacks; `heard` holds the name of every listener that something reached."""

    filled: Mapping[str, str]
    heard: list[str] = field(default_factory=list)


@contextmanager
def exposed(out: Path) -> Iterator[Host]:
    """A host with a token in its environment and its files, and listeners of all kinds. `out` is where results go."""
    token = secrets.token_hex(16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secrets-")))
        folder.chmod(0o755)
        (folder / "canary").write_text(token)
        (folder / "canary").chmod(0o644)  # whoever sees it may read it
        os.environ["HOST_TOKEN"] = token
        stack.callback(os.environ.pop, "HOST_TOKEN")
        host = Host({})
        listeners = _listeners(folder, token)
        for name, listener in listeners.items():
            stack.enter_context(listener)
            threading.Thread(target=_hear, args=(name, listener, host.heard), daemon=True).start()
        yield Host(
            {
                "TOKEN": token,
                "HALF1": token[:16],
                "HALF2": token[16:],
                "CANARY": str(folder / "canary"),
                "OUT": str(out),
                "TCP": str(listeners["tcp"].getsockname()[1]),
                "UDP": str(listeners["udp"].getsockname()[1]),
                "UNIX": str(folder / "socket"),
                "ABSTRACT": token,
            },
            host.heard,
        )


def _listeners(folder: Path, token: str) -> dict[str, socket.socket]:
    made = {
        "tcp": socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "abstract": socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    }
    made["tcp"].bind(("127.0.0.1", 0))
    made["udp"].bind(("127.0.0.1", 0))
    made["unix"].bind(str(folder / "socket"))
    (folder / "socket").chmod(0o777)
    made["abstract"].bind(f"\0{token}")
    for name in ("tcp", "unix", "abstract"):
        made[name].listen()
    return made


def _hear(name: str, listener: socket.socket, heard: list[str]) -> None:
    """Note whoever calls, and answer."""
    while True:
        try:
            if listener.type == socket.SOCK_DGRAM:
                _, caller = listener.recvfrom(100)
                listener.sendto(b"heard", caller)
            else:
                with listener.accept()[0] as connection:
                    connection.settimeout(1)
                    connection.sendall(b"heard")
            heard.append(name)
        except OSError:
            if listener.fileno() == -1:
                return


def reach(host: Host) -> None:
    """Call every listener as an attack does: the positive control."""
    addresses = (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(host.filled["TCP"]))),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(host.filled["UDP"]))),
        (socket.AF_UNIX, socket.SOCK_STREAM, host.filled["UNIX"]),
        (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{host.filled['ABSTRACT']}"),
    )
    for family, kind, address in addresses:
        with socket.socket(family, kind) as one:
            one.settimeout(5)
            one.connect(address)
            if kind == socket.SOCK_DGRAM:
                one.send(b"x")
            one.recv(10)
