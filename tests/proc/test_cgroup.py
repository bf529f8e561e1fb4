"""Control groups, where the host lets us: real ones for killing, a stand-in for the memory controller."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrun.domain.job import Limits
from jobrun.domain.run import Exit, Fence
from jobrun.proc import cgroup
from jobrun.proc.cgroup import Delegated, find_delegated, look_for_delegated
from jobrun.proc.files import read_status
from jobrun.proc.identity import read_stat
from jobrun.proc.spawn import SpawnRefused, start
from jobrun.proc.tree import kill_tree, signal_tree, sweep
from tests.proc.support import Rig, is_gone, signal, wait_exit, wait_until

# Leaves session, group, parents and environment: nothing but the control group knows it.
VANISH = "(env -i setsid sh -c 'echo $$ > sleeper; exec sleep 1000' &)"


def mounted() -> Path | None:
    """Where cgroup v2 is mounted, if anywhere."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return Path(fields[4])
    return None


@pytest.fixture
def delegated(tmp_path: Path) -> Iterator[Delegated]:
    top = mounted()
    if top is None or not os.access(top, os.W_OK):
        pytest.skip("needs a cgroup v2 hierarchy it may write to")
    path = top / f"jobrun-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        path.mkdir()
        os.setxattr(path, "trusted.delegate", b"1")
    except OSError as error:
        pytest.skip(f"cannot make a delegated group here: {error}")
    if not (path / "cgroup.kill").exists():
        path.rmdir()
        pytest.skip("the kernel has no cgroup.kill")
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(f"4:memory:/elsewhere\n0::/{path.name}\n")
    (tmp_path / "self" / "mountinfo").write_text(Path("/proc/self/mountinfo").read_text())
    # A daemon finds a single-digit descriptor free when it starts; here number 9 is lent.
    lent = os.dup(9) if Path("/proc/self/fd/9").exists() else None
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 9, inheritable=False)
    os.close(null)
    found = find_delegated(tmp_path / "self", gate=9)
    assert found is not None and found.path == path
    yield found
    if lent is None:
        os.close(9)
    else:
        os.dup2(lent, 9, inheritable=False)
        os.close(lent)
    wait_until(lambda: not (path / "cgroup.procs").read_text())
    path.rmdir()


@pytest.fixture
def confined(rig: Rig, delegated: Delegated) -> Iterator[Rig]:
    rig.cgroups = delegated
    yield rig
    rig.end()


def members(rig: Rig, fence: Fence) -> set[int]:
    assert rig.cgroups is not None
    return set(rig.cgroups.attempt(fence).pids())


def test_a_job_runs_in_its_group_from_its_first_moment(confined: Rig) -> None:
    exit, output = confined.finish(confined.job("cat /proc/self/cgroup; ls /proc/self/fd | wc -l"))
    assert exit.exit_code == 0
    assert b"/jobrun-" in output
    # 0, 1, 2 and that of the listing: the gate is closed.
    assert output.splitlines()[-1] == b"4"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
def test_another_users_job_too(confined: Rig) -> None:
    _, output = confined.finish(confined.job("cat /proc/self/cgroup; id -u", user="nobody", cwd="/"))
    assert b"/jobrun-" in output and output.endswith(b"65534\n")


def test_what_nothing_else_could_find_is_swept(confined: Rig) -> None:
    rig = confined
    # Another run is alive, so time alone cannot tell whose the nameless orphan is.
    rig.start(rig.job("sleep 1000"))
    child, spec = rig.start(rig.job(f"{VANISH}; while [ ! -s sleeper ]; do :; done; exit 3"))
    sleeper = rig.pid_in("sleeper")
    assert wait_exit(child).exit_code == 3
    assert members(rig, spec.fence) == {sleeper}
    assert sweep(child.identity, spec.marker) == 1
    wait_until(lambda: is_gone(sleeper))
    assert spec.cgroup is not None and not spec.cgroup.path.exists()


