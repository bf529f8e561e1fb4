"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], within: float = 30.0) -> None:
    """Return once the condition holds; fail if it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
