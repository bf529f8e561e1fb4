"""Slots come due, overlap, are missed, paused, and change with the job file: the real daemon."""

import itertools
import sqlite3
import time

import pytest
from live import until

from jobrun.domain.errors import JobFileInvalid
from jobrun.domain.instants import HOUR, MINUTE, SECOND
from jobrun.domain.run import Cause, Outcome, Trigger


def slots(live, job):
    return [run for run in live.runs(job) if run.slot is not None]


def test_an_interval_keeps_its_anchor_over_a_restart(daemon):
    """TRAPS, Time: an interval job re-added at every start never fires if the daemon restarts often."""
    live = daemon('[jobs.tick]\nevery = "1s"\ncommand = "true"\n').start()
    until(lambda: len(slots(live, "tick")) >= 2, "two slots")
    for _ in range(3):
        live.stop()
        live.start()
    count = len(slots(live, "tick"))
    until(lambda: len(slots(live, "tick")) > count, "a slot after the restarts")
    moments = [run.slot.scheduled_at for run in slots(live, "tick")]
    assert len(set(moments)) == len(moments)
    assert {moment % SECOND for moment in moments} == {moments[0] % SECOND}
    assert moments[-1] - moments[0] == (len(moments) - 1) * SECOND


def test_six_field_cron_runs_every_second_on_time(daemon):
    live = daemon('[jobs.sec]\ncron = "* * * * * *"\ncommand = "true"\n').start()
    runs = until(lambda: [r for r in slots(live, "sec") if r.attempt][3:] and slots(live, "sec"))
    for run in runs:
        assert run.slot.scheduled_at % SECOND == 0


def test_an_overlapping_slot_is_a_row_with_a_reason(daemon):
    live = daemon('[jobs.long]\nevery = "1s"\ncommand = "sleep 30"\n').start()
    skipped = until(
        lambda: [r for r in live.runs("long") if getattr(r.status, "cause", None) is Cause.OVERLAP]
    )
    assert skipped[0].status.outcome is Outcome.SKIPPED
    assert f"run {live.runs('long')[0].id}" in skipped[0].status.detail


@pytest.mark.parametrize("rule", ["queue_one", "queue_all", "allow", "replace"])
def test_the_other_overlap_rules(daemon, rule):
    live = daemon(f'[jobs.j]\ncommand = "sleep 30"\noverlap = "{rule}"\ngrace = "1s"\n').start()
    first = live.run("j")
    live.in_state(first, "running")
    second = live.run("j")
    third = live.run("j")
    if rule == "allow":
        live.in_state(second, "running")
        live.in_state(third, "running")
        return
    if rule == "replace":
        live.in_state(third, "running")
        assert live.done(first).status.cause is Cause.SUPERSEDED
        assert live.done(second).status.cause is Cause.SUPERSEDED
        return
    assert live.see(second).state == "queued"
    expected = "queued" if rule == "queue_all" else "done"
    assert live.see(third).state == expected
    live.client.call("cancel", runs=[first])
    live.in_state(second, "running")


def test_a_queue_never_exceeds_its_concurrency(daemon):
    live = daemon(
        """
[queues.narrow]
concurrency = 2

[jobs.j]
command = "sleep 0.05"
queue = "narrow"
overlap = "allow"
"""
    ).start()
    ids = [live.run("j") for _ in range(12)]
    for run_id in ids:
        live.done(run_id)
    moments = []
    for run_id in ids:
        (attempt,) = live.history.attempts(run_id)
        moments += [(attempt.opened_at, 1), (attempt.end.ended_at, -1)]
    level = highest = 0
    for _, change in sorted(moments):
        level += change
        highest = max(highest, level)
    assert highest == 2


def test_a_one_off_runs_once_and_survives_a_restart(daemon):
    live = daemon("")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 6))
    live.config.write_text(f'[jobs.once]\nat = {moment}\ncommand = "true"\n')
    live.start()
    live.kill()
    live.start()
    (run,) = until(lambda: live.runs("once"))
    assert live.done(run.id).status.outcome is Outcome.SUCCEEDED
    live.stop()
    live.start()
    assert len(live.runs("once")) == 1


