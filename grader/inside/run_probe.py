"""Runs the probes on extracted definitions: loads each, asks it what the parent wants to know, writes what it answers.

Started as a script: `run_probe.py QUESTIONS ANSWERS`. QUESTIONS holds `order.json` (the probes' names) and one folder a
question with `definition.py`, `settings.json` and `arrays.npz`; the module `NAME.py` in the folder `probes` beside
QUESTIONS has `run(namespace, settings, arrays, answer)`. Each answer is complete on disk before the next question is read.
"""

import importlib
import json
import linecache
import os
import sys
import traceback
from pathlib import Path

import accelerate
import numpy as np
import place_data

DEFINITION = "<definition>"


class Answer:
    """Collects what one probe measured: arrays by name, faults by step, and a folder for event files."""

    def __init__(self, folder):
        self.folder = folder
        self.arrays = {}
        self.faults = {}

    def measure(self, step, function):
        """Call `function`; what it raises becomes the fault of `step` and does not stop the probe."""
        try:
            return function()
        except BaseException as error:
            self.faults[step] = fault_of(error)
            return None

    def put(self, name, value):
        self.arrays[name] = np.asarray(value)

    def logdir(self, name):
        return str(self.folder / "logs" / name)

    def close(self):
        np.savez(self.folder / "arrays.npz", **{k: v for k, v in self.arrays.items() if v.dtype != object})
        (self.folder / "faults.json").write_text(json.dumps(self.faults), encoding="utf-8", errors="backslashreplace")
        (self.folder / "done").touch()


def fault_of(error):
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == DEFINITION]
    return {
        "message": f"{type(error).__name__}: {error}"[:500],
        "line": frames[-1].lineno if frames else None,
        "traceback": "".join(traceback.format_exception(error))[-4000:],
    }


def load(folder, library):
    """The namespace that the definition lives in: the course library's names, then the student's own program."""
    namespace = {"__name__": "__main__", **{k: v for k, v in vars(library).items() if not k.startswith("__")}}
    source = (folder / "definition.py").read_text(encoding="utf-8")
    linecache.cache[DEFINITION] = len(source), None, source.splitlines(keepends=True), DEFINITION  # AutoGraph reads it
    exec(compile(source, DEFINITION, "exec"), namespace)
    return namespace


def ask(name, questions, answers, library):
    folder = questions / name
    settings = json.loads((folder / "settings.json").read_text())
    answer = Answer(answers / name)
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        arrays = dict(file)
    probe = importlib.import_module(settings["probe"])
    namespace = answer.measure("", lambda: load(folder, library))
    if namespace is not None:
        answer.measure("", lambda: probe.run(namespace, settings, arrays, answer))
    answer.close()


def main():
    questions, answers = Path(sys.argv[1]), Path(sys.argv[2])
    order = json.loads((questions / "order.json").read_text())
    sys.path[:0] = [str(questions), order["probes"], order["course"]]
    library = importlib.import_module(order["library"])
    place_data.install(order["data"])
    if order["accelerated"]:
        accelerate.install()(library)
    for name in order["names"]:
        (answers / name).mkdir()
        (answers / name / "started").touch()
        ask(name, questions, answers, library)
    os._exit(0)  # threads and exit handlers of the definitions have nothing left to say


if __name__ == "__main__":
    main()
