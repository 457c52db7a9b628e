"""`python -m grader`."""

from grader.cli import command

command()