def test_killed_and_termed(confined: Rig) -> None:
    rig = confined
    rig.start(rig.job("sleep 1000"))
    for stop, number in ((kill_tree, signal.SIGKILL), (signal_tree, signal.SIGTERM)):
        rig.path("sleeper").unlink(missing_ok=True)
        child, spec = rig.start(rig.job(f"{VANISH}; sleep 1000"))
        sleeper = rig.pid_in("sleeper")
        if stop is kill_tree:
            kill_tree(child.identity, spec.marker)
        else:
            signal_tree(child.identity, spec.marker, signal.SIGTERM)
        assert wait_exit(child).signal == number
        written = read_status(spec.files.status)
        assert written is not None and written.signal == number
        wait_until(lambda pid=sleeper: is_gone(pid))
        sweep(child.identity, spec.marker)


def test_a_hopping_fork_storm_is_frozen(confined: Rig) -> None:
    """Each process starts its successor in a new session and ends: only a freeze gets hold of it."""
    rig = confined
    hop = rig.path("hop")
    hop.write_text("#!/bin/sh\necho x >> hops\nsetsid ./hop &\n")
    hop.chmod(0o755)
    child, spec = rig.start(rig.job("./hop; sleep 1000"))
    wait_until(lambda: rig.path("hops").exists() and rig.path("hops").stat().st_size > 40)
    kill_tree(child.identity, spec.marker)
    wait_exit(child)
    wait_until(lambda: not members(rig, spec.fence))
    size = rig.path("hops").stat().st_size
    assert sweep(child.identity, spec.marker) == 0
    assert rig.path("hops").stat().st_size == size


def test_children_left_on_purpose_keep_their_group(confined: Rig) -> None:
    rig = confined
    child, spec = rig.start(rig.job(f"{VANISH}; while [ ! -s sleeper ]; do :; done"))
    wait_exit(child)
    sleeper = rig.pid_in("sleeper")
    child.close()
    assert not is_gone(sleeper)
    assert members(rig, spec.fence) == {sleeper}
    assert spec.cgroup is not None and spec.cgroup.kill(5)
    wait_until(lambda: (stat := read_stat(sleeper)) is None or stat.is_dead)
    spec.cgroup.remove()


def test_a_refused_start_leaves_no_group(confined: Rig) -> None:
    spec = confined.spec(confined.job(": " + "x" * (200 << 10)))
    with pytest.raises(SpawnRefused):
        start(spec)
    assert spec.cgroup is not None and not spec.cgroup.path.exists()


def fake_group(tmp_path: Path) -> Delegated:
    """A directory in the shape of a delegated group with the memory controller on."""
    return Delegated(tmp_path, frozenset({"memory"}), 9)


def test_memory_limit_in_place_of_address_space(rig: Rig, tmp_path: Path) -> None:
    rig.cgroups = fake_group(tmp_path)
    spec = rig.spec(rig.job("true", limits=Limits(memory=64 << 20)))
    assert "ulimit -v" not in " ".join(spec.argv)
    assert spec.cgroup is not None
    spec.cgroup.make()
    assert (spec.cgroup.path / "memory.max").read_text() == str(64 << 20)
    assert (spec.cgroup.path / "memory.oom.group").read_text() == "1"
    rig.cgroups = Delegated(tmp_path, frozenset(), 9)
    assert "ulimit -v 65536" in " ".join(rig.spec(rig.job("true", limits=Limits(memory=64 << 20))).argv)


def test_the_kernel_holds_the_number_of_processes(rig: Rig, tmp_path: Path) -> None:
    """The surrounding sh does not count. Without the pids controller the limit is the daemon's to watch."""
    rig.cgroups = Delegated(tmp_path, frozenset({"pids"}), 9)
    spec = rig.spec(rig.job("true", limits=Limits(processes=20)))
    assert spec.cgroup is not None
    spec.cgroup.make()
    assert (spec.cgroup.path / "pids.max").read_text() == "21"
    rig.cgroups = Delegated(tmp_path, frozenset(), 9)
    spec = rig.spec(rig.job("true", limits=Limits(processes=20)))
    assert spec.cgroup is not None
    assert spec.cgroup.processes is None


