"""jobrun as a library: the calendar that starts the jobs, for use and checking from outside."""

from datetime import datetime
from itertools import islice

from jobrun.domain.calendar import check_cron, iter_cron, load_zone
from jobrun.domain.instants import Instant, from_datetime, to_datetime

__all__ = ["next_fires"]


def next_fires(expr: str, tz: str, start: datetime | str | Instant, n: int) -> list[datetime]:
    """The first `n` moments strictly after `start` at which the cron text `expr` is due in the zone `tz`.

    `start` is a date-time, an ISO 8601 text, or microseconds since 1970; one
    without an offset is read as the wall clock of `tz` shows it. The moments
    are date-times in `tz`. There are fewer than `n` only where the calendar
    ends (the year 9999), and none for `@reboot`.

    Raises ValueError for an unknown zone or a start that is no date-time, and
    `jobrun.domain.calendar.CronError` (a ValueError with the place and a hint)
    for a text that is wrong or fits no date.
    """
    zone = load_zone(tz)
    check_cron(expr)
    if isinstance(start, str):
        start = datetime.fromisoformat(start)
    if isinstance(start, datetime):
        start = from_datetime(start if start.tzinfo is not None else start.replace(tzinfo=zone))
    return [to_datetime(at, zone) for at in islice(iter_cron(expr, tz, start), n)]
