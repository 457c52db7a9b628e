"""Attacks: what hostile notebooks do, one file each in `attacks/`, with the verdict that each must get.

    about = "Looks for the solution."
    cells = ['''...''']      # sources, in order; @CANARY@ and the like are filled in (`Host`)
    ends = "ok"              # how the last of these cells ends: ok, raised, timed_out or died; left out where it may vary
    says = "[]"              # all that these cells print; left out where it may vary
    message = "memory"       # a text that stands in the fault of the last cell

`worked(name=action, …)` prints the names of the actions that did not fail: of what is forbidden, none may.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent / "attacks"

TOOLS = """
import contextlib, ctypes, json, os, signal, socket, subprocess, sys, threading, time


def worked(**actions):
    found = []
    for name, action in actions.items():
        try:
            if action() is not False:
                found.append(name)
        except BaseException:
            pass
    print(found)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`ends`, `says` and `message` are None where they may vary."""

    name: str
    about: str
    cells: tuple[str, ...]
    ends: str | None = None
    says: str | None = None
    message: str | None = None

    def notebook(self, filled: Mapping[str, str]) -> str:
        """The notebook's text: tools, the attack with placeholders filled in, and a cell that says that it was reached."""
        sources = [TOOLS, *(_filled(cell, filled) for cell in self.cells), "print('reached')"]
        cells = [nbformat.v4.new_code_cell(source.strip(), id=f"c{n}") for n, source in enumerate(sources)]
        return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))


def _filled(text: str, filled: Mapping[str, str]) -> str:
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    return text


def load(path: Path) -> Attack:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    return Attack(name=path.stem, **{**raw, "cells": tuple(raw["cells"])})


ALL = {path.stem: load(path) for path in sorted(FOLDER.glob("*.toml"))}
