"""Waiting for a condition, with a limit and a reason."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(holds: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Ask until the answer is true and return it; AssertionError after `seconds`."""
    limit = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < limit, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return answer