def test_a_one_off_that_came_due_while_the_daemon_was_down_runs_late(daemon):
    live = daemon("")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 5))
    live.config.write_text(f'[jobs.once]\nat = {moment}\ncommand = "true"\n')
    live.start()
    live.stop()
    until(lambda: time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()) > moment)
    live.start()
    (run,) = until(lambda: live.runs("once"))
    assert live.done(run.id).status.outcome is Outcome.SUCCEEDED


def at_in(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + seconds))


def test_a_one_off_written_while_no_daemon_lived_runs_late(daemon):
    """`jobrun add --at 2s` with the daemon down; but not one whose moment had passed before."""
    live = daemon("").start()
    before = at_in(-3600)
    live.stop()
    stopped = at_in(1)
    live.config.write_text(
        f'[jobs.gap]\nat = {stopped}\ncommand = "true"\n[jobs.old]\nat = {before}\ncommand = "true"\n'
    )
    until(lambda: at_in(-1) > stopped)
    assert "came while no daemon ran; the next runs it late" in live.cli("why", "gap").stdout
    assert "has passed; `jobrun run old` runs it" in live.cli("why", "old").stdout
    live.start()
    (run,) = until(lambda: live.runs("gap"))
    assert live.done(run.id).status.outcome is Outcome.SUCCEEDED
    live.kill()
    live.start()
    live.config.write_text(live.config.read_text() + f'[jobs.late]\nat = {at_in(-1)}\ncommand = "true"\n')
    live.client.call("reload")
    live.stop()
    live.start()
    assert [run.job for run in live.runs()] == ["gap"]


def shift_cursor(live, job, by):
    """Make the store believe that deciding stopped some time ago, as after a long downtime."""
    with sqlite3.connect(live.places.database) as connection:
        connection.execute("UPDATE schedules SET decided_until = decided_until - ? WHERE job = ?", (by, job))
    connection.close()


def test_missed_slots_are_decided_by_catch_up(daemon):
    live = daemon(
        """
[jobs.none]
cron = "*/5 * * * *"
command = "true"

[jobs.latest]
cron = "*/5 * * * *"
command = "true"
catch_up = "latest"

[jobs.all]
cron = "*/5 * * * *"
command = "true"
catch_up = "all"
catch_up_max = 3
overlap = "queue_all"
"""
    ).start()
    live.stop()
    for job in ("none", "latest", "all"):
        shift_cursor(live, job, 2 * HOUR)
    live.start()

    def caught_up(job):
        return [r for r in live.runs(job) if r.trigger is Trigger.CATCH_UP and r.attempt]

    until(lambda: len(caught_up("all")) == 3)
    until(lambda: len(caught_up("latest")) <= 1 and live.runs("none"))
    assert not caught_up("none")
    stretch = live.runs("none")[0]
    assert stretch.status.cause is Cause.MISSED
    assert stretch.slot.count >= 22
    for job in ("latest", "all"):
        missed = [r for r in live.runs(job) if getattr(r.status, "cause", None) is Cause.MISSED]
        assert (
            sum(r.slot.count for r in missed) + len([r for r in live.runs(job) if r.attempt or r.is_live])
            >= 23
        )


def test_a_month_of_missed_minutes_is_one_row(daemon):
    live = daemon('[jobs.m]\ncron = "* * * * *"\ncommand = "true"\n').start()
    live.stop()
    shift_cursor(live, "m", 30 * 24 * HOUR)
    live.start()
    stretch = until(lambda: live.runs("m"))[0]
    assert 43_198 <= stretch.slot.count <= 43_201
    assert stretch.slot.last - stretch.slot.scheduled_at == (stretch.slot.count - 1) * MINUTE


def test_a_paused_job_and_a_paused_queue(daemon):
    live = daemon('[jobs.tick]\nevery = "1s"\ncommand = "true"\n[jobs.by_hand]\ncommand = "true"\n').start()
    live.client.call("pause", kind="job", name="tick", reason="moving house")
    run = until(lambda: [r for r in live.runs("tick") if getattr(r.status, "cause", 0) is Cause.PAUSED])[0]
    assert "moving house" in run.status.detail
    live.client.call("pause", kind="queue", name="default")
    waiting = live.run("by_hand")
    live.kill()
    live.start()
    assert live.see(waiting).state == "queued"
    live.client.call("resume", kind="job", name="tick")
    live.client.call("resume", kind="queue", name="default")
    assert live.done(waiting).status.outcome is Outcome.SUCCEEDED
    until(lambda: [r for r in live.runs("tick") if r.attempt])


