"""`jobrun why` about what a real daemon did, while it runs and after it was killed.

TRAPS, Operation: "a daily job skipped its day and ran twice the next; nobody
could say why".
"""

import json
import os
import time

from live import until

from jobrun.domain.run import Cause

OVERLAPS = '[jobs.long]\nevery = "1s"\ncommand = "sleep 2.5"\n'


def why(live, *words, check=0):
    return json.loads(live.cli("why", *words, "--json", check=check).stdout)


def moment(microseconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(microseconds // 1_000_000)) + (
        f".{microseconds % 1_000_000:06d}+00:00"
    )


def skipped(live, job, cause):
    return until(lambda: [r for r in live.runs(job) if getattr(r.status, "cause", None) is cause], str(cause))


def test_an_overlapping_slot_names_the_run_in_the_way(daemon):
    live = daemon(OVERLAPS).start()
    run = skipped(live, "long", Cause.OVERLAP)[0]
    told = why(live, "long", "--at", moment(run.slot.scheduled_at))
    (slot,) = told["slots"]
    assert (slot["verdict"], slot["run"]["run"]) == ("skipped", run.id)
    assert slot["in_the_way"]["run"] == live.runs("long")[0].id
    assert told["daemon_running"]
    live.kill()
    again = why(live, "long", "--at", moment(run.slot.scheduled_at))
    assert (again["slots"][0]["run"]["run"], again["daemon_running"]) == (run.id, False)


def test_every_slot_of_a_life_with_a_kill_has_an_answer(daemon):
    live = daemon('[jobs.tick]\nevery = "1s"\ncommand = "true"\ncatch_up = "none"\n').start()
    until(lambda: len(live.runs("tick")) >= 2, "two slots")
    live.kill()
    down_from = time.time()
    seen = live.places.lock.stat().st_mtime
    until(lambda: why(live, "tick", "--last")["verdict"] == "undecided", "a slot that nobody decided")
    told = why(live, "tick", "--last")
    assert told["outages"][-1]["until"] is None
    assert abs(down_from - seen) < 5, "the lock's time says when the daemon was last alive"
    live.start()
    last = live.runs("tick")[-1].slot.scheduled_at
    until(lambda: live.runs("tick")[-1].slot.scheduled_at > last, "a slot after the restart")
    runs = [run for run in live.runs("tick") if run.slot is not None]
    first, last = runs[0].slot.scheduled_at, runs[-1].slot.scheduled_at
    told = [why(live, "tick", "--at", moment(at)) for at in range(first, last + 1, 1_000_000)]
    assert {answer["verdict"] for answer in told} <= {"ran", "running", "skipped", "waiting"}
    assert any(outage["kind"] == "down" for answer in told for outage in answer["outages"])


def test_when_the_daemon_was_last_alive_is_known_after_a_kill(daemon):
    """The lock's time must survive the next start taking the lock."""
    live = daemon('[jobs.j]\ncommand = "true"\n').start()
    live.kill()
    alive = time.time() - 3600
    os.utime(live.places.lock, (alive, alive))
    live.start()
    (event,) = live.history.host_events(kinds=("daemon_started",), limit=1)
    assert event.detail["last_seen"].startswith(moment(int(alive * 1_000_000))[:19])


def test_a_missed_slot_says_from_when_to_when_there_was_no_daemon(daemon):
    live = daemon('[jobs.m]\ncron = "* * * * *"\ntimezone = "UTC"\ncommand = "true"\n').start()
    live.kill()
    alive = (time.time() // 60 - 10) * 60
    os.utime(live.places.lock, (alive, alive))
    import sqlite3

    with sqlite3.connect(live.places.database) as store:
        store.execute("UPDATE schedules SET decided_until = ?", (int(alive * 1_000_000),))
        store.execute("UPDATE schedules SET anchor = decided_until")
        store.execute("UPDATE definitions SET seen_at = ?", (int(alive * 1_000_000),))
        store.execute("UPDATE host_events SET at = ?", (int(alive * 1_000_000),))
    store.close()
    live.start()
    run = skipped(live, "m", Cause.MISSED)[0]
    inside = run.slot.scheduled_at + 3 * 60_000_000
    told = why(live, "m", "--at", moment(inside))
    assert told["slots"][0]["run"]["run"] == run.id
    assert told["slots"][0]["run"]["slots"] == run.slot.count
    (outage,) = [outage for outage in told["outages"] if outage["kind"] == "down"]
    assert outage["since"].startswith(moment(int(alive * 1_000_000))[:19])
    assert outage["until"] is not None


def test_a_pause_that_is_over_is_still_known(daemon):
    live = daemon('[jobs.p]\nevery = "1s"\ncommand = "true"\n').start()
    live.client.call("pause", kind="job", name="p", by="alice", reason="upgrade")
    run = skipped(live, "p", Cause.PAUSED)[0]
    live.client.call("resume", kind="job", name="p", by="bob")
    told = why(live, "p", "--at", moment(run.slot.scheduled_at))
    pause = told["slots"][0]["paused"]
    assert pause["reason"] == "upgrade" and pause["by"]
    live.client.call("pause", kind="job", name="p", by="alice", reason="again")
    assert why(live, "p", "--at", "in 1h")["paused"]["reason"] == "again"


def test_definitions_that_change_and_come_back_at_a_reload_and_at_a_start(daemon):
    first = '[jobs.d]\ncron = "0 3 * * *"\ncommand = "true"\n'
    other = '[jobs.d]\ncron = "0 4 * * *"\ncommand = "true"\n'
    live = daemon(first).start()
    live.config.write_text(other)
    live.client.call("reload")
    live.client.call("run", job="d", env={"DRY": "1"})
    live.stop()
    live.config.write_text(first)
    live.start()
    live.config.write_text('[jobs.e]\ncommand = "true"\n')
    live.client.call("reload")
    versions = json.loads(live.cli("history", "d", "--versions", "--json").stdout)["versions"]
    in_plan = [version["digest"] for version in versions if version["since"]]
    assert in_plan[0] is None and in_plan[1] == in_plan[3] != in_plan[2]
    assert [version["in_plan"] for version in versions] == [False, True, True, True, False]
    assert versions[2]["changes"] == [{"key": "cron", "old": '"0 3 * * *"', "new": '"0 4 * * *"'}]
    assert versions[4]["changes"][0]["key"] == "env.DRY"
    assert why(live, "d")["verdict"] == "removed"


def test_a_queued_run_says_what_it_waits_for(daemon):
    live = daemon(
        '[queues.q]\nconcurrency = 1\n[jobs.a]\ncommand = "sleep 60"\nqueue = "q"\n'
        '[jobs.b]\ncommand = "true"\nqueue = "q"\n'
    ).start()
    live.in_state(live.run("a"), "running")
    live.run("b")
    assert "waits: for a place in queue q" in why(live, "b")["answer"]
    live.client.call("pause", kind="queue", name="q", by="alice", reason="full disk")
    told = why(live, "b")
    assert told["verdict"] == "waiting"
    assert "queue q is paused by" in told["answer"]
