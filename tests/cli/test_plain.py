"""Plain text, as scripts read it: golden, line by line."""

import json
from collections.abc import Callable
from pathlib import Path

from filled import NOON, Filling, say_progress

from jobrun.cli.render import Facts, Table
from jobrun.cli.render.plain import lines


def test_status(state: Path, jobrun: Callable[..., object]) -> None:
    assert jobrun("status").out.splitlines() == [
        "The daemon is not running. 1 running, 1 queued, 2 delayed as last recorded.",
        "Queue net is paused by bob.",
        "",
        "RUN  JOB     STATE    SINCE                      ATTEMPT  PROGRESS  STAGE  WHY",
        "  4  poll    running  2026-03-01T11:59:30+00:00      1/1         -  -      pid 4242",
        "  6  mirror  queued   2026-03-01T11:59:10+00:00        -         -  -      queue net is paused",
        "  7  report  delayed  2026-03-01T11:59:52+00:00      1/3         -  -      "
        "until 2026-03-01T12:00:05+00:00: its next attempt",
        "  8  manual  delayed  2026-03-01T11:59:00+00:00        -         -  -      "
        "until 2026-03-01T13:00:00+00:00: the time asked for",
        "",
        "JOB     LAST       WHEN                       NEXT                       NOTE",
        "manual  failed     2026-03-01T11:58:00+00:00  -                          "
        "/nowhere/bin: no such file or directory",
        "backup  succeeded  2026-03-01T03:05:00+00:00  2026-03-02T02:00:00+00:00  -",
        "mirror  queued     2026-03-01T11:59:10+00:00  2026-03-01T12:20:00+00:00  "
        "paused by alice: disk is being replaced",
        "old     -          -                          -                          disabled",
        "poll    skipped    2026-03-01T12:00:00+00:00  2026-03-01T12:00:30+00:00  "
        "run 4 of this job is unfinished (running)",
        "report  delayed    2026-03-01T11:59:52+00:00  2026-03-01T13:00:00+00:00  -",
    ]


def test_status_says_how_far_a_run_is(state: Path, jobrun: Callable[..., object]) -> None:
    say_progress(state)
    for words in (("status",), ("status", "poll")):
        line = next(line for line in jobrun(*words).out.splitlines() if "pid 4242" in line)
        assert line.split()[4:] == ["1/1", "37.5", "%", "fetch", "file=3", "pid", "4242"]


def test_thousands_that_wait_are_counted(tmp_path: Path, jobrun: Callable[..., object]) -> None:
    (tmp_path / "state").mkdir()
    it = Filling(tmp_path / "state")
    it.plan()
    for number in range(3000):
        run = it.create(it.run("manual", NOON, slot=False))
        if number == 2000:
            it.start(run, NOON)
    it.close()
    for words in (("status",), ("status", "manual")):
        lines_said = jobrun(*words).out.splitlines()
        numbers = [line.split()[0] for line in lines_said if "manual" in line and line.split()[0].isdigit()]
        assert numbers == [*(str(number) for number in range(1, 51)), "2001"]
        more = "jobrun history manual --live" if words[1:] else "jobrun history --live"
        assert f"And 2949 more that wait: {more}" in lines_said
    assert len(json.loads(jobrun("status", "--json").out)["runs"]) == 3000


def test_odd_notes_of_a_job_are_no_progress(state: Path, jobrun: Callable[..., object]) -> None:
    say_progress(state)
    notes = state / "attempts" / "4.1.notes"
    for text in ("", "nonsense", '{"percent": 40}', '{"at": "x", "percent": 40}'):
        notes.write_text(text)
        said = jobrun("status")
        assert (said.code, said.err) == (0, "")
        assert "%" not in said.out
    notes.write_text('{"at": 1, "percent": 40, "state": "\\u001b[2Jx", "meta": {"a": "' + "y" * 900 + '"}}')
    line = next(line for line in jobrun("status").out.splitlines() if "pid 4242" in line)
    assert "\\x1b[2Jx a=yyy" in line
    assert line.endswith("yyy...  pid 4242")


def test_history_with_filters(state: Path, jobrun: Callable[..., object]) -> None:
    assert jobrun("history", "report", "-o", "failed").out.splitlines() == [
        "RUN  OUTCOME  DUE                        STARTED                      TOOK  ATTEMPT  WHY",
        "  2  failed   2026-03-01T11:00:00+00:00  2026-03-01T11:00:35+00:00  9.990s      3/3  exit code 3",
    ]

    def runs(*words: str) -> list[str]:
        return [line.split()[0] for line in jobrun("history", *words).out.splitlines()[1:]]

    assert runs("--cause", "overlap") == ["5"]
    assert runs("--cause", "missed") == ["3"]
    assert runs("--live") == ["8", "7", "6", "4"]
    assert runs("--queue", "net") == ["6"]
    assert runs("-o", "failed", "-o", "succeeded") == ["9", "2", "1"]
    assert runs("--since", "90s") == ["8", "7", "6", "5", "4"]
    assert runs("--until", "2h") == ["1"]
    assert runs("-n", "2", "--before", "5") == ["4", "3"]


def test_a_long_missed_stretch_is_one_line(state: Path, jobrun: Callable[..., object]) -> None:
    said = jobrun("history", "--cause", "missed")
    assert "121 slots: no daemon was there at its time" in said.out
    assert "2026-03-01T10:00:00+00:00, 121 slots in all" in jobrun("show", "3").out


def test_show_of_a_run_that_could_not_start(state: Path, jobrun: Callable[..., object]) -> None:
    lines_said = jobrun("show", "9").out.splitlines()
    assert "outcome           failed" in lines_said
    assert "why               /nowhere/bin: no such file or directory" in lines_said
    assert "brought about by  started by hand by alice" in lines_said


