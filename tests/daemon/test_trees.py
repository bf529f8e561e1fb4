"""Nothing is left behind: whole trees through the real daemon.

After every end, however it came about, every process of the host is asked for
the run's marker: the independent witness that the daemon's own count is true.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live import LiveDaemon, is_running, until

from jobrun.domain.run import Cause, Outcome

PYTHON = sys.executable

DOUBLE_FORK = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 256)
os.chdir("/")
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"%d\\n" % os.getpid())
os.close(fd)
time.sleep(1000)
"""

OTHER_GROUP = """
import os, sys, time
os.setpgid(0, 0)
open(sys.argv[1], "w").write(f"{os.getpid()}\\n")
time.sleep(1000)
"""

SLEEPER = "echo $$ > PIDS/NAME; exec sleep 1000"

# Each leaves a child that a signal to the process group, or to the shell alone, would not end.
ROADS = {
    "background": "sh -c 'SLEEPER' &",
    "setsid": "setsid sh -c 'SLEEPER' &",
    "nohup": "nohup sh -c 'SLEEPER' >/dev/null 2>&1 &",
    "double-fork": f"{PYTHON} PIDS/double.py PIDS/NAME",
    "other-group": f"{PYTHON} PIDS/group.py PIDS/NAME &",
    "holds-output": "setsid sh -c 'while :; do echo still here; echo $$ > PIDS/NAME; sleep 0.1; done' &",
    "term-ignored": "sh -c \"trap '' TERM HUP INT; echo \\$\\$ > PIDS/NAME; while :; do sleep 0.2; done\" &",
    "stopped": "setsid sh -c 'echo $$ > PIDS/NAME; kill -STOP $$; sleep 1000' &",
}


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """Where the jobs write the pids of what they leave."""
    made = tmp_path / "pids"
    made.mkdir()
    (made / "double.py").write_text(DOUBLE_FORK)
    (made / "group.py").write_text(OTHER_GROUP)
    return made


def road(name: str, pids: Path) -> str:
    text = ROADS[name].replace("SLEEPER", SLEEPER).replace("NAME", name)
    return f"{text}\nuntil [ -s PIDS/{name} ]; do sleep 0.01; done".replace("PIDS", str(pids))


def job(name: str, text: str, more: str = "") -> str:
    return f"[jobs.{name}]\ncommand = '''\n{text}\n'''\n{more}\n"


def bearers(run_id: int, live: LiveDaemon) -> list[int]:
    """Every living process of the host with this run's id and this state directory in its environment."""
    wanted = {f"JOBRUN_RUN_ID={run_id}".encode(), f"JOBRUN_STATE_DIR={live.state}".encode()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = set((entry / "environ").read_bytes().split(b"\0"))
            except OSError:
                continue
            if wanted <= environ and is_running(int(entry.name)):
                found.append(int(entry.name))
    return found


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().strip(), f"a pid in {path.name}")
    return int(path.read_text())


def a_daemon(daemon, text: str) -> LiveDaemon:
    """The state directory is named to the jobs, so that `bearers` can tell one test's from another's."""
    live = daemon("[queues.default]\nconcurrency = 20\n" + text)
    live.environ["JOBRUN_STATE_DIR"] = str(live.state)
    return live.start()


def nothing_left(live: LiveDaemon, run_id: int) -> bool:
    return not bearers(run_id, live)


def test_the_run_ends_with_its_leader_and_what_it_left_goes(daemon, pids):
    """TRAPS, Processes: `killpg` misses children that called setsid; on Python 3.11 waiting for an asyncio
    subprocess hangs while a grandchild holds stdout. Files and pidfds do not."""
    live = a_daemon(daemon, "".join(job(name, f"{road(name, pids)}\nexit 3") for name in ROADS))
    runs = {name: live.run(name) for name in ROADS}
    for name, run_id in runs.items():
        run = live.done(run_id)
        assert (run.status.outcome, run.status.exit_code) == (Outcome.FAILED, 3), name
        assert live.history.attempts(run_id)[0].end.left_behind >= 1, name
        assert not is_running(pid_in(pids / name)), name
        assert nothing_left(live, run_id), name


