"""TRAPS Processes: pid reuse. Never signal without checking start time and boot id."""

import os
import subprocess
from dataclasses import replace

from jobrun.proc.identity import boot_id, identify, is_alive, read_stat, send_signal
from jobrun.proc.spec import Marker
from jobrun.proc.tree import kill_tree, signal_tree, sweep
from tests.proc.support import Rig, signal, wait_exit, wait_until


def test_identity_of_this_process() -> None:
    own = identify(os.getpid())
    assert own is not None
    assert is_alive(own)
    assert own.boot_id == boot_id()
    assert not is_alive(replace(own, start_ticks=own.start_ticks - 1))
    assert not is_alive(replace(own, boot_id="another boot"))


def test_a_zombie_has_an_identity_and_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    wait_until(lambda: (stat := read_stat(process.pid)) is not None and stat.is_dead)
    identity = identify(process.pid)
    assert identity is not None and not is_alive(identity)
    assert not send_signal(process.pid, identity.start_ticks, signal.SIGTERM)
    process.wait()
    assert identify(process.pid) is None
    assert not is_alive(identity)


def test_command_names_with_parentheses_and_spaces(rig: Rig) -> None:
    program = rig.path("a) R 1 (b")
    program.write_text("#!/bin/sh\nread x < fifo\n")
    program.chmod(0o755)
    os.mkfifo(rig.path("fifo"))
    child, spec = rig.start(rig.job(["sh", "-c", "exec ./'a) R 1 (b'"]))
    identity = identify(child.identity.pid)
    assert identity == child.identity
    kill_tree(child.identity, spec.marker)


def test_a_reused_pid_gets_no_signal(rig: Rig) -> None:
    """Same pid, other start time or other boot: neither TERM nor KILL nor a sweep may reach it."""
    child, _ = rig.start(rig.job("sleep 100"))
    nobody = Marker(10**9, "nobody")
    for wrong in (
        replace(child.identity, start_ticks=child.identity.start_ticks + 1),
        replace(child.identity, start_ticks=child.identity.start_ticks - 1),
        replace(child.identity, boot_id="another boot"),
    ):
        assert signal_tree(wrong, nobody, signal.SIGTERM) == 0
        assert kill_tree(wrong, nobody) == 0
        assert sweep(wrong, nobody) == 0
        assert not send_signal(wrong.pid, wrong.start_ticks + 7, signal.SIGKILL)
    assert child.poll() is None
    assert is_alive(child.identity)


def test_signals_after_the_end_are_harmless(rig: Rig) -> None:
    """Stop: "already gone" is success."""
    child, spec = rig.start(rig.job("true"))
    wait_exit(child)
    assert signal_tree(child.identity, spec.marker, signal.SIGTERM) == 0
    assert kill_tree(child.identity, spec.marker) == 0
    assert sweep(child.identity, spec.marker) == 0
