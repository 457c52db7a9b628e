"""What can be chosen on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "reference"
SHARED = ROOT.parent / "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices, checked. Paths are absolute; `save_bare` and `use_bare` name a file of measurements or are None."""

    rows: tuple[int, ...]
    runs: int
    long_runs: int
    quick: bool
    notebook: Path
    mnist: Path
    peers: Path
    save_bare: Path | None
    use_bare: Path | None
    write: Path | None


def parse(argv: Sequence[str], rows: tuple[int, ...]) -> Options:
    """The options of a command line; `rows` are the numbers that there are."""
    given = _parser(rows).parse_args(argv)
    for path in (given.notebook, given.mnist, given.use_bare):
        if path is not None and not path.is_file():
            raise SystemExit(f"bench: there is no file {path}")
    return Options(
        rows=given.rows,
        runs=given.runs,
        long_runs=given.long_runs,
        quick=given.quick,
        notebook=given.notebook,
        mnist=given.mnist,
        peers=given.peers_venv,
        save_bare=given.save_bare,
        use_bare=given.use_bare,
        write=given.write,
    )


def _parser(rows: tuple[int, ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the grader and prints one table.")
    add = parser.add_argument
    add("--rows", type=lambda text: _rows(text, rows), default=rows, metavar="1,4,5", help="default: all")
    add("--runs", type=_positive, default=3, metavar="N", help="of what takes seconds (default: 3)")
    add("--long-runs", type=_positive, default=1, metavar="N", help="of what takes minutes (default: 1)")
    add("--quick", action="store_true", help="a slice of MNIST and small classes, to check the benchmark itself")
    _add_paths(parser)
    return parser


def _add_paths(parser: argparse.ArgumentParser) -> None:
    def add(name: str, default: Path | None, text: str) -> None:
        parser.add_argument(name, type=lambda value: Path(value).resolve(), default=default, metavar="PATH", help=text)

    peers = Path("~/.cache/grader-bench/peers-venv").expanduser()
    add("--notebook", SHARED / "seed" / "homework.ipynb", "the notebook (default: the seed beside the project)")
    add("--mnist", SHARED / "data" / "mnist.npz", "MNIST as Keras packs it (default: beside the project)")
    add("--peers-venv", peers, "where the peers' environments lie, or are made")
    add("--save-bare", None, "keep the bare executions in this file")
    add("--use-bare", None, "take bare executions from this file where it has them")
    add("--write", None, "write the table to this file too")


def _rows(text: str, known: tuple[int, ...]) -> tuple[int, ...]:
    try:
        chosen = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError("numbers with commas between them are needed") from error
    if not set(chosen) <= set(known):
        raise argparse.ArgumentTypeError(f"the rows are {known[0]} to {known[-1]}")
    return chosen


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on is needed")
    return number
