"""The tests' own broom: what a test's jobs leave behind ends with the test."""

import pytest
from live import LiveDaemon, is_running, until


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_nothing_of_a_test_outlives_it(tmp_path, ending):
    live = LiveDaemon(tmp_path, '[jobs.j]\ncommand = "sleep 300"\n').start("--on-stop", "leave")
    process = live.in_state(live.run("j"), "running").status.process
    getattr(live, ending)()
    assert is_running(process.pid)
    live.sweep()
    until(lambda: not is_running(process.pid), "the job to be swept")