def test_a_cancel_reaches_every_road(daemon, pids):
    """TRAPS, Processes: signals that reach only the shell (Cronicle, Celery)."""
    grace = 'grace = "500ms"'
    live = a_daemon(daemon, "".join(job(name, f"{road(name, pids)}\nsleep 1000", grace) for name in ROADS))
    runs = {name: live.run(name) for name in ROADS}
    sleepers = {name: pid_in(pids / name) for name in ROADS}
    live.client.call("cancel", runs=list(runs.values()))
    for name, run_id in runs.items():
        run = live.done(run_id)
        assert (run.status.outcome, run.status.cause) == (Outcome.CANCELLED, Cause.USER), name
        assert not is_running(sleepers[name]), name
        assert nothing_left(live, run_id), name


def test_term_with_grace_then_kill(daemon, pids):
    """TRAPS, Processes: KILL with no grace elsewhere; a grandchild alive after the hard limit (Celery)."""
    polite = f"trap 'sleep 0.3; echo bye; exit 7' TERM; echo $$ > {pids}/polite; while :; do sleep 0.05; done"
    deaf = f"trap '' TERM; echo $$ > {pids}/deaf; (trap '' TERM; while :; do sleep 0.2; done) & wait"
    more = 'timeout = "800ms"\ngrace = "{}"'
    live = a_daemon(
        daemon,
        job("polite", polite, more.format("20s")) + job("deaf", deaf, more.format("600ms")),
    )
    polite_run, deaf_run = live.run("polite"), live.run("deaf")
    run = live.done(polite_run)
    assert (run.status.outcome, run.status.exit_code) == (Outcome.TIMED_OUT, 7)
    assert live.history.outputs(polite_run)[0].body.endswith(b"bye\n")
    assert not live.history.attempts(polite_run)[0].end.killed
    run = live.done(deaf_run)
    end = live.history.attempts(deaf_run)[0].end
    assert (run.status.outcome, end.killed, end.signal) == (Outcome.TIMED_OUT, True, signal.SIGKILL)
    assert end.ended_at - live.history.attempts(deaf_run)[0].started_at >= 1_400_000
    assert nothing_left(live, polite_run) and nothing_left(live, deaf_run)


def test_a_stopped_job_hears_its_term(daemon, pids):
    """TRAPS, Processes: a stopped job needs SIGCONT with the SIGTERM."""
    text = f"trap 'echo heard; exit 0' TERM; echo $$ > {pids}/self; while :; do sleep 0.05; done"
    live = a_daemon(daemon, job("frozen", text, 'grace = "20s"'))
    run_id = live.run("frozen")
    leader = until(lambda: live.in_state(run_id, "running").status.process.pid, "the leader")
    pid_in(pids / "self")
    os.killpg(leader, signal.SIGSTOP)
    live.client.call("cancel", runs=[run_id])
    assert live.done(run_id).status.outcome is Outcome.CANCELLED
    assert live.history.outputs(run_id)[0].body.endswith(b"heard\n")


BOMBS = {
    # Doubles as fast as it can, in the leader's group.
    "bomb": "bomb() { bomb | bomb & sleep 1000; }; bomb",
    # Every child leaves the session; twenty at a time, so that the host survives if we do not.
    "spray": "while :; do for n in 1 2 3 4 5; do setsid sleep 1000 & done; sleep 0.02; done",
    # Deaf to TERM: with a grace it would go on.
    "deaf": "trap '' TERM; while :; do sleep 1000 & sleep 0.005; done",
}


@pytest.mark.alone
@pytest.mark.parametrize("name", BOMBS)
def test_a_fork_bomb_is_bounded_by_its_limit(daemon, name):
    """limits.processes, where no control group holds it: the whole tree is killed, with no grace."""
    live = a_daemon(daemon, job("tame", "sleep 1000", "") + job(name, BOMBS[name], "limits.processes = 30"))
    tame = live.run("tame")
    live.in_state(tame, "running")
    run_id = live.run(name)
    run = live.done(run_id)
    assert (run.status.outcome, run.status.cause) == (Outcome.FAILED, Cause.PROCESSES)
    assert run.status.detail == "killed for having more than 30 processes"
    until(lambda: nothing_left(live, run_id), "the bomb to be gone")
    assert live.see(tame).state == "running"


@pytest.mark.alone
def test_a_bomb_without_a_limit_ends_at_a_stop(daemon):
    """However fast it grows: the tree is stopped first, then killed until nothing is found."""
    live = a_daemon(daemon, job("bomb", "while :; do sleep 1000 & sleep 0.002; done", 'grace = "200ms"'))
    run_id = live.run("bomb")
    until(lambda: len(bearers(run_id, live)) > 100, "the bomb to grow")
    live.client.call("cancel", runs=[run_id])
    assert live.done(run_id).status.outcome is Outcome.CANCELLED
    assert nothing_left(live, run_id)


