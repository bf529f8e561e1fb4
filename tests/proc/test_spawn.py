"""Starting, watching, waiting: exits, usage, what is refused at the start."""

import ctypes
import errno
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobrun.domain.instants import SECOND
from jobrun.domain.job import Limits, OutputMode, PythonCall, ShellCommand
from jobrun.domain.run import ProcessIdentity
from jobrun.proc import kin
from jobrun.proc.files import has_begun, now, open_status, read_status, split_status
from jobrun.proc.identity import is_alive
from jobrun.proc.spawn import SpawnRefused, adopt, find_started, start
from jobrun.proc.spec import AttemptSpec, Marker
from jobrun.proc.tree import kill_tree, sweep
from tests.proc.support import OPENED, Rig, identify, signal, wait_exit, wait_until


@pytest.mark.parametrize("code", [0, 1, 3, 77, 126, 127, 128, 193, 255])
def test_exit_codes(rig: Rig, code: int) -> None:
    exit, _ = rig.finish(rig.job(f"exit {code}"))
    assert (exit.exit_code, exit.signal) == (code, None)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_death_by_signal(rig: Rig, number: int) -> None:
    exit, _ = rig.finish(rig.job(["sh", "-c", f"kill -{int(number)} $$"]))
    assert (exit.exit_code, exit.signal) == (None, number)


def test_status_above_the_last_signal_is_an_exit_code() -> None:
    assert split_status(0) == (0, None)
    assert split_status(128) == (128, None)
    assert split_status(137) == (None, 9)
    assert split_status(192) == (None, 64)
    assert split_status(193) == (193, None)
    assert split_status(255) == (255, None)


def test_the_sh_itself_killed(rig: Rig) -> None:
    """No status was written then; the kernel's word counts, and the command is swept."""
    child, spec = rig.start(rig.job("sh -c 'echo $$ > sleeper; exec sleep 100'; true"))
    rig.pid_in("sleeper")
    os.kill(child.identity.pid, signal.SIGKILL)
    exit = wait_exit(child)
    assert (exit.exit_code, exit.signal) == (None, signal.SIGKILL)
    assert read_status(spec.files.status) is None
    assert sweep(child.identity, spec.marker) >= 1


def test_poll_answers_none_then_always_the_same(rig: Rig) -> None:
    os.mkfifo(rig.path("fifo"))
    child, _ = rig.start(rig.job("read x < fifo; exit 5"))
    assert child.poll() is None
    with rig.path("fifo").open("w") as fifo:
        fifo.write("go\n")
    exit = wait_exit(child)
    assert exit.exit_code == 5
    assert child.poll() == exit