def test_the_kernels_word_about_memory(tmp_path: Path) -> None:
    group = fake_group(tmp_path).attempt(Fence(1, 1), 1000)
    assert not group.was_oom
    group.make()
    (group.path / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\n")
    assert not group.was_oom
    (group.path / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\n")
    assert group.was_oom


def test_what_the_kernel_counted_is_of_the_whole_group(tmp_path: Path) -> None:
    group = fake_group(tmp_path).attempt(Fence(1, 1), 1000)
    known = Exit(ended_at=5, exit_code=0, user_time=1, system_time=2, max_rss=3)
    assert group.account(known) == known
    group.make()
    (group.path / "cpu.stat").write_text("usage_usec 900\nuser_usec 700\nsystem_usec 200\n")
    (group.path / "memory.peak").write_text("4096\n")
    expected = Exit(ended_at=5, exit_code=0, user_time=700, system_time=200, max_rss=4096)
    assert group.account(known) == expected


def test_cpu_time_of_what_nobody_waits_for_is_counted(confined: Rig) -> None:
    """wait4 knows only of children that were waited for; here it would say next to nothing."""
    rig = confined
    burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; touch burnt; sleep 1000"
    child, spec = rig.start(rig.job(f"(setsid sh -c '{burn}' &); while [ ! -e burnt ]; do sleep 0.05; done"))
    exit = wait_exit(child)
    sweep(child.identity, spec.marker)
    assert exit.user_time is not None and exit.user_time > 50_000


def test_what_a_leader_nobody_watched_left_in_its_group(confined: Rig) -> None:
    """The leader ended while no daemon lived: the next one has only the group to go by."""
    rig = confined
    child, spec = rig.start(rig.job(f"{VANISH}; while [ ! -s sleeper ]; do :; done"))
    sleeper = rig.pid_in("sleeper")
    wait_exit(child)
    # What this process knows of the group is forgotten, as by a daemon's death.
    group, cgroup._of_leader[child.identity] = spec.cgroup, cgroup.AttemptCgroup(Path("/nowhere"), None, 9)
    child.close()
    assert not is_gone(sleeper)
    assert sweep(None, spec.marker, group=group) == 1
    wait_until(lambda: is_gone(sleeper))
    assert group is not None and not group.path.exists()


def test_empty_groups_are_dropped_but_those_of_running_attempts(confined: Rig) -> None:
    rig = confined
    assert rig.cgroups is not None
    _, spec = rig.start(rig.job("sleep 1000"))
    wait_until(lambda: spec.cgroup is not None and spec.cgroup.is_populated)
    empty, kept = (rig.cgroups.attempt(Fence(number, 1)) for number in (7001, 7002))
    for group in (empty, kept):
        group.make()
    rig.cgroups.drop_empty([Fence(7002, 1)])
    assert [group.path.exists() for group in (empty, kept)] == [False, True]
    assert spec.cgroup is not None and spec.cgroup.is_populated
    kept.remove()


def process_in(tmp_path: Path, own: str) -> Path:
    """A stand-in for /proc/self of a process in the group `own`."""
    (tmp_path / "cgroup").write_text(f"0::{own}\n")
    directory = tmp_path / "mnt" / own.strip("/")
    if ".." not in own:
        directory.mkdir(parents=True, exist_ok=True)
        for group in (directory, directory.parent):
            (group / "cgroup.procs").touch()
    (tmp_path / "mountinfo").write_text(f"41 31 0:38 / {tmp_path}/mnt rw - cgroup2 cgroup2 rw\n")
    return tmp_path


@pytest.mark.parametrize(
    "own",
    [
        "/",
        "/system.slice/x.service",
        "/../outside",
        "/system.slice/x.service/.control",
        "/user.slice/user@1.service/app.slice",
        "/user.slice/y.scope/container",
    ],
)
def test_what_is_not_delegated_is_left_alone(tmp_path: Path, own: str) -> None:
    assert find_delegated(process_in(tmp_path, own)) is None


def test_a_users_systemd_sets_no_mark_but_puts_us_into_a_subgroup(tmp_path: Path) -> None:
    own = "/user.slice/user-1.slice/user@1.service/app.slice/jobrun.service/daemon"
    found = look_for_delegated(process_in(tmp_path, own))
    assert found == (tmp_path / "mnt" / own.strip("/").removesuffix("/daemon"), True)


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert find_delegated(tmp_path) is None
    assert cgroup.group_of(None) is None
