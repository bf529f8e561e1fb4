"""A daemon that cannot put its plan in force says so and ends: it never runs without its jobs."""

import sqlite3
from contextlib import closing

JOBS = '[jobs.one]\nevery = "1h"\ncommand = "true"\n'


def test_a_plan_that_cannot_be_taken_over_ends_the_daemon(daemon):
    live = daemon("").start()
    live.stop()
    with closing(sqlite3.connect(live.places.database)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    live.config.write_text(JOBS)
    live.start(wait=False)
    assert live.wait() == 70
    assert "no room" in live.log()
    assert live.log().count("daemon.started") == 1


def test_the_last_slots_of_the_calendar_are_no_trouble(daemon):
    """`every` counts on from not_before, past what the calendar can tell."""
    live = daemon(JOBS + '[jobs.far]\nevery = "36000d"\nnot_before = 9998-12-31T00:00:00Z\ncommand = "x"\n')
    live.start()
    assert [job.name for job in live.history.jobs()] == ["far", "one"]
    assert [item["next"] for item in live.client.call("reload", dry_run=True)["added"]] == []
    run = live.run("far")
    live.done(run)
    live.cli("run", "one", "--at", "9999-12-31T23:59:59-05:00", check=2)
