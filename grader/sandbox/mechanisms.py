"""The one table of ways to confine."""

from __future__ import annotations

from grader.sandbox import bubblewrap, landlock, unconfined
from grader.sandbox.box import Mechanism

MECHANISMS: dict[str, Mechanism] = {"bubblewrap": bubblewrap, "landlock": landlock, "none": unconfined}
TIERS = ("bubblewrap", "landlock")  # what other people's notebooks may run in, the best first