def test_nobody_elses_child_is_reaped(rig: Rig) -> None:
    """TRAPS Processes: a reaper that waits for any child steals exit codes."""
    others = [subprocess.Popen(["sh", "-c", f"exit {code}"]) for code in (11, 12)]
    apart = subprocess.Popen(["sh", "-c", "exit 13"], start_new_session=True)
    for process in [*others, apart]:
        wait_until(lambda pid=process.pid: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
    child, spec = rig.start(rig.job("exit 14"))
    assert wait_exit(child).exit_code == 14
    assert sweep(child.identity, spec.marker) == 0
    kin.reap_strangers({apart.pid})
    assert [process.wait() for process in [*others, apart]] == [11, 12, 13]


def test_popen_clean_up_takes_no_exit_code(rig: Rig) -> None:
    """Popen keeps a list of unwaited children and polls it at every start; ours must not be on it."""
    children = [rig.start(rig.job(f"exit {code}"))[0] for code in range(20, 30)]
    for _ in range(5):
        subprocess.run(["true"], check=True)
    assert [wait_exit(child).exit_code for child in children] == list(range(20, 30))


def test_a_stolen_exit_code_is_read_from_the_status_file(rig: Rig) -> None:
    child, _ = rig.start(rig.job("exit 9"))
    os.waitpid(child.identity.pid, 0)
    exit = wait_exit(child)
    assert exit.exit_code == 9


MEASURED = """
import sys
from pathlib import Path
from tests.proc.support import Rig
rig = Rig(Path(sys.argv[1]))
ballast = bytearray(int(sys.argv[2]) << 20)
exit, _ = rig.finish(rig.job([sys.executable, "-c", sys.argv[3]]))
print(exit.user_time, exit.system_time, exit.max_rss)
"""


def usage(rig: Rig, ballast: int, program: str) -> list[str]:
    """User time, system time and largest resident size of a job, as a daemon of a certain size sees them."""
    argv = [sys.executable, "-c", MEASURED, str(rig.home), str(ballast), program]
    done = subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_usage(rig: Rig) -> None:
    program = "import time\nx = bytearray(300 << 20)\nwhile time.process_time() < 0.3: pass"
    user, system, max_rss = map(int, usage(rig, 0, program))
    assert 200_000 <= user + system <= 5 * SECOND
    assert 300 << 20 <= max_rss <= 400 << 20


def test_our_own_size_is_not_reported_as_the_jobs(rig: Rig) -> None:
    """The kernel hands a child its parent's resident size at the fork as a first maximum."""
    assert usage(rig, 200, "x = bytearray(100 << 20)")[2] == "None"


def test_the_end_is_the_commands_end_not_the_look(rig: Rig) -> None:
    child, _ = rig.start(rig.job("true"))
    wait_until(lambda: identify(child.identity.pid) and read_status(child.files.status))
    written = read_status(child.files.status)
    assert written is not None
    wait_until(lambda: now() > written.ended_at + 50_000)
    assert wait_exit(child).ended_at < now() - 25_000


class TestAdoption:
    """The outcome survives the daemon."""

    def start_elsewhere(self, rig: Rig, text: str) -> AttemptSpec:
        """Start a job from another process that ends at once, as a killed daemon's job would be.

        We are no subreaper meanwhile: a dead daemon's orphans go to init, not to the next daemon.
        """
        code = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "from tests.proc.support import Rig\n"
            "rig = Rig(Path(sys.argv[1]), store_id='elsewhere')\n"
            "child, spec = rig.start(rig.job(sys.argv[2]), rig.run(id=int(sys.argv[3])))\n"
            "os._exit(0)\n"
        )
        run_id = time.time_ns() // 1000
        rig.elsewhere.append(Marker(run_id, "elsewhere"))
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
        try:
            subprocess.run(
                [sys.executable, "-c", code, str(rig.home), text, str(run_id)],
                check=True,
                cwd=Path(__file__).parents[2],
            )
        finally:
            kin.become_subreaper()
        spec = rig.spec(rig.job(text), rig.run(id=run_id))
        return replace(spec, store_id="elsewhere")

    def found(self, spec: AttemptSpec) -> ProcessIdentity:
        identity = find_started("elsewhere", spec.fence)
        assert identity is not None
        return identity

    def test_found_adopted_and_read(self, rig: Rig) -> None:
        os.mkfifo(rig.path("fifo"))
        text = "(setsid sh -c 'echo $$ > escapee; exec sleep 100' &); read x < fifo; echo out; exit 42"
        spec = self.start_elsewhere(rig, text)
        identity = self.found(spec)
        assert rig.pid_in("escapee") != identity.pid
        assert find_started("elsewhere", spec.fence._replace(attempt=2)) is None
        assert find_started("other store", spec.fence) is None

        child = rig.adopt(identity, spec)
        assert child.poll() is None
        assert adopt(replace(identity, start_ticks=identity.start_ticks + 1), spec.files) is None
        with rig.path("fifo").open("w") as fifo:
            fifo.write("go\n")
        exit = wait_exit(child)
        assert exit.exit_code == 42
        assert exit.user_time is not None
        assert spec.files.out.read_bytes() == b"out\n"
        assert sweep(identity, spec.marker) == 1
        assert adopt(identity, spec.files) is None

    def test_killed_without_a_word(self, rig: Rig) -> None:
        spec = self.start_elsewhere(rig, "sh -c 'echo $$ > sleeper; exec sleep 100'; true")
        rig.pid_in("sleeper")
        child = rig.adopt(self.found(spec), spec)
        os.kill(child.identity.pid, signal.SIGKILL)
        exit = wait_exit(child)
        assert (exit.exit_code, exit.signal) == (None, None)
        assert sweep(child.identity, spec.marker) >= 1

    def test_ladder_on_an_adopted_tree(self, rig: Rig) -> None:
        text = "trap '' TERM; setsid sh -c 'echo $$ > sleeper; exec sleep 100' & sleep 100"
        spec = self.start_elsewhere(rig, text)
        rig.pid_in("sleeper")
        child = rig.adopt(self.found(spec), spec)
        assert kill_tree(child.identity, spec.marker) >= 2
        assert wait_exit(child).signal == signal.SIGKILL

    def test_ended_before_anybody_came(self, rig: Rig) -> None:
        """No process, no record of one: the status file and the marker are what there is."""
        text = "(setsid sh -c 'echo $$ > escapee; exec sleep 100' &); echo out; exit 6"
        spec = self.start_elsewhere(rig, text)
        rig.pid_in("escapee")
        wait_until(lambda: read_status(spec.files.status))
        wait_until(lambda: find_started("elsewhere", spec.fence) is None)
        written = read_status(spec.files.status)
        assert written is not None and written.exit_code == 6
        assert sweep(None, spec.marker) == 1

    def test_a_leader_that_is_our_child_is_reaped(self, rig: Rig) -> None:
        """As after the daemon replaced itself by exec."""
        child, spec = rig.start(rig.job("exit 8"))
        wait_until(lambda: not is_alive(child.identity))
        again = rig.adopt(child.identity, spec)
        assert wait_exit(again).exit_code == 8
        assert again.poll() is not None
        assert identify(child.identity.pid) is None


