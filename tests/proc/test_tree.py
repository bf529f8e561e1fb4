"""Nothing is left behind: every road of escape, and every way to stop."""

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobrun.domain.run import Exit
from jobrun.proc import kin
from jobrun.proc import tree as trees
from jobrun.proc.files import read_status
from jobrun.proc.identity import ProcStat, is_alive, read_stat
from jobrun.proc.tree import kill_tree, reap_strangers, signal_tree, sweep, tree, tree_rss
from tests.proc.support import Rig, is_gone, marked, signal, wait_exit, wait_until

PYTHON = sys.executable
SLEEPER = "echo $$ > sleeper; exec sleep 1000"

DOUBLE_FORK = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for fd in range(64):
    try: os.close(fd)
    except OSError: pass
os.chdir("/")
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, str(os.getpid()).encode()); os.close(fd)
time.sleep(1000)
"""

OTHER_GROUP = """
import os, time
os.setpgid(0, 0)
open("sleeper", "w").write(str(os.getpid()))
time.sleep(1000)
"""

# Each escapes in another way and writes its pid into the file "sleeper".
ESCAPES = {
    "background": f"sh -c '{SLEEPER}' &",
    "setsid": f"setsid sh -c '{SLEEPER}' &",
    "nohup": f"nohup sh -c '{SLEEPER}' >/dev/null 2>&1 &",
    "double fork, new session, files closed": f"{PYTHON} double.py $PWD/sleeper",
    "changed process group": f"{PYTHON} group.py &",
    "cleared environment": f"env -i sh -c '{SLEEPER}' &",
    "cleared environment and new session": f"(env -i setsid sh -c '{SLEEPER}' &) ; true",
    "TERM ignored": f"sh -c \"trap '' TERM HUP INT; {SLEEPER.replace('$', chr(92) + '$')}\" &",
    "stopped": f"setsid sh -c '{SLEEPER}' & while [ ! -s sleeper ]; do :; done; kill -STOP $(cat sleeper)",
    "deep": f"(setsid sh -c \"(setsid sh -c '{SLEEPER.replace('$', chr(92) + '$')}' &)\" &)",
}


@pytest.fixture
def scripts(rig: Rig) -> Rig:
    rig.path("double.py").write_text(DOUBLE_FORK)
    rig.path("group.py").write_text(OTHER_GROUP)
    return rig


@pytest.mark.parametrize("name", ESCAPES)
def test_swept_after_the_leaders_end(scripts: Rig, name: str) -> None:
    """A finished leader ends the run, even with a grandchild holding its output; the sweep ends that too."""
    rig = scripts
    child, spec = rig.start(rig.job(f"{ESCAPES[name]}\nwhile [ ! -s sleeper ]; do :; done; exit 3"))
    sleeper = rig.pid_in("sleeper")
    assert wait_exit(child).exit_code == 3
    assert not is_gone(sleeper)
    assert sweep(child.identity, spec.marker) == 1
    wait_until(lambda: is_gone(sleeper))
    assert not marked(spec.marker)
    assert sweep(child.identity, spec.marker) == 0


@pytest.mark.parametrize("name", ESCAPES)
def test_killed_while_the_leader_lives(scripts: Rig, name: str) -> None:
    """KILL reaches everything, and the surrounding sh still writes how its command ended."""
    rig = scripts
    child, spec = rig.start(rig.job(f"{ESCAPES[name]}\nsleep 1000"))
    sleeper = rig.pid_in("sleeper")
    assert kill_tree(child.identity, spec.marker) >= 2
    assert wait_exit(child).signal == signal.SIGKILL
    written = read_status(spec.files.status)
    assert written is not None and written.signal == signal.SIGKILL
    wait_until(lambda: is_gone(sleeper))
    assert not marked(spec.marker)
    assert sweep(child.identity, spec.marker) == 0


@pytest.mark.parametrize("name", sorted(set(ESCAPES) - {"TERM ignored"}))
def test_term_reaches_escapees(scripts: Rig, name: str) -> None:
    rig = scripts
    child, spec = rig.start(rig.job(f"{ESCAPES[name]}\nsleep 1000"))
    sleeper = rig.pid_in("sleeper")
    signal_tree(child.identity, spec.marker, signal.SIGTERM)
    assert wait_exit(child).signal == signal.SIGTERM
    wait_until(lambda: is_gone(sleeper))


def test_term_ignored_then_killed(rig: Rig) -> None:
    """TRAPS Processes: Celery's grandchild alive after every limit; KILL with no grace elsewhere."""
    child, spec = rig.start(rig.job("trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done"))
    rig.pid_in("ready")
    signal_tree(child.identity, spec.marker, signal.SIGTERM)
    with pytest.raises(AssertionError):
        wait_exit(child, 0.3)
    assert is_alive(child.identity)
    kill_tree(child.identity, spec.marker)
    assert wait_exit(child).signal == signal.SIGKILL
    assert not marked(spec.marker)


