"""A job that left the plan: what waits of it ends with the removal, what is asked for later does not."""

import pytest
from live import until

from jobrun.domain.run import Cause

FAILING = '[jobs.gone]\ncommand = "exit 1"\nretries = 3\ndelay = "10m"\n'


def waiting(live, run):
    return until(lambda: (seen := live.see(run)).state == "delayed" and seen.attempt == 1 and seen)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_retry_of_a_removed_job_survives_a_restart(daemon, end):
    live = daemon(FAILING).start()
    first = live.run("gone")
    waiting(live, first)
    live.config.write_text("")
    live.client.call("reload")
    assert live.done(first).status.cause is Cause.REMOVED
    live.cli("retry", str(first))
    again = max(run.id for run in live.runs("gone"))
    waiting(live, again)
    live.stop() if end == "stop" else live.kill()
    live.start()
    assert live.see(again).state == "delayed"
    live.stop()
    live.start()
    assert live.see(again).state == "delayed"


def test_what_waits_ends_with_a_removal_while_no_daemon_runs(daemon):
    live = daemon(FAILING).start()
    run = live.run("gone")
    waiting(live, run)
    live.stop()
    live.config.write_text("")
    live.start()
    assert live.done(run).status.cause is Cause.REMOVED
