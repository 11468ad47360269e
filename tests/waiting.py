"""Waiting in tests for what another process or thread does."""

import time
from collections.abc import Callable

PATIENCE_S = 900.0
"""Seconds that keep a broken test from hanging. No claim about speed: a slow and shared computer stays far below."""


def eventually(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Return as soon as the condition holds; AssertionError when it does not within ``PATIENCE_S``."""
    deadline, pause = time.monotonic() + PATIENCE_S, 0.02
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.3)
