"""Handing something to a process that is about to be started, without a file and out of sight of others."""

from __future__ import annotations

import os


def holding(content: bytes) -> int:
    """A descriptor from which `content` can be read. To be passed on, and closed."""
    descriptor = os.memfd_create("grader", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
