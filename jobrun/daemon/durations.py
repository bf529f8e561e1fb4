"""How long the calls of each job take, as far as the last ones tell.

What it is for: calls that take microseconds are sent to a worker several at a
time, or the way to it would cost more than they do. The rule: a job is taken
for slow as soon as one call was, and for fast again only slowly.
"""

from collections.abc import Mapping

# Calls that are expected to take as long as this are never sent ahead of a free worker, in seconds.
SHORT = 0.005
# So much work may wait in a worker, in seconds.
_MOST_AHEAD = 0.02
_MEMORY = 0.9
_LEAST = 0.00005


class Durations:
    """What is expected of each job, in seconds."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}

    def note(self, job: str, took: float) -> None:
        """One of its calls took that long."""
        took = max(took, _LEAST)
        known = self._expected.get(job)
        if known is None or took >= known:
            self._expected[job] = took
        else:
            self._expected[job] = _MEMORY * known + (1 - _MEMORY) * took

    def ahead(self, job: str, most: int) -> int:
        """How many calls of this job may wait in a worker besides the one it makes."""
        expected = self._expected.get(job)
        if expected is None or expected >= SHORT:
            return 0
        return min(most, int(_MOST_AHEAD / expected))

    def is_short(self, job: str) -> bool:
        """Whether the job's calls are known to take a moment only."""
        return self._expected.get(job, SHORT) < SHORT

    def may_queue(self, job: str, before: Mapping[str, int], most: int) -> bool:
        """Whether a call may wait behind those (how many of which job): all of them short, not too many."""
        total, count = self._expected.get(job, SHORT), 1
        if total >= SHORT:
            return False
        for name, number in before.items():
            expected = self._expected.get(name, SHORT)
            if expected >= SHORT:
                return False
            total += expected * number
            count += number
        return count <= most + 1 and total <= _MOST_AHEAD
