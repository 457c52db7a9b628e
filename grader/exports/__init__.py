"""Results on their way into other programs: one module a format, each a pure function of what `grader grade` wrote.

This module is the list of formats and imports nothing that takes time, so that the command line can show it at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from grader.language import noted


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of `grader export`. `fills` names the downloaded table that is filled in, `packed` says that the output is
    a zip file, and `reads` is False where no results go in."""

    name: str
    says: str
    fills: str | None = None
    packed: bool = False
    reads: bool = True


FORMATS = (
    Format(name="gradescope", says=noted("results.json of one submission, as a Gradescope autograder must write it")),
    Format(
        name="gradescope-autograder",
        says=noted("the zip that makes this grader a Gradescope autograder (no results go in)"),
        packed=True,
        reads=False,
    ),
    Format(
        name="junit", says=noted("JUnit XML for GitLab, Jenkins and others: a suite a submission, a case a criterion")
    ),
    Format(name="github", says=noted("the job summary of a GitHub workflow: a table a submission")),
    Format(
        name="classroom50",
        says=noted("result.json of one submission for Classroom 50, written where its runner sets the variables"),
    ),
    Format(
        name="moodle",
        says=noted("Moodle's offline grading worksheet, filled in"),
        fills=noted("the downloaded worksheet"),
    ),
    Format(name="moodle-feedback", says=noted("the zip of pages that Moodle takes as feedback files"), packed=True),
    Format(name="canvas", says=noted("the gradebook of Canvas, filled in"), fills=noted("the downloaded gradebook")),
    Format(name="csv", says=noted("a plain table with a line for each criterion of each submission")),
)
