"""A large file is read in well under a second."""

import time

from conf.folder import Folder

ONE = """\
[jobs.job{n}]
description = "Job {n}"
cron = "{minute} {hour} * * *"
command = "/usr/local/bin/task --number {n} > /dev/null"
timeout = "2h"
env = {{ NUMBER = "{n}", MODE = "night" }}
tags = ["a", "b"]
extends = "base"
"""


def test_a_thousand_jobs(folder: Folder) -> None:
    """DESIGN asks for a start within 3 s with 10,000 schedules; 1,000 take about a quarter of a second."""
    head = '[defaults]\ntimeout = "5m"\n[templates.base]\nattempts = 3\n'
    folder.write(head + "".join(ONE.format(n=n, minute=n % 60, hour=n % 24) for n in range(1000)))
    spent = []
    for _ in range(3):
        began = time.process_time()
        plan = folder.file().plan
        spent.append(time.process_time() - began)
    assert len(plan.jobs) == 1000
    assert plan.sources["job999"].line == 4 + 999 * 8 + 1
    assert min(spent) < 1.0


def test_a_thousand_problems(folder: Folder) -> None:
    """Suggesting words for every key must not become the slow part."""
    folder.write("".join(f'[jobs.job{n}]\ncomand = "x"\ntiemout = 5\n' for n in range(1000)))
    began = time.process_time()
    assert len(folder.problems()) == 2000
    assert time.process_time() - began < 5
