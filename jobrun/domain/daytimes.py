"""The times of one day that seconds, minutes and hours allow, by number instead of by list.

A cron text allows the same times on every day that fits, up to 86,400 of
them. Their order is that of a three-digit number, so the n-th time and the
rank of a time are arithmetic, and nothing is enumerated. Clocks are seconds
since midnight.
"""

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Daytimes:
    """Ascending, non-empty seconds, minutes and hours; every combination is a time."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many times a day has."""
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def nth(self, rank: int) -> int:
        """The time with that rank, from 0."""
        rest, second = divmod(rank, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self.hours[hour] * 3_600 + self.minutes[minute] * 60 + self.seconds[second]

    def rank(self, clock: int) -> int:
        """How many times come before `clock`."""
        minute, second = divmod(clock, 60)
        hour, minute = divmod(minute, 60)
        place = bisect_left(self.hours, hour)
        rank = place * len(self.minutes)
        if place == len(self.hours) or self.hours[place] != hour:
            return rank * len(self.seconds)
        place = bisect_left(self.minutes, minute)
        rank = (rank + place) * len(self.seconds)
        if place == len(self.minutes) or self.minutes[place] != minute:
            return rank
        return rank + bisect_left(self.seconds, second)
