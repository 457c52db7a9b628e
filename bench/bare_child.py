"""Executes one notebook with nbclient and nothing else: `python -m bench.bare_child NOTEBOOK`."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main(path: Path) -> None:
    """Execute the notebook in its own folder. An error in a cell is an error of this process."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}).execute()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
