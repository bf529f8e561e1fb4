"""The yardstick measures right, the comparison can fail, and the daemon passes both on a short run."""

import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from harness.compare import Witnessed, compare, expected_slots, minutes_between, read_witness, table
from harness.crontab import Line, read_crontab
from harness.replay import HERE, find_faketime, job_file, judge, replay

BERLIN = ZoneInfo("Europe/Berlin")
LINES = read_crontab(HERE / "crontab60")
T0 = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("when", "moment", "matches"),
    [
        ("* * * * *", "2026-03-02T10:07", True),
        ("*/5 * * * *", "2026-03-02T10:07", False),
        ("*/5 * * * *", "2026-03-02T10:10", True),
        ("2-57/5 * * * *", "2026-03-02T10:07", True),
        ("2-57/5 * * * *", "2026-03-02T10:05", False),
        ("09 * * * *", "2026-03-02T10:09", True),
        ("0-30/3,33-59/4 * * * *", "2026-03-02T10:37", True),
        ("0-30/3,33-59/4 * * * *", "2026-03-02T10:36", False),
        ("0 9-17/2 * * mon-fri", "2026-03-02T11:00", True),
        ("0 9-17/2 * * mon-fri", "2026-03-01T11:00", False),
        ("47 6 * * 7", "2026-03-01T06:47", True),
        ("47 6 * * 0", "2026-03-01T06:47", True),
        # Both days restricted: either will do. One starred, if only by its first character: both must.
        ("0 5 1,15 * mon", "2026-03-02T05:00", True),
        ("0 5 1,15 * mon", "2026-03-15T05:00", True),
        ("0 5 1,15 * mon", "2026-03-17T05:00", False),
        ("0 12 */2 * 1", "2026-03-02T12:00", False),
        ("0 12 */2 * 1", "2026-03-09T12:00", True),
        ("0 12 */2 * 1", "2026-03-11T12:00", False),
        ("0 6 1 jan,apr,jul,oct *", "2026-04-01T06:00", True),
        ("0 12 29 2 *", "2028-02-29T12:00", True),
        ("@yearly", "2026-01-01T00:00", True),
        ("@hourly", "2026-03-02T10:00", True),
        ("@hourly", "2026-03-02T10:01", False),
        ("@reboot", "2026-03-02T10:00", False),
    ],
)
def test_the_yardstick(when, moment, matches):
    assert Line("x", when, "true").starts_at(datetime.fromisoformat(moment)) is matches


def test_the_crontab_has_sixty_lines_and_becomes_a_job_file(tmp_path):
    assert len(LINES) == len({line.name for line in LINES}) == 60
    made = tomllib.loads(job_file(LINES, "UTC", tmp_path / "witness"))
    assert set(made["jobs"]) == {line.name for line in LINES}
    assert "date +%F" in made["jobs"]["midnight-rollover"]["command"]


def test_a_crontab_with_a_nameless_line_or_a_bare_percent_is_refused(tmp_path):
    path = tmp_path / "crontab"
    path.write_text("* * * * * true\n")
    with pytest.raises(ValueError, match="no # "):
        read_crontab(path)
    path.write_text("# [a]\n* * * * * date +%F\n")
    with pytest.raises(ValueError, match="bare %"):
        read_crontab(path)


def test_a_window_over_a_clock_change_is_refused():
    night = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="clock"):
        expected_slots(LINES, minutes_between(night, night + timedelta(hours=1)), BERLIN)


def account(minutes=3):
    """Three minutes in which all three accounts agree: a job each minute, and one at boot."""
    window = minutes_between(T0, T0 + timedelta(minutes=minutes))
    lines = [Line("tick", "* * * * *", "true"), Line("boot", "@reboot", "true")]
    runs, witness = [], {}
    for number, moment in enumerate([T0, *window], 1):
        started, ended = moment + timedelta(milliseconds=10), moment + timedelta(milliseconds=90)
        name = "boot" if number == 1 else "tick"
        runs.append(
            {
                "run": number,
                "job": name,
                "state": "done",
                "trigger": "schedule",
                "outcome": "succeeded",
                "cause": None,
                "exit_code": 0,
                "attempt": 1,
                "scheduled_at": moment.isoformat(),
                "started_at": started.isoformat(),
                "ended_at": ended.isoformat(),
            }
        )
        witness[number] = Witnessed(
            name, [started + timedelta(milliseconds=5)], [(ended - timedelta(milliseconds=5), 0)]
        )
    return expected_slots(lines, window, BERLIN), runs, witness, window


