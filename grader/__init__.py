"""A grader of deep-learning homework: runs the notebook in a sandbox, probes its code, reads its logs, explains."""

__version__ = "0.1.0"