def test_term_handled_in_the_command(rig: Rig) -> None:
    """A command that cleans up at TERM has its own exit code in the history."""
    text = "trap 'echo bye; exit 7' TERM; echo $$ > ready; while :; do sleep 0.02; done"
    child, spec = rig.start(rig.job(["sh", "-c", text]))
    rig.pid_in("ready")
    signal_tree(child.identity, spec.marker, signal.SIGTERM)
    assert wait_exit(child).exit_code == 7
    assert spec.files.out.read_bytes().endswith(b"bye\n")


def test_a_stopped_tree_ends_at_term(rig: Rig) -> None:
    """TRAPS Processes: a stopped job needs SIGCONT with the SIGTERM."""
    child, spec = rig.start(rig.job(["sh", "-c", "echo $$ > ready; kill -STOP 0; sleep 1000"]))
    rig.pid_in("ready")
    wait_until(lambda: (stat := read_stat(child.identity.pid)) is not None and stat.state == "T")
    signal_tree(child.identity, spec.marker, signal.SIGTERM)
    assert wait_exit(child).signal == signal.SIGTERM


def test_a_stopped_tree_is_killed(rig: Rig) -> None:
    child, spec = rig.start(rig.job(["sh", "-c", "echo $$ > ready; kill -STOP 0; sleep 1000"]))
    rig.pid_in("ready")
    wait_until(lambda: (stat := read_stat(child.identity.pid)) is not None and stat.state == "T")
    kill_tree(child.identity, spec.marker)
    assert wait_exit(child).signal == signal.SIGKILL
    assert read_status(spec.files.status) is not None


def test_soft_signal_by_choice(rig: Rig) -> None:
    text = "trap 'echo usr2; exit 0' USR2; echo $$ > ready; while :; do sleep 0.02; done"
    child, spec = rig.start(rig.job(["sh", "-c", text], soft_signal="SIGUSR2"))
    rig.pid_in("ready")
    signal_tree(child.identity, spec.marker, signal.SIGUSR2)
    assert wait_exit(child).exit_code == 0
    assert spec.files.out.read_bytes().endswith(b"usr2\n")


def test_the_run_ends_with_the_leader(rig: Rig) -> None:
    """TRAPS Processes: a run that never ends because a child keeps the output open (yacron #70)."""
    child, spec = rig.start(rig.job("(echo $$ > sleeper; sleep 1000) & echo done; exit 0"))
    assert wait_exit(child, 5) == replace(child.poll() or Exit(ended_at=0))
    assert spec.files.out.read_bytes() == b"done\n"
    assert sweep(child.identity, spec.marker) >= 1


def test_children_left_on_purpose_live_on(rig: Rig) -> None:
    """`leave_children`: no sweep; neither they nor those without a marker fall to a later run's sweep."""
    text = f"setsid sh -c '{SLEEPER}' & (env -i setsid sh -c 'echo $$ > bare; exec sleep 1000' &) ; "
    wait = "while [ ! -s sleeper ] || [ ! -s bare ]; do :; done"
    child, spec = rig.start(rig.job(text + wait))
    wait_exit(child)
    sleeper, bare = rig.pid_in("sleeper"), rig.pid_in("bare")
    try:
        child.close()
        other, other_spec = rig.start(rig.job("true"))
        wait_exit(other)
        assert sweep(other.identity, other_spec.marker) == 0
        assert not is_gone(sleeper) and not is_gone(bare)
    finally:
        assert sweep(None, spec.marker) == 1
        os.kill(bare, signal.SIGKILL)


def test_another_runs_orphan_is_spared(rig: Rig) -> None:
    text = f"setsid sh -c '{SLEEPER}' & while [ ! -s sleeper ]; do :; done"
    first, first_spec = rig.start(rig.job(text))
    wait_exit(first)
    second, second_spec = rig.start(rig.job("true"))
    wait_exit(second)
    assert sweep(second.identity, second_spec.marker) == 0
    assert not is_gone(rig.pid_in("sleeper"))
    assert sweep(first.identity, first_spec.marker) == 1


def test_an_unmarked_orphan_goes_with_the_last_run_it_can_be_of(rig: Rig) -> None:
    os.mkfifo(rig.path("fifo"))
    other, other_spec = rig.start(rig.job("read x < fifo"))
    text = f"(env -i setsid sh -c '{SLEEPER}' &) ; while [ ! -s sleeper ]; do :; done"
    child, spec = rig.start(rig.job(text))
    wait_exit(child)
    sleeper = rig.pid_in("sleeper")
    assert sweep(child.identity, spec.marker) == 0
    assert not is_gone(sleeper)
    with rig.path("fifo").open("w") as fifo:
        fifo.write("\n")
    wait_exit(other)
    assert sweep(other.identity, other_spec.marker) == 1
    wait_until(lambda: is_gone(sleeper))