def complaints(expected, runs, witness, window):
    return compare(expected, runs, witness, window=window, at_boot=["boot"]).discrepancies


def test_accounts_that_agree_have_no_discrepancy():
    expected, runs, witness, window = account()
    verdict = compare(expected, runs, witness, window=window, at_boot=["boot"])
    assert verdict.discrepancies == ()
    assert len(verdict.ran) == len(expected) == 3
    assert "differs" not in table(verdict, window, BERLIN)


LATER = (T0 + timedelta(minutes=2, seconds=6)).isoformat()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "skipped", "cause": "overlap"}, "skipped (overlap); cron would have run it"),
        ({"outcome": "failed"}, "failed with exit code 0"),
        ({"exit_code": 1}, "exit code 1, the witness saw 0"),
        ({"attempt": 2}, "2 attempts"),
        ({"state": "running"}, "still running"),
        ({"trigger": "manual"}, "brought about by manual"),
        ({"started_at": LATER, "ended_at": LATER}, "s after its moment"),
        ({"ended_at": None}, "its start or end is not recorded"),
        ({"scheduled_at": (T0 + timedelta(minutes=9)).isoformat()}, "outside of the watched time"),
        ({"job": "other"}, "cron would not have started it"),
    ],
)
def test_a_row_that_differs_is_seen(change, words):
    expected, runs, witness, window = account()
    runs[2] |= change
    assert any(words in sentence for sentence in complaints(expected, runs, witness, window))


def test_a_lost_slot_a_doubled_one_and_a_run_nobody_recorded_are_seen():
    expected, runs, witness, window = account()
    assert "the history has nothing" in complaints(expected, runs[:-1], witness, window)[0]
    assert "not in the history" in complaints(expected, runs[:-1], witness, window)[1]
    doubled = [*runs, runs[-1] | {"run": 9}]
    witness[9] = witness[4]
    assert "2 rows for one slot" in "".join(complaints(expected, doubled, witness, window))
    assert "at boot, not once" in "".join(complaints(expected, runs[1:], {}, window))


def test_a_witness_that_saw_nothing_or_too_much_is_heard():
    expected, runs, witness, window = account()
    del witness[2]
    assert "never wrote into the witness" in complaints(expected, runs, witness, window)[0]
    expected, runs, witness, window = account()
    witness[2].starts *= 2
    assert "2 starts and 1 ends" in complaints(expected, runs, witness, window)[0]


def test_the_witness_file_is_read_by_run():
    text = "start a 7 1000.5\nstart b 8 1001.0\nend a 7 1002.25 3\n"
    found = read_witness(text, timedelta(seconds=10))
    assert found[7].job == "a"
    assert found[7].ends == [(datetime.fromtimestamp(1012.25, UTC), 3)]
    assert found[8].ends == []


def another_night():
    """A moment shortly before several nightly jobs, where libfaketime is installed; else now."""
    try:
        find_faketime()
    except RuntimeError:
        return None
    return datetime(2026, 7, 1, 2, 59, 30, tzinfo=BERLIN)


@pytest.mark.slow
def test_the_daemon_starts_what_cron_would_have_started(capfd):
    """One minute here; `make replay` for the real thing. The same run, held against other crontabs, fails."""
    record = replay(LINES, BERLIN, 1, another_night())
    assert judge(record, LINES, BERLIN).discrepancies == (), capfd.readouterr().out
    assert len(record.runs) > 1

    fewer = [line for line in LINES if line.name != "queue-runner"]
    assert "cron would not have started it" in judge(record, fewer, BERLIN).discrepancies[0]
    more = [*LINES, Line("another", "* * * * *", "true")]
    assert "the history has nothing" in judge(record, more, BERLIN).discrepancies[0]
    shutil.rmtree(record.root)


def test_the_harness_explains_itself():
    said = subprocess.run(
        [sys.executable, str(HERE / "replay.py"), "--help"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0
    assert "--minutes" in said.stdout
