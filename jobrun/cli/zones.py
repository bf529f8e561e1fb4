"""Time zones by name, for the commands that ask the calendar."""

import os
from zoneinfo import ZoneInfo

from jobrun.cli.reach import Reach
from jobrun.domain.errors import UsageError


def zone_name(given: str | None, reach: Reach) -> str:
    """The zone an expression is read in: the one given, UTC with --utc, else the host's."""
    if given is not None:
        return given
    if reach.utc:
        return "UTC"
    from jobrun.conf.hosttime import host_timezone

    return host_timezone(os.environ)


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name. Raises UsageError with a suggestion."""
    from jobrun.domain.calendar import load_zone

    try:
        return load_zone(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
