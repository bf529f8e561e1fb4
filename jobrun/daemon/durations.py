"""How long the calls of each job take, as far as the last ones tell.

What it is for: calls that take microseconds are sent to a worker several at a
time, or the way to it would cost more than they do. The rule: a job is taken
for slow as soon as one call was, and for fast again only slowly.
"""

from collections.abc import Iterable

# Calls that are expected to take longer than this are never sent ahead of a free worker, in seconds.
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
        if expected is None or expected > SHORT:
            return 0
        return min(most, int(_MOST_AHEAD / expected))

    def may_queue(self, job: str, jobs_before: Iterable[str], most: int) -> bool:
        """Whether a call may wait behind those calls: all of them short, and not too many."""
        total, count = 0.0, 0
        for name in (job, *jobs_before):
            expected = self._expected.get(name)
            if expected is None or expected > SHORT:
                return False
            total += expected
            count += 1
        return count <= most + 1 and total <= _MOST_AHEAD
