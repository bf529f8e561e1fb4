"""TRAPS Processes: leaked into jobs elsewhere: descriptors, signal masks, SIGPIPE ignored, umask, rlimits.

What Debian's cron gives a job, measured there: nothing blocked, nothing
ignored, umask 022, the daemon's own first rlimits, a session of its own,
descriptors 0, 1 and 2, the home directory.
"""

import grp
import json
import os
import pwd
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobrun.proc.files import read_status
from jobrun.proc.spawn import SpawnRefused
from tests.proc.support import Rig, wait_exit

ROOT = Path(__file__).parents[2]
REPORT = str(Path(__file__).parent / "report.py")
# CPython itself ignores these two when it starts, in the report as everywhere.
PYTHONS_OWN = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
# The C library keeps 32 and 33 for itself; its posix_spawn, which make uses, leaves them ignored.
C_LIBRARYS_OWN = 3 << 31
NOT_OURS = PYTHONS_OWN | C_LIBRARYS_OWN

DIRTY_DAEMON = """
import os, resource, signal, sys, threading
from pathlib import Path
# How a careless parent starts us:
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
os.umask(0o077)
leak = os.open("/etc/passwd", os.O_RDONLY)
os.set_inheritable(leak, True)

from jobrun.proc.inheritance import clean_inheritance, raise_open_files
from tests.proc.support import Rig, wait_exit
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 600))
clean_inheritance()
raise_open_files()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (600, 600)
os.kill(os.getpid(), signal.SIGHUP)
rig = Rig(Path(sys.argv[1]))
_, output = rig.finish(rig.job([sys.executable, sys.argv[2]]) if sys.argv[3] == "argv"
                       else rig.job(f"{sys.executable} {sys.argv[2]}"))
sys.stdout.buffer.write(output)
"""


@pytest.mark.parametrize("kind", ["argv", "shell"])
def test_a_job_of_a_dirty_daemon_starts_clean(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIRTY_DAEMON, str(tmp_path), REPORT, kind],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["descriptors"].keys() == {"0", "1", "2"}
    assert report["descriptors"]["0"] == "/dev/null"
    assert report["descriptors"]["1"] == report["descriptors"]["2"]
    assert report["umask"] == "0022"
    assert report["blocked"] == 0
    assert report["ignored"] & ~NOT_OURS == 0
    assert [300, 600] in report["limits"]
    assert report["session"] == report["group"]
    assert report["terminal"] == "0"
    assert report["cwd"] == str(tmp_path)


@pytest.mark.parametrize("body", [["cat", "/proc/self/status"], "cat /proc/self/status; true"])
def test_sigpipe_is_at_its_default(rig: Rig, body: Any) -> None:
    """Seen by a program that is not Python."""
    _, output = rig.finish(rig.job(body))
    lines = dict(line.split(":\t", 1) for line in output.decode().splitlines() if ":\t" in line)
    assert int(lines["SigIgn"], 16) & ~C_LIBRARYS_OWN == 0
    assert int(lines["SigBlk"], 16) == int(lines["SigCgt"], 16) == 0


def test_a_broken_pipe_ends_the_writer(rig: Rig) -> None:
    exit, output = rig.finish(rig.job("yes | head -n 1"))
    assert (exit.exit_code, output) == (0, b"y\n")


def report(rig: Rig, **fields: Any) -> dict[str, Any]:
    exit, output = rig.finish(rig.job([sys.executable, REPORT], **fields))
    assert exit.exit_code == 0, output
    return json.loads(output)  # type: ignore[no-any-return]


def test_umask_and_directory(rig: Rig) -> None:
    rig.path("sub").mkdir()
    seen = report(rig, umask=0o007, cwd="${HOME}/sub")
    assert seen["umask"] == "0007"
    assert seen["cwd"] == str(rig.path("sub"))


def test_home_is_the_default_directory(rig: Rig) -> None:
    assert report(rig, cwd=None)["cwd"] == str(rig.home)
    rig.base["HOME"] = "/no/such/home"
    assert report(rig, cwd=None)["cwd"] == "/"


def test_limits_of_the_daemon_do_not_change(rig: Rig) -> None:
    names = [name for name in sorted(dir(resource)) if name.startswith("RLIMIT_")]
    assert report(rig)["limits"] == [list(resource.getrlimit(getattr(resource, name))) for name in names]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")


@pytest.fixture
def open_home(rig: Rig) -> Rig:
    """The temporary directories above are private; another user must get through."""
    path = rig.home
    while path != Path("/tmp") and path != path.parent:
        path.chmod(path.stat().st_mode | 0o055)
        path = path.parent
    return rig


@needs_root
def test_another_user_has_his_groups_and_home(open_home: Rig) -> None:
    """TRAPS Processes: setuid without initgroups keeps root's groups (yacron)."""
    entry = pwd.getpwnam("nobody")
    exit, output = open_home.finish(
        open_home.job("id -u; id -g; id -G; echo $HOME $USER $LOGNAME; umask", user="nobody", cwd="/")
    )
    groups = " ".join(map(str, os.getgrouplist("nobody", entry.pw_gid)))
    names = f"{entry.pw_dir} nobody nobody"
    assert output.decode().splitlines() == [str(entry.pw_uid), str(entry.pw_gid), groups, names, "0022"]
    assert exit.exit_code == 0


@needs_root
def test_supplementary_groups_are_complete(open_home: Rig) -> None:
    """Like `sudo -u`, from the same group database."""
    candidates = [name for name in ("man", "mail", "backup", "www-data", "games") if _has_user(name)]
    for name in candidates:
        _, output = open_home.finish(open_home.job("id -G", user=name, cwd="/"))
        asked = subprocess.run(["id", "-G", name], capture_output=True, check=True)
        assert sorted(output.split()) == sorted(asked.stdout.split())


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@needs_root
def test_another_users_outcome_is_recorded_too(open_home: Rig) -> None:
    """He may not open the status file or the log; he inherits them."""
    child, spec = open_home.start(open_home.job("echo a > /dev/stderr; exit 5", user="nobody", cwd="/"))
    assert wait_exit(child).exit_code == 5
    written = read_status(spec.files.status)
    assert written is not None and written.exit_code == 5
    assert spec.files.out.read_bytes() == b"a\n"


@needs_root
def test_a_group_alone(open_home: Rig) -> None:
    _, output = open_home.finish(open_home.job("id -u; id -g", group="daemon", cwd="/"))
    assert output.decode().split() == ["0", str(grp.getgrnam("daemon").gr_gid)]


@needs_root
def test_negative_nice_for_another_user(open_home: Rig) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    _, output = open_home.finish(open_home.job(["nice"], user="nobody", cwd="/", nice=-5))
    assert output.decode().strip() == str(own - 5)


@needs_root
def test_a_program_the_user_may_not_execute(open_home: Rig) -> None:
    program = open_home.path("private")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    with pytest.raises(SpawnRefused, match="cannot be executed: permission denied"):
        open_home.start(open_home.job(["./private"], user="nobody"))