def test_after_counts_from_the_end_of_the_last_run(daemon):
    live = daemon('[jobs.a]\nafter = "1s"\ncommand = "sleep 0.3"\n').start()
    runs = until(lambda: (r := [r for r in live.runs("a") if not r.is_live])[2:] and r)
    for before, later in itertools.pairwise(runs):
        assert later.slot.scheduled_at - before.status.ended_at >= SECOND


def test_reboot_jobs_run_once_a_boot_not_once_a_start(daemon):
    live = daemon('[jobs.boot]\ncron = "@reboot"\ncommand = "true"\n').start()
    (run,) = until(lambda: live.runs("boot"))
    assert live.done(run.id).status.outcome is Outcome.SUCCEEDED
    live.stop()
    live.start()
    live.client.call("ping")
    assert len(live.runs("boot")) == 1
    live.stop()
    with sqlite3.connect(live.places.database) as connection:
        connection.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'")
    connection.close()
    live.start()
    until(lambda: len(live.runs("boot")) == 2)


def test_reload_prints_the_plan_and_keeps_what_is_kept(daemon):
    live = daemon(
        '[jobs.kept]\nevery = "1s"\ncommand = "true"\n'
        '[jobs.changed]\ncron = "0 3 * * *"\ncommand = "true"\n'
        '[jobs.gone]\ncommand = "sleep 5"\n'
    ).start()
    until(lambda: len(slots(live, "kept")) >= 2)
    live.config.write_text(
        '[jobs.kept]\nevery = "1s"\ncommand = "true"\n'
        '[jobs.changed]\ncron = "0 4 * * *"\ncommand = "true"\n'
        '[jobs.new]\ncommand = "true"\n'
    )
    for applied in (False, True):
        change = live.client.call("reload", dry_run=not applied)
        assert [item["job"] for item in change["added"]] == ["new"]
        assert [item["job"] for item in change["removed"]] == ["gone"]
        (changed,) = change["changed"]
        assert changed["fields"] == ["schedules"]
        assert changed["next_before"] != changed["next_after"]
        assert (change["kept"], change["applied"]) == (1, applied)
    count = len(slots(live, "kept"))
    until(lambda: len(slots(live, "kept")) >= count + 2)
    moments = [run.slot.scheduled_at for run in slots(live, "kept")]
    assert moments[-1] - moments[0] == (len(moments) - 1) * SECOND


def test_a_bad_file_changes_nothing(daemon):
    live = daemon('[jobs.a]\nevery = "1s"\ncommand = "true"\n').start()
    live.config.write_text('[jobs.a]\nevry = "1s"\ncommand = "true"\ncron = "61 * * * *"\n')
    with pytest.raises(JobFileInvalid) as caught:
        live.client.call("reload")
    assert len(caught.value.problems) >= 2
    count = len(slots(live, "a"))
    until(lambda: len(slots(live, "a")) > count, "scheduling to go on")


def test_watched_files_are_read_again(daemon):
    live = daemon("[jobrun]\nwatch = true\n").start()
    live.config.write_text('[jobrun]\nwatch = true\n[jobs.new]\ncommand = "true"\n')
    until(lambda: "new" in {job.name for job in live.history.jobs()}, "the new job to be seen")


def test_a_run_asked_for_later_leaves_the_after_schedule_alone(daemon):
    live = daemon('[jobs.a]\nafter = "500ms"\ncommand = "true"\n').start()
    until(lambda: slots(live, "a"))
    later = live.cli("run", "a", "--in", "1h", "--json").stdout
    count = len(slots(live, "a"))
    until(lambda: len(slots(live, "a")) >= count + 3, "the schedule to go on")
    live.kill()
    live.start()
    count = len(slots(live, "a"))
    until(lambda: len(slots(live, "a")) >= count + 3, "the schedule to go on after a restart")
    assert "delayed" in later
