"""Part 2: two ReLUs."""

from __future__ import annotations

from grader.assignment import Assignment
from grader.contract import partial
from grader.homework import not_installed
from grader.homework.experiments import compare, needs_training, not_better, problems, spoils
from grader.records import Case, Finding, Verdict

PLAIN, SMART = "relu", "relu_smart_dense"


@not_installed.excuses_runs
@needs_training(PLAIN, SMART)
def runs(case: Case, assignment: Assignment) -> Verdict:
    """Both experiments were run with the layers asked for, stay finite, and the smart one learns better."""
    findings: list[Finding] = []
    good = 0
    for name in (PLAIN, SMART):
        found = problems(case, assignment, name)
        if not found:
            bad = spoils(case, assignment, name)
            found = [bad] if bad else []
        good += not found
        findings += found
    if good < 2:
        return partial(0.4 * good, *findings)
    comparison = compare(case, assignment, SMART, PLAIN)
    if comparison is None or comparison.gain <= 0 or not (comparison.better or comparison.as_usual):
        return partial(0.8, not_better(case, SMART, PLAIN, comparison))
    return partial(1.0)
