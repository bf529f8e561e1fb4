"""What the keys of a job mean, in the domain's units."""

from collections.abc import Callable

import pytest
from conf.folder import Folder

from jobrun.domain.instants import HOUR, MINUTE, SECOND, from_datetime, parse_duration
from jobrun.domain.job import (
    After,
    ArgvCommand,
    At,
    Backoff,
    Cron,
    Every,
    Job,
    OnStop,
    PythonCall,
    Queue,
    Reboot,
    ShellCommand,
)

Read = Callable[..., Job]
Faults = Callable[..., list[str]]


def test_nothing_set_is_what_a_cron_user_expects(job: Read) -> None:
    """The built-in defaults are the domain's: one attempt, no timeout, overlap skip, no catch-up."""
    assert job('command = "x"') == Job(name="one", body=ShellCommand("x"))


@pytest.mark.parametrize(
    ("text", "when", "key"),
    [
        ('cron = "0  3 * *   *"', Cron("0 3 * * *"), "0 3 * * *"),
        ('cron = "@daily"', Cron("@daily"), "@daily"),
        ('cron = "@reboot"', Reboot(), "@reboot"),
        ('every = "90s"', Every(90 * SECOND), "every 1m30s"),
        ("every = 0.5", Every(SECOND // 2), "every 500ms"),
        ('after = "1h"', After(HOUR), "after 1h"),
        ("at = 1970-01-01T01:00:01+01:00", At(SECOND), "at 1970-01-01T00:00:01+00:00"),
        ('at = "1970-01-01 00:00:01Z"', At(SECOND), "at 1970-01-01T00:00:01+00:00"),
    ],
)
def test_each_kind_of_schedule(job: Read, text: str, when: object, key: str) -> None:
    (schedule,) = job(f'command = "x"\n{text}').schedules
    assert schedule.when == when
    assert schedule.key == key
    assert schedule.timezone == "Europe/Berlin"


def test_several_schedules_take_from_the_job_what_they_do_not_say(folder: Folder) -> None:
    plan = folder.write("""
        [jobs.one]
        command = "x"
        timezone = "UTC"
        spread = "1m"
        [[jobs.one.schedules]]
        cron = "0 3 * * *"
        [[jobs.one.schedules]]
        name = "noon"
        cron = "0 12 * * *"
        timezone = "Asia/Tokyo"
        spread = 0
        expires = 2026-01-01T00:00:00Z
        """).file()
    first, second = plan.plan.jobs["one"].schedules
    assert (first.key, first.timezone, first.spread, first.expires) == ("0 3 * * *", "UTC", MINUTE, None)
    assert (second.key, second.timezone, second.spread) == ("noon", "Asia/Tokyo", 0)
    assert second.expires == 1_767_225_600 * SECOND


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('command = "a | b"', ShellCommand("a | b", "/bin/sh")),
        ('command = "a"\nshell = "/bin/bash"', ShellCommand("a", "/bin/bash")),
        ('command = ["a", "", "c d"]', ArgvCommand(("a", "", "c d"))),
        ('python = "a.b:c.d"', PythonCall("a.b:c.d")),
        (
            'python = "a:b"\nargs = [1, [2]]\nkwargs = { x = { y = 1 } }\ninterpreter = "python3.12"',
            PythonCall("a:b", (1, [2]), {"x": {"y": 1}}, "python3.12"),
        ),
    ],
)
def test_what_to_run(job: Read, text: str, body: object) -> None:
    assert job(text).body == body


def test_relative_paths_count_from_the_job_files_folder(job: Read, folder: Folder) -> None:
    read = job("""
        python = "a:b"
        cwd = "work"
        env_file = ["a.env", "/etc/b.env", "${CONF}/c.env", "~/d.env"]
        interpreter = ".venv/bin/python"
        python_path = ["src", "/srv"]
        """)
    assert read.cwd == f"{folder.path}/work"
    assert read.env_file == (f"{folder.path}/a.env", "/etc/b.env", "${CONF}/c.env", "${HOME}/d.env")
    assert read.body == PythonCall(
        "a:b", interpreter=f"{folder.path}/.venv/bin/python", python_path=(f"{folder.path}/src", "/srv")
    )


def test_trying_again(job: Read) -> None:
    assert job('command = "x"\nretries = 2').retry.attempts == 3
    assert job('command = "x"\nattempts = 3').retry.attempts == 3
    retry = job("""
        command = "x"
        attempts = 5
        backoff = "polynomial"
        power = 2
        delay = "1s"
        max_delay = "1m"
        jitter = 0.2
        retry_on = [75, "exit:64-78", "exit:3-3", "signal:SIGKILL", "signal:9", "timed_out", "lost", "spawn"]
        no_retry_on = "signal:term"
        """).retry
    assert (retry.backoff, retry.power, retry.delay, retry.max_delay) == (
        Backoff.POLYNOMIAL,
        2.0,
        SECOND,
        MINUTE,
    )
    assert (retry.jitter, retry.full_jitter) == (0.2, False)
    assert retry.retry_on == (
        *("exit:75", "exit:64-78", "exit:3", "signal:KILL", "signal:KILL"),
        *("timed_out", "lost", "spawn"),
    )
    assert retry.no_retry_on == ("signal:TERM",)
    full = job('command = "x"\nattempts = 2\njitter = "full"').retry
    assert (full.jitter, full.full_jitter) == (1.0, True)


