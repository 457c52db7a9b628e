"""`grader selftest`: the corpus of situations, and where verdicts are not what they must be."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from grader import selftest as corpus
from grader.commands.prepared import jobs_for, prepared
from grader.errors import UsageError
from grader.places import reference_folder
from grader.progress import display
from grader.records import say
from grader.situations import Situation, load_all
from grader.situations import load as load_situation


def run(options: argparse.Namespace) -> int:
    """Grade the corpus of situations and print where verdicts are not what they must be."""
    situations = _chosen(options)
    notebooks = len(situations) + len({situation.base for situation in situations})
    with (
        tempfile.TemporaryDirectory(prefix="gr-selftest-") as workspace,
        prepared(options, (options.out or Path(workspace)) / ".evidence") as setup,
        display(notebooks) as watch,
    ):
        folder = options.out or Path(workspace)
        checked = corpus.run(situations, setup, folder, jobs_for(options.jobs, notebooks), watch)
    print(corpus.table(checked))
    return int(any(found.differences for found in checked))


def _chosen(options: argparse.Namespace) -> tuple[Situation, ...]:
    """The situations that were named, or all. Raises UsageError for an unknown name and an empty corpus."""
    reference = options.reference or reference_folder()
    if options.names:
        return tuple(load_situation(options.corpus / name, reference) for name in options.names)
    found = load_all(options.corpus, reference)
    if not found:
        raise UsageError(
            say("There are no situations in {folder}. Name their folder with --corpus.", folder=str(options.corpus))
        )
    return found
