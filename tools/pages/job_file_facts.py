"""What the pages about the job file tell besides its keys."""

from jobrun.conf.schema import Option

FILE_RULES = (
    "The job file is TOML in UTF-8. Files named *.toml in the directory jobs.d beside it are read too, in "
    "the order of their names; they may hold jobs and templates only. All of them are checked as one, "
    "and jobrun check names every problem with its file and line; a daemon never follows a file with a "
    "problem.",
    "A file that a person wrote is never changed. jobrun add writes a file of its own for each job into "
    "jobs.d.",
)
PRECEDENCE = (
    "A key may be set for all jobs in [defaults], for the jobs of a queue in [queues.NAME.defaults], in a "
    "template [templates.NAME] that a job names with extends, and in the job itself [jobs.NAME]; the later "
    "of these wins. jobrun show JOB --resolved prints every key with the place it comes from."
)
DURATIONS = (
    'A duration is text such as "90s", "1h30m" or "7d" (units ms, s, m, h, d, w), or a number of seconds. A '
    'size is text such as "512M" (units K, M, G, T, powers of 1024), or a number of bytes.'
)
CRON = (
    "Cron text has the meaning that Debian's cron gives it: five fields (minute, hour, day of month, month, "
    "day of week), names of months and days, Sunday as 0 and 7, lists, ranges and steps, and the words "
    "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @reboot. If both day fields are "
    "restricted, a day that fits either is a day; a field that begins with a star is not a restriction.",
    "Six fields, with seconds first, L and LW for the last day and the last weekday of the month, and # for "
    "the n-th weekday are understood beyond that; jobrun explain marks them.",
    "A job with a fixed time (neither the minute nor the hour field begins with a star) whose time is "
    "skipped when the clocks go forward runs once right after the change, and not again in the repeated "
    "hour when they go back. Every other job follows the clock on the wall.",
)
EXAMPLE = """\
[jobrun]
timezone = "Europe/Berlin"

[queues.default]
concurrency = 4

[jobs.backup]
description = "Nightly dump"
cron = "0 3 * * *"
command = "pg_dump app | zstd > /backups/app.zst"
timeout = "2h"
attempts = 3

[jobs.poll]
every = "30s"
python = "app.tasks:poll"
kwargs = { limit = 100 }
"""


def key_of(option: Option) -> str:
    """The key as one writes it into the table that the heading names."""
    inside = option.path.removeprefix("jobs.NAME.")
    return inside if inside.startswith(("limits.", "checkpoint.")) else option.key


def title_of(option: Option) -> str:
    """The heading under which a key is told about."""
    if option.path.startswith("jobrun."):
        return "[jobrun]: the daemon"
    if option.path.startswith("queues."):
        return "[queues.NAME]: a queue"
    if option.path.startswith("pools."):
        return "[pools.NAME]: a pool of warm workers"
    if option.path.startswith("jobs.NAME.schedules."):
        return "[[jobs.NAME.schedules]]: several schedules"
    return f"Of a job: {option.section.lower()}"