class TestRefusals:
    """A command that does not exist: cause spawn, the errno in words."""

    def refusal(self, rig: Rig, *body: str, **fields: object) -> SpawnRefused:
        with pytest.raises(SpawnRefused) as caught:
            rig.start(rig.job(list(body) or "true", **fields))
        assert caught.value.errno in errno.errorcode
        assert not rig.path("state").exists() or not list(rig.path("state").rglob("*.out"))
        return caught.value

    def test_missing_program(self, rig: Rig) -> None:
        error = self.refusal(rig, "no-such-program")
        assert error.errno == errno.ENOENT
        assert str(error) == (
            "command no-such-program not found in the job's PATH: no such file or directory (ENOENT)"
        )

    def test_path_is_the_jobs(self, rig: Rig) -> None:
        error = self.refusal(rig, "ls", env={"PATH": "/nowhere"})
        assert error.errno == errno.ENOENT

    def test_relative_to_the_jobs_directory(self, rig: Rig) -> None:
        program = rig.path("migrate")
        program.write_text("#!/bin/sh\nexit 0\n")
        error = self.refusal(rig, "./migrate")
        assert error.errno == errno.EACCES
        program.chmod(0o755)
        assert rig.finish(rig.job(["./migrate"]))[0].exit_code == 0

    def test_a_directory_is_no_program(self, rig: Rig) -> None:
        assert self.refusal(rig, str(rig.home)).errno == errno.EACCES

    def test_missing_interpreter_of_a_script(self, rig: Rig) -> None:
        program = rig.path("script")
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
        exit, output = rig.finish(rig.job(["./script"]))
        assert exit.exit_code in (126, 127)
        assert output

    def test_missing_shell(self, rig: Rig) -> None:
        with pytest.raises(SpawnRefused, match="/bin/no-such-shell not found"):
            rig.start(rig.job(ShellCommand("true", shell="/bin/no-such-shell")))

    def test_missing_directory(self, rig: Rig) -> None:
        error = self.refusal(rig, "true", cwd=str(rig.path("nowhere")))
        assert error.errno == errno.ENOENT
        assert "cwd" in str(error) and "nowhere" in str(error)
        rig.path("file").write_text("")
        assert self.refusal(rig, "true", cwd=str(rig.path("file"))).errno == errno.ENOTDIR

    def test_directory_gone_between_look_and_start(self, rig: Rig) -> None:
        rig.path("dir").mkdir()
        spec = rig.spec(rig.job(["true"], cwd=str(rig.path("dir"))))
        rig.path("dir").rmdir()
        with pytest.raises(SpawnRefused, match=r"cwd .*dir: no such file"):
            start(spec)

    def test_unknown_user_and_group(self, rig: Rig) -> None:
        assert "user no-such-user does not exist" in str(self.refusal(rig, "true", user="no-such-user"))
        assert "group no-such-group" in str(self.refusal(rig, "true", group="no-such-group"))

    def test_unreadable_env_file(self, rig: Rig) -> None:
        error = self.refusal(rig, "true", env_file=("missing.env",))
        assert error.errno == errno.ENOENT
        assert "missing.env" in str(error)

    def test_env_file_that_would_block(self, rig: Rig) -> None:
        os.mkfifo(rig.path("pipe.env"))
        assert "not a regular file" in str(self.refusal(rig, "true", env_file=("pipe.env",)))

    def test_huge_text(self, rig: Rig) -> None:
        with pytest.raises(SpawnRefused) as caught:
            rig.start(rig.job(": " + "x" * (129 << 10)))
        assert caught.value.errno == errno.E2BIG
        assert "128 KiB" in str(caught.value)
        assert rig.finish(rig.job(": " + "x" * (120 << 10)))[0].exit_code == 0

    def test_null_bytes(self, rig: Rig) -> None:
        assert self.refusal(rig, "true", "a\0b").errno == errno.EINVAL
        assert self.refusal(rig, "true", env={"A": "a\0b"}).errno == errno.EINVAL

    def test_no_descriptor_left(self, rig: Rig) -> None:
        """EMFILE is a sentence, and the next start works."""
        spec = rig.spec(rig.job(["true"]))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        for allowed in range(6):
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + allowed, hard))
            try:
                with pytest.raises(SpawnRefused) as caught:
                    child = start(spec)
                    rig.started.append((child, spec.marker))
                    wait_exit(child)
                    raise SpawnRefused(errno.EMFILE, "started")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert caught.value.errno == errno.EMFILE
            if str(caught.value) == "started":
                break
            assert caught.value.is_host_trouble
        child = start(spec)
        rig.started.append((child, spec.marker))
        assert wait_exit(child).exit_code == 0

    def test_no_fork_left(self, rig: Rig) -> None:
        """EAGAIN from fork (a limit on processes), as a user without privilege meets it."""
        code = (
            "import os, resource, sys\n"
            "from pathlib import Path\n"
            "from tests.proc.support import Rig\n"
            "from jobrun.proc.spawn import SpawnRefused\n"
            "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
            "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
            "rig = Rig(Path(sys.argv[1]))\n"
            "try: rig.start(rig.job('true'))\n"
            "except SpawnRefused as error: print(error.errno, error.is_host_trouble, error)\n"
        )
        if os.geteuid() != 0:
            pytest.skip("needs root to become somebody without processes")
        home = Path("/tmp", f"jobrun-nofork-{os.getpid()}")
        home.mkdir(mode=0o777)
        home.chmod(0o777)
        try:
            out = subprocess.run(
                [sys.executable, "-c", code, str(home)],
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=False,
            )
            assert out.stdout.startswith(f"{errno.EAGAIN} True cannot start /bin/sh: the host refuses"), out
        finally:
            subprocess.run(["rm", "-rf", str(home)], check=True)

    def test_log_folder_cannot_be_made(self, rig: Rig) -> None:
        rig.path("state").mkdir()
        rig.path("state/logs").write_text("a file in the way")
        with pytest.raises(SpawnRefused, match="cannot open the log file"):
            rig.start(rig.job("true"))

    def test_a_deleted_log_folder_is_made_again(self, rig: Rig) -> None:
        rig.finish(rig.job("echo a"))
        shutil.rmtree(rig.path("state"))
        assert rig.finish(rig.job("echo b"))[1] == b"b\n"