def test_the_rest_of_the_keys(job: Read) -> None:
    read = job("""
        command = "x"
        umask = "027"
        soft_signal = "usr1"
        soft_timeout = "1m"
        timeout = "1m30s"
        deadline = "15m"
        tags = "one"
        nice = -5
        enabled = false
        leave_children = true
        catch_up = "all"
        limits = { memory = "1.5G", cpu_time = 90, open_files = 64, processes = 8 }
        keep_for = "1w"
        keep_succeeded = 0
        """)
    assert read.umask == 0o027
    assert read.soft_signal == "SIGUSR1"
    assert (read.soft_timeout, read.timeout, read.deadline) == (MINUTE, 90 * SECOND, 15 * MINUTE)
    assert (read.tags, read.nice, read.enabled, read.leave_children) == (("one",), -5, False, True)
    assert (read.limits.memory, read.limits.cpu_time, read.limits.open_files) == (3 << 29, 90 * SECOND, 64)
    assert read.limits.processes == 8
    assert (read.retention.keep_for, read.retention.keep_succeeded) == (parse_duration("7d"), 0)
    assert read.retention.keep_failed == 1000


def test_settings_and_queues(folder: Folder) -> None:
    plan = (
        folder.write("""
        [jobrun]
        shutdown_timeout = "5m"
        on_stop = "kill"
        watch = true
        [queues.cpu]
        concurrency = "cpus"
        [queues.one]
        concurrency = 1
        [queues.free]
        """)
        .file()
        .plan
    )
    assert plan.settings.timezone == "Europe/Berlin"
    assert plan.settings.shutdown_timeout == 5 * MINUTE
    assert (plan.settings.on_stop, plan.settings.watch) == (OnStop.KILL, True)
    assert plan.queues["one"] == Queue(name="one", concurrency=1)
    assert plan.queues["free"].concurrency is None
    assert (plan.queues["cpu"].concurrency or 0) >= 1
    assert plan.queue("named-only").concurrency is None


def test_the_settings_zone_is_the_schedules_zone(job: Read) -> None:
    (schedule,) = job('command = "x"\ncron = "@daily"', above='[jobrun]\ntimezone = "Asia/Tokyo"').schedules
    assert schedule.timezone == "Asia/Tokyo"


def test_limits_stand_at_the_boundary(faults: Faults, job: Read) -> None:
    assert job('command = "x"\nattempts = 1\ncatch_up_max = 0\njitter = 1').retry.jitter == 1.0
    assert faults('command = "x"\nattempts = 10001') == ["attempts: the number must be at most 10000"]
    assert job('command = "x"\nsoft_timeout = 59\ntimeout = 60').soft_timeout == 59 * SECOND
    assert faults('command = "x"\nsoft_timeout = 60\ntimeout = 60') == [
        "soft_timeout: soft_timeout (1m) must be shorter than timeout (1m)"
    ]


def test_at_takes_every_offset(job: Read) -> None:
    from datetime import datetime

    for text in ("2026-12-01T02:00:00+01:00", "2026-11-30T20:30:00.250-04:30", "2026-12-01 01:00:00Z"):
        (schedule,) = job(f'command = "x"\nat = {text}').schedules
        assert schedule.when == At(from_datetime(datetime.fromisoformat(text)))


def test_an_account_must_exist_and_be_reachable(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults('command = "x"\nuser = "rooot"')[0].startswith(
        'user: there is no user "rooot" on this host\n    Did you mean "root"?'
    )
    monkeypatch.setattr("jobrun.conf.read.os.getuid", lambda: 65533)
    assert faults('command = "x"\nuser = "root"') == [
        "user: only root's daemon can run a job as another user (root)\n"
        "    Remove the key, or run the daemon as root."
    ]
    assert faults('command = "x"\nuser = "nobody"\ngroup = "bin"') != []


def test_being_oneself_needs_no_change_of_user(job: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrun.conf.read.os.getuid", lambda: 65534)
    assert job('command = "x"\nuser = "nobody"').user is None
    monkeypatch.setattr("jobrun.conf.read.os.getuid", lambda: 0)
    assert job('command = "x"\nuser = "nobody"').user == "nobody"


@pytest.mark.parametrize(
    "text",
    [
        'timeout = "5\\u001b[31m"',
        'log_max = "5\\nM"',
        'timezone = "Europe/\\u0007"',
        'cron = "0 3 * * \\u001b"',
        'user = "a\\nb"',
        '"k\\u001b[31m" = 1',
        '"[key]" = 1',
        'env = { "[key]" = "x" }',
        'env = { A = "x", "B\\n" = "x" }',
        'retry_on = ["exit:\\u0001", "\\u001b"]',
        'extends = "t\\n"',
    ],
)
def test_a_problem_cannot_drive_the_terminal(faults: Faults, text: str) -> None:
    """What stands in the file is shown escaped, on its own line only."""
    said = faults(f'command = "x"\n{text}')
    assert len(said) >= 1
    for problem in said:
        first, *more = problem.split("\n")
        assert first.isprintable()
        assert all(line.isprintable() and line.startswith("    ") for line in more)


@pytest.mark.parametrize("key", ["at", "not_before", "expires"])
@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-05:00", "9999-12-31T00:00:00-12:00", "0001-01-01T00:00:00+05:00"]
)
def test_a_moment_that_not_every_zone_can_tell_is_refused(faults: Faults, key: str, moment: str) -> None:
    """Telling it would overflow: where the plan is compared, in an answer, on the screen."""
    every = "" if key == "at" else '\nevery = "1h"'
    assert faults(f'command = "x"\n{key} = {moment}{every}') == [
        f"{key}: the moment must lie in the years 2 to 9998\n    Others cannot be told in every time zone."
    ]


def test_the_last_moment_that_every_zone_can_tell(job: Read) -> None:
    (schedule,) = job('command = "x"\nevery = "1h"\nexpires = 9998-12-31T23:59:59Z').schedules
    assert schedule.expires is not None
