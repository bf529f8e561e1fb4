"""Traps of operation: a reload beside a long job, and who may ask the daemon."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from live import until

from jobrun.domain.run import Outcome


def test_a_reload_waits_for_no_job(daemon, tmp_path):
    """TRAPS, Operation: a reload that stops all scheduling until running jobs end (supercronic)."""
    gate = tmp_path / "gate"
    jobs = (
        f'[jobs.long]\ncommand = "while [ ! -e {gate} ]; do sleep 0.02; done; exit 3"\n'
        '[jobs.tick]\nevery = "1s"\ncommand = "true"\n'
    )
    live = daemon(jobs).start()
    run_id = live.run("long")
    pid = live.in_state(run_id, "running").status.process.pid
    live.config.write_text(jobs + '[jobs.new]\nevery = "1s"\ncommand = "true"\n')
    live.client.call("reload", dry_run=False)
    ticks = len(live.runs("tick"))
    until(lambda: len(live.runs("tick")) > ticks + 1, "the old schedule to go on")
    until(lambda: live.runs("new"), "the new schedule to begin")
    running = live.see(run_id)
    assert (running.state, running.status.process.pid) == ("running", pid)
    gate.touch()
    ended = live.done(run_id)
    assert (ended.status.outcome, ended.status.exit_code, ended.attempt) == (Outcome.FAILED, 3, 1)


def test_a_job_that_a_reload_takes_away_keeps_its_run(daemon, tmp_path):
    """TRAPS, Operation: reload. What runs is finished under its old definition, whatever comes."""
    gate = tmp_path / "gate"
    live = daemon(f'[jobs.long]\ncommand = "while [ ! -e {gate} ]; do sleep 0.02; done; exit 3"\n').start()
    run_id = live.run("long")
    live.in_state(run_id, "running")
    live.config.write_text('[jobs.other]\ncommand = "true"\n')
    live.client.call("reload", dry_run=False)
    assert live.see(run_id).state == "running"
    gate.touch()
    assert live.done(run_id).status.exit_code == 3


def open_files(pid: int) -> Iterator[str]:
    """What the descriptors of a process stand for; those that it closes meanwhile are left out."""
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            yield os.readlink(entry)  # noqa: PTH115 - a Path would take "socket:[1]" for a file's name


def test_the_socket_is_for_the_daemons_user_alone(daemon):
    """TRAPS, Operation: HTTP without authentication (yacron). No port is open; the socket is private."""
    live = daemon("").start()
    socket = live.places.socket
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) & 0o077 == 0
    inodes = {
        name.removeprefix("socket:[").removesuffix("]")
        for name in open_files(live.process.pid)
        if name.startswith("socket:")
    }
    assert inodes  # its own socket at least
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{live.process.pid}/net/{table}") as file:  # noqa: PTH123
            assert not [line for line in file if line.split()[9] in inodes]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_somebody_else_is_refused_even_where_the_socket_can_be_reached(daemon):
    """TRAPS, Operation: HTTP without authentication (yacron). The kernel says who asks."""
    live = daemon('[jobs.j]\ncommand = "true"\n').start()
    # From inside the directory, since those above it are the test's own, and private.
    ask = (
        "import os; from pathlib import Path; from jobrun.wire.client import Client\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"print(Client(Path({live.places.socket.name!r})).call('run', job='j'))"
    )
    live.places.socket.parent.chmod(0o755)
    live.places.socket.chmod(0o666)
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=live.places.socket.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "may not control this daemon" in done.stderr
    assert not live.runs("j")