def test_children_left_on_purpose(daemon, pids):
    """`leave_children`: the run still ends with its leader; a stop still ends them all."""
    text = road("setsid", pids)
    live = a_daemon(
        daemon,
        job("leaves", text, "leave_children = true")
        + job("stopped", f"{road('nohup', pids)}\nsleep 1000", "leave_children = true"),
    )
    left = live.run("leaves")
    assert live.done(left).status.outcome is Outcome.SUCCEEDED
    assert live.history.attempts(left)[0].end.left_behind == 0
    other = live.run("leaves")  # a later sweep of the same job spares them too
    live.done(other)
    assert len(bearers(left, live)) == 1
    stopped = live.run("stopped")
    sleeper = pid_in(pids / "nohup")
    live.client.call("cancel", runs=[stopped])
    live.done(stopped)
    assert not is_running(sleeper)
    assert nothing_left(live, stopped)


def test_what_an_adopted_run_left_goes_too(daemon, pids):
    """Its orphans went to init when the first daemon died; the next one finds them by their marker."""
    gate = pids / "gate"
    roads = ("setsid", "double-fork", "other-group")
    wait = f"until [ -e {gate} ]; do sleep 0.02; done; exit 4"
    live = a_daemon(daemon, "".join(job(name, f"{road(name, pids)}\n{wait}") for name in roads))
    runs = {name: live.run(name) for name in roads}
    sleepers = {name: pid_in(pids / name) for name in roads}
    for run_id in runs.values():
        live.in_state(run_id, "running")
    live.kill()
    live.start()
    gate.touch()
    for name, run_id in runs.items():
        assert live.done(run_id).status.exit_code == 4, name
        assert live.history.attempts(run_id)[0].end.left_behind >= 1, name
        assert not is_running(sleepers[name]), name
        assert nothing_left(live, run_id), name


def test_a_process_that_only_looks_like_one_of_ours_lives(daemon, tmp_path):
    """TRAPS, Processes: pid reuse. Another store's run of the same number is never touched."""
    live = a_daemon(daemon, job("short", "setsid sleep 1000 &"))
    stranger = subprocess.Popen(
        ["sleep", "1000"],
        start_new_session=True,
        env={**os.environ, "JOBRUN_RUN_ID": "1", "JOBRUN_STORE_ID": "another", "JOBRUN_ATTEMPT": "1"},
    )
    try:
        run_id = live.run("short")
        assert run_id == 1
        live.done(run_id)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_tree_that_eats_memory_is_stopped_while_it_runs(daemon):
    """TRAPS, State: `max_memory_per_child` looked at only between tasks: the task itself eats the machine."""
    eater = f"{PYTHON} -c 'x = bytearray(60 << 20); import time; time.sleep(1000)'"
    live = a_daemon(daemon, job("hungry", f"{eater} & {eater} & {eater}", 'limits.memory = "150M"'))
    run_id = live.run("hungry")
    run = live.done(run_id)
    assert (run.status.outcome, run.status.cause) == (Outcome.FAILED, Cause.OOM)
    assert nothing_left(live, run_id)


def test_a_job_that_does_nothing_for_a_while_is_alive(daemon):
    """TRAPS, Processes: heartbeats failed live runs when the machine was busy (dagu #1773, #2189)."""
    live = a_daemon(daemon, job("still", "sleep 1; exit 6"))
    run_id = live.run("still")
    leader = live.in_state(run_id, "running").status.process.pid
    os.killpg(leader, signal.SIGSTOP)
    live.kill()  # and whoever looks at it again finds the process, not an age
    live.start()
    os.killpg(leader, signal.SIGCONT)
    assert live.done(run_id).status.exit_code == 6


def test_a_killed_job_takes_nobody_along(daemon):
    """TRAPS, Processes: one SIGKILLed worker fails every job of the pool (ProcessPoolExecutor)."""
    live = a_daemon(daemon, job("one", "sleep 1000") + job("other", "sleep 2; exit 0"))
    one, other = live.run("one"), live.run("other")
    leader = live.in_state(one, "running").status.process.pid
    live.in_state(other, "running")
    os.killpg(leader, signal.SIGKILL)
    run = live.done(one)
    assert (run.status.outcome, run.status.cause) == (Outcome.FAILED, Cause.SIGNAL)
    assert live.done(other).status.outcome is Outcome.SUCCEEDED
