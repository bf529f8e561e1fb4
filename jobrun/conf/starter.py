"""The file that `jobrun init` writes: every kind of entry once, all but one as comments."""

STARTER = """\
#:schema ./jobs.schema.json
# Jobs of jobrun. The line above lets editors check this file as you type;
# make the schema with:  jobrun schema > jobs.schema.json
#
# After a change:  jobrun check   (every problem, with its line)
#                  jobrun reload  (tells the daemon; a file with problems changes nothing)
# All keys: jobs.toml(5). More files may stand in jobs.d/*.toml beside this one.

[jobrun]
# timezone = "Europe/Berlin"      # default: the host's
# shutdown_timeout = "30s"        # how long a stopping daemon waits for running jobs

# What holds for every job that does not say otherwise.
[defaults]
# timeout = "5m"                  # default: none
# attempts = 3                    # default: 1, a failed job is not tried again
# overlap = "skip"                # skip | queue_one | queue_all | replace | allow

# A queue bounds how many of its jobs run at once. Jobs without a queue are in "default".
# [queues.default]
# concurrency = 4

# Try it:  jobrun run hello --wait   and then:  jobrun logs hello
[jobs.hello]
description = "Says hello; starts only by hand"
command = "echo Hello from jobrun, attempt $JOBRUN_ATTEMPT of run $JOBRUN_RUN_ID"

# Cron text: five fields as in crontab(5), names, @daily, @reboot.
# [jobs.backup]
# description = "Nightly dump"
# cron = "0 3 * * *"
# command = "pg_dump app | zstd > /backups/app.zst"   # text goes to /bin/sh -c
# timeout = "2h"
# catch_up = "latest"             # after a night switched off, run it once in the morning

# An interval, and a Python function.
# [jobs.poll]
# every = "30s"                   # from start to start; after = "30s" counts from the last end
# python = "app.tasks:poll"
# kwargs = { limit = 100 }
# interpreter = "/srv/app/.venv/bin/python"

# One moment. An array is run without a shell.
# [jobs.migrate]
# at = 2030-12-01T02:00:00+01:00
# command = ["/srv/app/migrate", "--to", "42"]

# Several schedules, and keys shared through a template.
# [templates.report]
# timezone = "UTC"
# attempts = 3
# delay = "1m"
#
# [jobs.report]
# extends = "report"
# command = "/srv/app/report"
# [[jobs.report.schedules]]
# cron = "0 8 * * Mon-Fri"
# [[jobs.report.schedules]]
# cron = "0 12 1 * *"
# name = "monthly"
"""
