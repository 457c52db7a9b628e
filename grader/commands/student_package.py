"""`grader student-package`: what students need to check themselves."""

from __future__ import annotations

import argparse

from grader import student_package
from grader.assignment import load_assignment
from grader.errors import UsageError
from grader.places import reference_folder


def run(options: argparse.Namespace) -> int:
    """Write the zip that students get."""
    assignment = load_assignment(options.reference or reference_folder())
    data = student_package.package(assignment)
    try:
        options.into.write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{options.into} cannot be written: {error.strerror}. Name another file with --into."
        ) from error
    print(f"For students, without the solution, its runs and the thresholds: {options.into}")
    return 0