def test_show_job_speaks_the_words_of_the_job_file(jobrun: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(
        """
[jobs.plain]
command = "true"
jitter = 0.2

[jobs.retried]
command = "true"
shell = "/bin/bash"
attempts = 3
timeout = "90s"
umask = "027"
tags = ["a"]
env = { A = "b" }
limits = { memory = "512M" }
retry_on = [75]

[jobs.cubic]
command = ["true"]
attempts = 2
backoff = "polynomial"
jitter = "full"

[[jobs.cubic.schedules]]
name = "day"
cron = "0 8 * * *"
timezone = "UTC"
spread = "5m"

[[jobs.cubic.schedules]]
every = "1h"
expires = 2030-01-01T00:00:00Z
"""
    )

    def settings(job: str) -> dict[str, str]:
        split = (line.split(maxsplit=1) for line in jobrun("show", job).out.splitlines())
        told = {"job", "schedule", "runs", "queue", "tags", "defined", "version"}
        return {key: value for key, value in split if key not in told}

    assert settings("plain") == {}
    assert settings("retried") == {
        "timeout": "1m30s",
        "umask": "027",
        "env.A": "b",
        "limits.memory": "512M",
        "attempts": "3",
        "backoff": "exponential",
        "delay": "2s",
        "max_delay": "10m",
        "jitter": "0",
        "retry_on": '["exit:75"]',
    }
    assert {"power": "3", "jitter": "full", "backoff": "polynomial"}.items() <= settings("cubic").items()
    said = jobrun("show", "cubic").out
    assert '0 8 * * * (UTC), named "day", spread over 5m, next 2026-03-02T08:00:00+00:00' in said
    assert "every 1h, until 2030-01-01T00:00:00+00:00, next " in said


def test_a_name_with_control_characters_stays_in_its_line() -> None:
    """TRAPS, Output: terminal escapes neither drive the terminal nor break the lines of a table."""
    table = Table(("job", "note"), [("a\x1b[2Jb\n", "x"), ("c", "")])
    assert list(lines([table])) == ["JOB          NOTE", "a\\x1b[2Jb\\n  x", "c            -"]


def test_wide_characters_count_as_two() -> None:
    table = Table(("job", "note"), [("日本", "x"), ("e\u0301a", "y")])
    assert list(lines([table])) == ["JOB   NOTE", "日本  x", "e\u0301a    y"]


def test_facts() -> None:
    assert list(lines([Facts([("job", "a"), ("longer", "b")])])) == ["job     a", "longer  b"]


def test_check_in_words(jobrun: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[jobs.a]\ncommand = "true"\n')
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d" / "b.toml").write_text('[jobs.b]\ncron = "@daily"\ncommand = "true"\n')
    said = jobrun("check")
    assert (said.code, said.out) == (0, "2 files: 2 jobs (1 scheduled), no problem.\n")
    assert said.err == f"Read {tmp_path}/jobs.toml.\nRead {tmp_path}/jobs.d/b.toml.\n"
    (tmp_path / "jobs.d" / "b.toml").write_text('[jobs.b]\ncron = "@Daily"\ncomand = "true"\n')
    said = jobrun("check")
    assert said.code == 4
    assert "jobs.d/b.toml:" in said.out
    assert said.err.startswith(f"jobrun: {tmp_path}/jobs.d/b.toml has 2 problems; ")
    (tmp_path / "jobs.toml").write_text("[jobs.a]\n")
    assert f"jobrun: {tmp_path}/jobs.toml and its jobs.d have 3 problems; " in jobrun("check").err


def test_next_says_why_there_is_none(jobrun: Callable[..., object], tmp_path: Path) -> None:
    schedules = {
        "boot": 'cron = "@reboot"',
        "hand": "",
        "off": 'cron = "@daily"\nenabled = false',
        "once": "at = 2026-02-01T00:00:00Z",
        "later": "at = 2026-04-01T00:00:00Z",
        "ended": 'schedules = [{ cron = "@daily", expires = 2026-02-02T00:00:00Z }]',
    }
    tables = (f'[jobs.{name}]\ncommand = "true"\n{keys}\n' for name, keys in schedules.items())
    (tmp_path / "jobs.toml").write_text("".join(tables))
    for job, words in {
        "boot": "boot has no time to show: it is due at each boot of the host.",
        "hand": "hand has no schedule; it runs by `jobrun run` only.",
        "off": "off is disabled, so nothing is due.",
        "once": "once has no time to show: its moment, 2026-02-01T00:00:00+00:00, has passed.",
        "ended": "ended has no time to show: it expired at 2026-02-02T00:00:00+00:00.",
    }.items():
        assert jobrun("next", job).err == f"{words}\n"
    assert "its only moment is 2026-04-01" in jobrun("next", "later", "--from", "2026-05-01").err
    assert jobrun("next", "--expr", "@reboot").err == "It comes at each boot of the host.\n"
    assert jobrun("why", "boot").out.startswith("boot is not known yet now: no daemon has read it.\n")
    said = jobrun("why", "once").out
    assert (
        "not due now: its moment, 2026-02-01T00:00:00+00:00, has passed; `jobrun run once` runs it." in said
    )


def test_init_writes_a_file_that_is_valid_and_never_over_another(
    jobrun: Callable[..., object], tmp_path: Path
) -> None:
    assert jobrun("init").code == 0
    assert jobrun("check").code == 0
    text = (tmp_path / "jobs.toml").read_text()
    assert jobrun("init").code == 5
    assert jobrun("init", "--stdout").out == text
