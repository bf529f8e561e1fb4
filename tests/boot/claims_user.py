"""The unit of one user, under the user's own systemd: the same promises, without root."""

import json
from typing import Any

from boot.claims_groups import is_kernels
from boot.guest import Guest

JOBS = '''
[jobs.hog]
command = """/usr/bin/python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"""
limits.memory = "64M"
[jobs.long]
command = "exec sleep 100000"
'''


def as_alice(guest: Guest, command: str) -> str:
    """A command's output, run by the user in a session-less environment as ssh would give it."""
    environment = "XDG_RUNTIME_DIR=/run/user/$(id -u alice) HOME=/home/alice"
    return guest.do(f"cd /home/alice && runuser -u alice -- env {environment} {command}")


def show(guest: Guest, run: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_alice(guest, f"jobrun show {run} --json"))
    return found


def in_state(guest: Guest, run: int, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found = show(guest, run)
        return found if found["state"] == state else {}

    return guest.until(look, f"run {run} to be {state}")


def start(guest: Guest, job: str) -> int:
    return int(json.loads(as_alice(guest, f"jobrun run {job} --json"))["run"])


def a_users_unit_serves_the_user(guest: Guest) -> str:
    guest.do(
        "id alice >/dev/null 2>&1 || useradd -m alice; loginctl enable-linger alice; cd /home/alice;"
        " install -d -o alice .config .config/jobrun .config/systemd .config/systemd/user;"
        " install -m 644 -o alice /root/user.service .config/systemd/user/jobrun.service"
    )
    guest.do(f"cat > /home/alice/.config/jobrun/jobs.toml <<'END'\n{JOBS}\nEND")
    guest.until(lambda: guest.run("systemctl is-active user@$(id -u alice)").code == 0, "alice's systemd")
    as_alice(guest, "systemctl --user daemon-reload")
    as_alice(guest, "systemctl --user enable --now jobrun")
    said = json.loads(as_alice(guest, "jobrun doctor --json"))
    checks = {check["check"]: check for check in said["checks"]}
    assert checks["systemd"]["state"] == checks["linger"]["state"] == "ok", checks
    if is_kernels(guest):
        said = checks["cgroup"]["what"]
        assert "/user@" in said and "memory and pids held by the kernel" in said, said
    return f"{checks['systemd']['what']}; {checks['cgroup']['what']}"


def a_users_limits_are_held(guest: Guest) -> str:
    run = start(guest, "hog")
    end = in_state(guest, run, "done")
    assert (end["outcome"], end["cause"]) == ("failed", "oom" if is_kernels(guest) else "exit_code"), end
    return f"{end['cause']}: {end['detail']}"


def a_users_jobs_survive_a_restart_and_are_given_back_at_a_reboot(guest: Guest) -> str:
    run = start(guest, "long")
    pid = in_state(guest, run, "running")["pid"]
    as_alice(guest, "systemctl --user restart jobrun")
    assert show(guest, run)["pid"] == pid
    guest.machine.reboot()
    guest.until(lambda: guest.run("systemctl is-active user@$(id -u alice)").code == 0, "alice's systemd")
    shown = in_state(guest, run, "running")
    assert shown["attempt"] == 2, shown
    first = shown["attempts"][0]
    assert (first["outcome"], first["cause"], shown["lost"]) == ("cancelled", "shutdown", 0), shown
    return f"pid {pid} over the restart; after the reboot attempt 2 runs, the first was given back"


CLAIMS = (
    a_users_unit_serves_the_user,
    a_users_limits_are_held,
    a_users_jobs_survive_a_restart_and_are_given_back_at_a_reboot,
)