class TestLimits:
    def test_memory(self, rig: Rig) -> None:
        job = rig.job([sys.executable, "-c", "bytearray(600 << 20)"], limits=Limits(memory=300 << 20))
        exit, output = rig.finish(job)
        assert exit.exit_code == 1
        assert b"MemoryError" in output

    def test_cpu_time(self, rig: Rig) -> None:
        exit, _ = rig.finish(rig.job("while :; do :; done", limits=Limits(cpu_time=SECOND)))
        assert exit.signal == signal.SIGXCPU
        assert exit.user_time is not None and exit.system_time is not None
        assert exit.user_time + exit.system_time >= 0.5 * SECOND  # the kernel's own tick count

    def test_open_files(self, rig: Rig) -> None:
        _, output = rig.finish(rig.job("ulimit -S -n; ulimit -H -n", limits=Limits(open_files=64)))
        assert output == b"64\n64\n"

    def test_above_the_hard_limit(self, rig: Rig) -> None:
        """A limit above ours is cut to it; the shell would refuse to start the command."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        exit, output = rig.finish(rig.job("ulimit -H -n", limits=Limits(open_files=hard * 2)))
        assert (exit.exit_code, output) == (0, f"{hard}\n".encode())

    @pytest.mark.parametrize("body", ["sleep 0; nice", ["nice"]])
    def test_nice(self, rig: Rig, body: object) -> None:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        _, output = rig.finish(rig.job(body, nice=5))  # type: ignore[arg-type]
        assert output == f"{own + 5}\n".encode()
        assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_split_streams(rig: Rig) -> None:
    child, spec = rig.start(rig.job("echo a; echo b >&2", output=OutputMode.SPLIT))
    wait_exit(child)
    assert spec.files.err is not None
    assert (spec.files.out.read_bytes(), spec.files.err.read_bytes()) == (b"a\n", b"b\n")


def test_a_restart_does_not_overwrite_the_log(rig: Rig) -> None:
    """TRAPS Output: a restart that overwrote the earlier log."""
    run = rig.run()
    first, spec = rig.start(rig.job("echo one"), run)
    wait_exit(first)
    _, output = rig.finish(rig.job("echo two"), replace(run, attempt=2))
    assert (spec.files.out.read_bytes(), output) == (b"one\n", b"two\n")


def test_a_log_begins_empty_whatever_lies_there(rig: Rig) -> None:
    run = rig.run()
    rig.finish(rig.job("echo one"), run)
    _, output = rig.finish(rig.job("echo two"), run)
    assert output == b"two\n"


def test_files_are_private_and_of_their_day(rig: Rig) -> None:
    child, spec = rig.start(rig.job("echo a"))
    wait_exit(child)
    for path in (spec.files.out, spec.files.status):
        assert path.stat().st_mode & 0o777 == 0o600
    assert spec.files.out.parent.name == "2024-10-04"
    assert OPENED == 20_000 * 86_400 * SECOND
    assert spec.files.out.parent.stat().st_mode & 0o777 == 0o700


def test_whether_anything_ran(rig: Rig) -> None:
    """The sh's first step is on record before the command's: without it, nothing ran."""
    spec = rig.spec(rig.job("true"))
    os.close(open_status(spec.files.status))
    assert not has_begun(spec.files.status)
    assert read_status(spec.files.status) is None
    child, spec = rig.start(rig.job("sh -c 'echo $$ > sleeper; exec sleep 100'; true"))
    rig.pid_in("sleeper")
    assert has_begun(spec.files.status)
    assert read_status(spec.files.status) is None
    kill_tree(child.identity, spec.marker)
    wait_exit(child)
    assert has_begun(spec.files.status)
    assert not has_begun(rig.path("no such file"))


def test_no_descriptor_stays_open(rig: Rig) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    rig.finish(rig.job("true"))
    before = count()
    for number in range(20):
        child, spec = rig.start(rig.job(PythonCall("json:dumps", (1,)) if number % 5 == 0 else "true"))
        wait_exit(child)
        sweep(child.identity, spec.marker)
        child.close()
        with pytest.raises(SpawnRefused):
            rig.start(rig.job(": " + "x" * (200 << 10)))
    assert count() == before


def test_a_missing_sh(rig: Rig) -> None:
    spec = rig.spec(rig.job("true"))
    with pytest.raises(SpawnRefused, match="cannot start /bin/no-sh: no such file or directory") as caught:
        start(replace(spec, argv=("/bin/no-sh", *spec.argv[1:])))
    assert caught.value.errno == errno.ENOENT


def test_our_children_without_the_kernels_list(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel built without CONFIG_PROC_CHILDREN: every process is asked for its parent."""
    child, _ = rig.start(rig.job("sleep 100"))
    other = subprocess.Popen(["sleep", "100"])
    listed = set(kin.children())
    assert {child.identity.pid, other.pid} <= listed
    monkeypatch.setattr(kin, "_has_children_list", lambda: False)
    assert set(kin.children()) == listed
    other.kill()
    other.wait()
