"""The systemd units: clean, and what they start behaves as their comments say."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from project.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"system": ROOT / "systemd" / "jobrun.service", "user": ROOT / "systemd" / "user" / "jobrun.service"}
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")


def settings(unit: Path) -> dict[str, str]:
    lines = (line for line in unit.read_text("utf-8").splitlines() if not line.startswith(("#", "[")))
    return dict(line.split("=", 1) for line in lines if line)


def is_too_old_for(line: str) -> bool:
    """Whether systemd only says that it is older than the unit's one newer setting."""
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    is_old = int(version.split()[1]) < 254
    return is_old and line.endswith("'DelegateSubgroup' in section [Service], ignoring.")


def verify(kind: str, unit: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    words = ["systemd-analyze", "verify", *(["--user"] if kind == "user" else []), str(unit)]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    return subprocess.run(words, capture_output=True, text=True, env=environ, check=False)


@needs_systemd
@pytest.mark.parametrize("kind", UNITS)
def test_systemd_has_nothing_to_say_about_the_unit(kind, tmp_path):
    """But for the one setting that systemd before 254 does not know, and says that it ignores."""
    done = verify(kind, UNITS[kind], tmp_path)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not is_too_old_for(line)]
    assert (done.returncode, said) == (0, [])


@needs_systemd
@pytest.mark.parametrize("kind", UNITS)
def test_systemd_would_say_something(kind, tmp_path):
    """The check can fail: a wrong key, a program that is not there."""
    text = UNITS[kind].read_text("utf-8")
    for number, (old, new) in enumerate(
        [("KillMode=process", "KillMod=process"), ("/usr/bin/env", "/usr/bin/nev")]
    ):
        unit = tmp_path / str(number) / "jobrun.service"
        unit.parent.mkdir()
        unit.write_text(text.replace(old, new), "utf-8")
        assert [line for line in verify(kind, unit, tmp_path).stderr.splitlines() if not is_too_old_for(line)]


@pytest.mark.parametrize("kind", UNITS)
def test_the_commands_of_the_unit_are_commands_of_jobrun(kind, tmp_path):
    for key in ("ExecStart", "ExecReload"):
        env, program, *words = shlex.split(settings(UNITS[kind])[key])
        assert (env, program) == ("/usr/bin/env", "jobrun")
        done = run([*words, "--help"], environment(tmp_path))
        assert done.returncode == 0
        for option in (word for word in words if word.startswith("--")):
            assert option in done.stdout


@pytest.mark.parametrize("kind", UNITS)
def test_jobs_survive_what_systemd_does_to_the_daemon(kind):
    """KillMode=process and --on-stop leave belong together; a job's OOM kill must not stop the daemon."""
    said = settings(UNITS[kind])
    assert said["Type"] == "notify"
    assert said["KillMode"] == "process"
    assert "--on-stop leave" in said["ExecStart"]
    assert said["OOMPolicy"] == "continue"
    # With the controllers on, the kernel lets no daemon into the delegated group itself.
    assert (said["Delegate"], said["DelegateSubgroup"]) == ("yes", "daemon")
    inherited = ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateUsers", "User")
    assert [key for key in inherited if key in said] == []


def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place),
        "JOBRUN_CONFIG": str(place / "jobs.toml"),
        "JOBRUN_STATE_DIR": str(place / "state"),
    }


