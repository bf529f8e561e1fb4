"""What systemd as pid 1 makes of the unit: start, reload, restart, stop, crash, journal."""

import json

from boot.guest import Guest

DROP_IN = "/run/systemd/system/jobrun.service.d"
JOBS = """
[jobs.boot]
cron = "@reboot"
command = "echo booted"
[jobs.long]
command = "until [ -e /root/go ]; do sleep 0.2; done; echo done; exit 7"
[jobs.tick]
every = "1s"
command = "true"
"""


def a_start_returns_when_the_daemon_answers(guest: Guest) -> str:
    """Type=notify: `systemctl start` comes back at READY, and the socket answers at once."""
    guest.fresh(JOBS)
    status = guest.json("status")
    assert status["daemon"]["running"], status["daemon"]
    said = {name: guest.of_unit(name) for name in ("Type", "ActiveState", "SubState", "NotifyAccess")}
    assert said == {"Type": "notify", "ActiveState": "active", "SubState": "running", "NotifyAccess": "main"}
    guest.until(lambda: guest.of_unit("StatusText").startswith("3 jobs, 0 running"), "the status line")
    return f"{said}, status {guest.of_unit('StatusText')!r}"


def a_start_fails_at_once_where_trying_again_does_not_help(guest: Guest) -> str:
    guest.do("systemctl stop jobrun")
    guest.write_jobs("[jobs.long]\ncomand = 'true'")
    answer = guest.run("systemctl start jobrun")
    assert answer.code != 0
    assert guest.of_unit("ExecMainStatus") == "4"
    assert guest.of_unit("NRestarts") == "0"
    assert "comand" in guest.do("journalctl -u jobrun -n 20 -o cat --no-pager")
    state = guest.of_unit("ActiveState")
    assert state == "failed"
    return f"exit code 4, {state}, no restart, and the journal has the problem with its line"


def a_reload_changes_the_plan_and_a_bad_file_changes_nothing(guest: Guest) -> str:
    guest.fresh(JOBS)
    pid = guest.of_unit("MainPID")
    guest.write_jobs(JOBS + '[jobs.more]\ncommand = "true"\n')
    guest.do("systemctl reload jobrun")
    names = [job["job"] for job in guest.json("list")["jobs"]]
    assert "more" in names, names
    guest.write_jobs(JOBS.replace("command", "comand"))
    bad = guest.run("systemctl reload jobrun")
    assert bad.code != 0
    assert guest.of_unit("ActiveState") == "active"
    ticks = len(guest.runs("tick"))
    guest.until(lambda: len(guest.runs("tick")) > ticks, "the old plan to go on")
    assert guest.of_unit("MainPID") == pid
    return f"good file: new job seen; bad file: exit {bad.code}, the old plan goes on under pid {pid}"


def a_restart_leaves_running_jobs_alone(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("long")
    before = guest.show(run)["pid"]
    old = guest.of_unit("MainPID")
    guest.do("systemctl restart jobrun")
    assert guest.of_unit("MainPID") != old
    after = guest.show(run)
    assert (after["state"], after["pid"], after["attempt"]) == ("running", before, 1)
    guest.do("touch /root/go")
    end = guest.done(run)
    assert (end["outcome"], end["exit_code"], end["attempt"]) == ("failed", 7, 1)
    assert guest.do(f"jobrun logs {run}") == "done\n"
    return f"daemon {old} -> {guest.of_unit('MainPID')}, job still {before}; then exit code 7, output 'done'"


def a_stop_leaves_running_jobs_and_the_next_start_has_their_end(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("long")
    guest.do("systemctl stop jobrun")
    assert guest.run("systemctl is-active jobrun").out.strip() == "inactive"
    shown = guest.show(run)
    assert shown["state"] == "running"
    guest.do(f"touch /root/go; while kill -0 {shown['pid']} 2>/dev/null; do sleep 0.1; done")
    guest.do("systemctl start jobrun")
    end = guest.done(run)
    assert (end["outcome"], end["exit_code"], end["attempt"]) == ("failed", 7, 1)
    count = guest.each_second_once("tick")
    return f"ended while no daemon lived: exit code {end['exit_code']}; {count} rows, one a second"


def a_stop_waits_for_jobs_where_the_drop_in_says_so(guest: Guest) -> str:
    """Without `--on-stop leave` the job file decides: drain, here."""
    guest.do(
        f"mkdir {DROP_IN}; printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/env jobrun daemon\\n' >"
        f" {DROP_IN}/drain.conf; systemctl daemon-reload"
    )
    try:
        guest.fresh('[jobrun]\nshutdown_timeout = "60s"\n' + JOBS)
        run = guest.start("long")
        guest.do("(sleep 3; touch /root/go) >/dev/null 2>&1 & systemctl stop jobrun")
        end = guest.show(run)
        assert (end["state"], end["exit_code"]) == ("done", 7)
        assert guest.of_unit("Result") == "success"
    finally:
        guest.do(f"rm -r {DROP_IN}; systemctl daemon-reload")
    return f"systemctl stop came back after the job's own end, exit code {end['exit_code']}"


def a_killed_daemon_is_started_again_and_adopts(guest: Guest) -> str:
    guest.fresh(JOBS)
    run = guest.start("long")
    pid, old = guest.show(run)["pid"], guest.of_unit("MainPID")
    guest.do(f"kill -9 {old}")
    guest.until(
        lambda: guest.of_unit("ActiveState") == "active" and guest.of_unit("MainPID") not in ("0", old),
        "systemd to start it again",
    )
    assert guest.of_unit("NRestarts") == "1"
    shown = guest.show(run)
    assert (shown["state"], shown["pid"]) == ("running", pid)
    guest.do("touch /root/go")
    end = guest.done(run)
    assert (end["outcome"], end["exit_code"], end["attempt"]) == ("failed", 7, 1)
    count = guest.each_second_once("tick")
    return f"NRestarts=1, job {pid} adopted, exit code 7, {count} rows of tick, one for each second"


def the_journal_tells_the_story(guest: Guest) -> str:
    lines = [json.loads(line) for line in guest.do("journalctl -u jobrun -o json --no-pager").splitlines()]
    own = [line for line in lines if line.get("SYSLOG_IDENTIFIER") == "jobrun"]
    said = " ".join(line["MESSAGE"] for line in own if isinstance(line["MESSAGE"], str))
    for word in ("daemon.started", "daemon.stopping", "daemon.reloaded", "run.done", "adopted=1"):
        assert word in said, word
    return f"{len(own)} lines of jobrun, with started, reloaded, stopping, adopted=1 and run.done"


def doctor_sees_the_unit(guest: Guest) -> str:
    guest.fresh(JOBS)
    checks = {check["check"]: check for check in guest.json("doctor")["checks"]}
    assert checks["systemd"]["state"] == "ok", checks["systemd"]
    assert checks["daemon"]["state"] == "ok", checks["daemon"]
    return str(checks["systemd"]["what"])


CLAIMS = (
    a_start_returns_when_the_daemon_answers,
    a_start_fails_at_once_where_trying_again_does_not_help,
    a_reload_changes_the_plan_and_a_bad_file_changes_nothing,
    a_restart_leaves_running_jobs_alone,
    a_stop_leaves_running_jobs_and_the_next_start_has_their_end,
    a_stop_waits_for_jobs_where_the_drop_in_says_so,
    a_killed_daemon_is_started_again_and_adopts,
    the_journal_tells_the_story,
    doctor_sees_the_unit,
)