def test_an_earlier_attempts_leftover_is_not_of_this_attempts_tree(rig: Rig) -> None:
    run = rig.run()
    text = f"setsid sh -c '{SLEEPER}' & while [ ! -s sleeper ]; do :; done"
    first, spec = rig.start(rig.job(text), run)
    wait_exit(first)
    sleeper = rig.pid_in("sleeper")
    second, _ = rig.start(rig.job("sleep 1000"), replace(run, attempt=2))
    # Start times count in hundredths of a second; within one tick the two cannot be told apart.
    assert (read_stat(sleeper) or pytest.fail()).start_ticks <= second.identity.start_ticks
    if (read_stat(sleeper) or pytest.fail()).start_ticks < second.identity.start_ticks:
        assert sleeper not in {stat.pid for stat in tree(second.identity, spec.marker)}


def test_a_fork_storm_is_killed_within_bounds(rig: Rig) -> None:
    """Fork bombs bounded: the group is stopped, then killed; nothing can fork in between."""
    storm = """
        import os, time
        for depth in range(8):
            if os.fork() == 0:
                time.sleep(0.002)
                if depth % 4 == 3: os.setsid()
        time.sleep(1000)
    """
    rig.path("storm.py").write_text(textwrap.dedent(storm))
    child, spec = rig.start(rig.job([PYTHON, "storm.py"]))
    wait_until(lambda: len(marked(spec.marker)) > 50)
    began = time.monotonic()
    assert kill_tree(child.identity, spec.marker) > 50
    assert time.monotonic() - began < 10
    assert wait_exit(child).signal == signal.SIGKILL
    assert not marked(spec.marker)


def test_a_tree_that_never_stops_forking(rig: Rig) -> None:
    text = "f() { sleep 0.01 & f; }; echo 1 > ready; while :; do sleep 0.001 & sleep 0.001; done"
    child, spec = rig.start(rig.job(["sh", "-c", text]))
    rig.pid_in("ready")
    kill_tree(child.identity, spec.marker)
    assert wait_exit(child).signal == signal.SIGKILL
    assert not marked(spec.marker)


def test_the_clean_sweep_is_cheap(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual end of a run must not look at every process of the host."""
    looks: list[int] = []
    look = trees._all_processes

    def counted(since: int) -> list[ProcStat]:
        looks.append(since)
        return look(since)

    monkeypatch.setattr(trees, "_all_processes", counted)
    child, spec = rig.start(rig.job("true"))
    wait_exit(child)
    assert sweep(child.identity, spec.marker) == 0
    assert not looks
    child, spec = rig.start(rig.job("sleep 1000 &"))
    wait_exit(child)
    assert sweep(child.identity, spec.marker) == 1
    assert looks, "what has left something is looked for everywhere"


def test_zombies_of_the_group_are_reaped_by_the_sweep(rig: Rig) -> None:
    child, spec = rig.start(rig.job("sleep 0.05 & exit 0"))
    wait_exit(child)
    wait_until(lambda: not marked(spec.marker))
    assert sweep(child.identity, spec.marker) == 0
    for pid in kin.strangers():
        stat = read_stat(pid)
        assert stat is None or stat.group != child.identity.pid


def test_strangers_are_reaped(rig: Rig) -> None:
    child, spec = rig.start(rig.job("setsid sh -c 'echo $$ > gone' & while [ ! -s gone ]; do :; done"))
    wait_exit(child)
    pid = rig.pid_in("gone")
    wait_until(lambda: is_gone(pid))
    sweep(child.identity, spec.marker)
    reap_strangers()
    assert read_stat(pid) is None


def test_resident_memory_of_a_tree(rig: Rig) -> None:
    eater = "import time; x = bytearray(80 << 20); open('ready%d', 'w').write('1'); time.sleep(1000)"
    rig.path("a.py").write_text(eater % 1)
    rig.path("b.py").write_text(eater % 2)
    child, spec = rig.start(rig.job(f"setsid {PYTHON} a.py & {PYTHON} b.py"))
    rig.pid_in("ready1")
    rig.pid_in("ready2")
    assert 160 << 20 < tree_rss(child.identity, spec.marker) < 260 << 20


def test_psutil_is_not_loaded_without_a_memory_watch() -> None:
    code = "import sys, jobrun.proc.tree, jobrun.proc.output; sys.exit('psutil' in sys.modules)"
    assert subprocess.run([PYTHON, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