def run(words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/env", "jobrun", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)


class Manager:
    """The part of a service manager that a notifying service talks to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.environ = environment(place)
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(place / "notify"))
        self.channel.settimeout(20)

    def start(self) -> subprocess.Popen[bytes]:
        words = shlex.split(settings(UNITS["system"])["ExecStart"])
        environ = {**self.environ, "NOTIFY_SOCKET": str(self.place / "notify")}
        log = (self.place / "daemon.log").open("ab")
        return subprocess.Popen(words, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def reload(self) -> subprocess.CompletedProcess[str]:
        return run(shlex.split(settings(UNITS["system"])["ExecReload"])[2:], self.environ)

    def heard(self, word: str) -> dict[str, str]:
        """The next message that says `word`; what comes before it is passed over."""
        while True:
            message = dict(line.split("=", 1) for line in self.channel.recv(65536).decode().splitlines())
            if message.get(word) == "1":
                return message

    def runs(self, job: str) -> list[dict]:
        return json.loads(run(["history", job, "--json"], self.environ).stdout)["runs"]


@contextmanager
def managed(place: Path):
    manager = Manager(place)
    daemons: list[subprocess.Popen[bytes]] = []
    start = manager.start
    manager.start = lambda: daemons.append(start()) or daemons[-1]
    try:
        yield manager
    finally:
        manager.channel.close()
        if daemons and daemons[-1].poll() is None:
            run(["stop", "--mode", "kill"], manager.environ)
        for daemon in daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


@pytest.mark.slow
def test_a_service_managers_life_with_the_daemon(tmp_path):
    """READY, a reload, a restart that a running job survives, and its true end in the history."""
    jobs = tmp_path / "jobs.toml"
    go = tmp_path / "go"
    jobs.write_text(f"[jobs.long]\ncommand = 'until [ -e {go} ]; do sleep 0.05; done; echo done; exit 7'\n")
    with managed(tmp_path) as manager:
        first = manager.start()
        manager.heard("READY")
        assert run(["run", "long"], manager.environ).returncode == 0
        pid = wait_until(lambda: manager.runs("long")[0]["pid"], "the job to run")

        right = jobs.read_text()
        jobs.write_text(right + "[jobs.more]\ncommand = 'true'\n")
        done = manager.reload()
        assert done.returncode == 0, done.stderr
        assert "more" in done.stdout
        manager.heard("RELOADING")
        manager.heard("READY")
        jobs.write_text("[jobs.long]\ncomand = 'true'\n")
        done = manager.reload()
        assert done.returncode == 4
        assert "comand" in done.stderr
        manager.heard("RELOADING")
        manager.heard("READY")
        for text in (jobs.read_text(), right):
            # The other way to reload, as by `systemctl kill -s HUP`; a bad file is no way to get stuck in it.
            jobs.write_text(text)
            before = time.monotonic_ns() // 1000
            first.send_signal(signal.SIGHUP)
            reloading = manager.heard("RELOADING")
            assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            manager.heard("READY")

        # What KillMode=process does: the signal goes to the daemon alone.
        first.send_signal(signal.SIGTERM)
        manager.heard("STOPPING")
        assert first.wait(20) == 0
        os.kill(pid, 0)
        manager.start()
        manager.heard("READY")
        assert manager.runs("long")[0]["pid"] == pid
        go.touch()
        ended = wait_until(
            lambda: [one for one in manager.runs("long") if one["state"] == "done"], "the job to end"
        )
        assert [(one["outcome"], one["exit_code"], one["attempt"]) for one in ended] == [("failed", 7, 1)]
        assert run(["logs", "long"], manager.environ).stdout == "done\n"


@pytest.mark.slow
def test_what_trying_again_does_not_mend_has_an_exit_code_that_systemd_knows(tmp_path):
    told = settings(UNITS["system"])["RestartPreventExitStatus"].split()
    assert told == settings(UNITS["user"])["RestartPreventExitStatus"].split()
    with managed(tmp_path) as manager:
        (tmp_path / "jobs.toml").write_text("[jobs.a]\ncommand = 'true'\n")
        manager.start()
        manager.heard("READY")
        second = subprocess.run(
            ["/usr/bin/env", "jobrun", "daemon"], env=manager.environ, capture_output=True, check=False
        )
        assert str(second.returncode) in told
        broken = {**manager.environ, "JOBRUN_STATE_DIR": str(tmp_path / "other")}
        (tmp_path / "jobs.toml").write_text("[jobs.a]\n")
        assert str(run(["daemon"], broken).returncode) in told
        assert str(run(["daemon", "--nonsense"], broken).returncode) in told
        nowhere = {**broken, "PATH": str(tmp_path)}
        assert str(run(["daemon"], nowhere).returncode) in told
