"""What the attacks share: they try, and write down what happened. Nothing here knows what must happen."""

import ctypes
import errno
import json
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def attempt(function, *arguments):
    """ "done", or the name of the error."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"


def call(number, *arguments):
    """A system call. Raises OSError."""
    padded = [ctypes.c_long(value) for value in (*arguments, *[0] * (6 - len(arguments)))]
    result = libc.syscall(ctypes.c_long(number), *padded)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def order():
    return json.loads(Path("order.json").read_text())


def answer(**answers):
    Path("answers.tmp").write_text(json.dumps(answers))
    Path("answers.tmp").rename("answers.json")
