"""The kernel that a notebook runs in: TensorFlow imported, data and course library in place, seeds fixed.

Started as a script: `kernel.py SETTINGS CONNECTION_FILE`. SETTINGS is a JSON file with `library` (folder of the course
library), `library_name`, `data` (an .npz with Keras's keys), `seed`, and `trace` (a file for what the course library
sees at work; see `observe.py`), `accelerated` (see `accelerate.py`) and `first` (how
much of the data sequences hold, or null; see `shorten.py`).
"""

import json
import os
import random
import subprocess
import sys
import types
from pathlib import Path

import accelerate
import course_library
import observe
import place_data
import shorten
import tensorflow as tf
import watch_training

# The kernel's own modules must come before a name that a notebook may shadow.
from ipykernel.kernelapp import IPKernelApp


def nothing_of_colab(name):
    """A function that does nothing; Python's own questions about a module (`__file__`, …) get no such answer."""
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *args, **kwargs: None


def place_colab():
    """`google.colab` and its Drive, doing nothing: notebooks that were written there go on here."""
    colab = types.ModuleType("google.colab")
    for name in ("drive", "files", "output", "auth"):
        part = types.ModuleType(f"google.colab.{name}")
        part.__getattr__ = nothing_of_colab
        setattr(colab, name, part)
        sys.modules[part.__name__] = part
    sys.modules[colab.__name__] = colab


def silence_tensorboard(shell):
    """`%load_ext tensorboard`, `%tensorboard` and Colab's `%tensorflow_version` do nothing."""
    import tensorboard
    from tensorboard import notebook

    def nothing(*args, **kwargs):
        return None

    for module in (tensorboard, notebook):
        module.load_ipython_extension = nothing
    notebook.start = notebook.display = notebook.list = nothing
    for name in ("tensorboard", "tensorflow_version"):
        shell.register_magic_function(lambda line, cell=None: None, "line_cell", name)


def place_commands(shell):
    """`!command` prints through a pipe where the sandbox gives no terminals, which IPython would use."""
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError:
        shell.system = lambda command: run_command(shell, shell.var_expand(command, depth=1))


def run_command(shell, command):
    with subprocess.Popen(
        ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout:
            print(line, end="")
    shell.user_ns["_exit_code"] = process.returncode


def fix_seeds(seed):
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    tf.random.set_seed(seed)


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    place_data.install(settings["data"])
    place_colab()
    app = IPKernelApp.instance()
    app.initialize(["-f", sys.argv[2], "--HistoryManager.enabled=False"])
    silence_tensorboard(app.shell)
    place_commands(app.shell)
    # Quicker first: it knows a class that somebody else has changed by its looks.
    prepare = [accelerate.install()] if settings["accelerated"] else []
    prepare.append(watch_training.install(app.shell))
    prepare.append(observe.install(app.shell, settings["trace"], lambda: fix_seeds(settings["seed"])))
    if settings["first"]:
        prepare.append(shorten.install(app.shell, settings["first"]))
    course_library.place(settings["library"], settings["library_name"], prepare)
    sys.argv = ["ipykernel_launcher"]
    sys.path[0] = ""
    os.environ.pop("JPY_PARENT_PID", None)
    app.start()


if __name__ == "__main__":
    main()
