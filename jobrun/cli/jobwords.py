"""What schedules and bodies of jobs are called when people read them.

Apart from `words`, so that `status` need not import the job model.
"""

import shlex
from collections.abc import Callable
from typing import assert_never

from jobrun.domain.instants import Instant, format_duration, to_iso
from jobrun.domain.job import (
    After,
    ArgvCommand,
    At,
    Body,
    Cron,
    Every,
    PythonCall,
    Reboot,
    Schedule,
    ShellCommand,
    When,
)

Tell = Callable[[Instant], str]


def when_words(when: When, moment: Tell = to_iso) -> str:
    """`0 3 * * *`, `every 30s`, `30s after its last end`, `at 2026-…`, `@reboot`; `moment` tells moments."""
    match when:
        case Cron():
            return when.text
        case Every():
            return f"every {format_duration(when.period)}"
        case After():
            return f"{format_duration(when.pause)} after its last end"
        case At():
            return f"at {moment(when.moment)}"
        case Reboot():
            return "@reboot"
        case _:
            assert_never(when)


def schedule_words(schedule: Schedule, moment: Tell = to_iso) -> str:
    """The schedule in a line, with its zone where the zone matters."""
    text = when_words(schedule.when, moment)
    if isinstance(schedule.when, Cron):
        text += f" ({schedule.timezone})"
    return text


def particulars(schedule: Schedule, moment: Tell = to_iso) -> list[str]:
    """What else the job file says of the schedule: its name, how far it is shifted, its bounds."""
    own = f"after {format_duration(schedule.when.pause)}" if isinstance(schedule.when, After) else None
    is_named = schedule.key != (own or when_words(schedule.when))
    words = [f'named "{schedule.key}"'] if is_named else []
    if schedule.spread:
        words.append(f"spread over {format_duration(schedule.spread)}")
    if schedule.random_delay:
        words.append(f"delayed at random by up to {format_duration(schedule.random_delay)}")
    if schedule.not_before is not None:
        words.append(f"not before {moment(schedule.not_before)}")
    if schedule.expires is not None:
        words.append(f"until {moment(schedule.expires)}")
    return words


def never_words(schedule: Schedule, words: Tell, now: Instant) -> str:
    """Why a schedule has no later time that can be told; `words` says a moment."""
    match schedule.when:
        case Reboot():
            return "it is due at each boot of the host"
        case At(moment) if schedule.expires is None or moment < schedule.expires:
            told = words(moment)
            return f"its moment, {told}, has passed" if moment <= now else f"its only moment is {told}"
        case After(pause):
            return f"it is due {format_duration(pause)} after the end of its last run"
        case _ if schedule.expires is not None:
            return f"it {'expired' if schedule.expires <= now else 'expires'} at {words(schedule.expires)}"
        case _:
            return f"{when_words(schedule.when)} never comes"


def schedules_words(schedules: tuple[Schedule, ...], moment: Tell = to_iso) -> str:
    """All schedules of a job in one cell."""
    return "; ".join(when_words(schedule.when, moment) for schedule in schedules) or "by hand only"


def body_words(body: Body) -> str:
    """What a job runs, as one would type it."""
    match body:
        case ShellCommand():
            return body.text if body.shell == "/bin/sh" else f"{body.shell} -c {shlex.quote(body.text)}"
        case ArgvCommand():
            return shlex.join(body.argv)
        case PythonCall() if body.is_script:
            return shlex.join(["python", body.target, *map(str, body.args)])
        case PythonCall():
            inside = [repr(value) for value in body.args]
            inside += [f"{key}={value!r}" for key, value in body.kwargs.items()]
            return f"{body.target}({', '.join(inside)})"
        case _:
            assert_never(body)
