"""jobrun inside the machine, as its commands and systemd's see it; waits for conditions, never for time."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from boot.machine import Machine, Unwell

T = TypeVar("T")
GROUP = "/sys/fs/cgroup/system.slice/jobrun.service"
PATIENCE = 300.0  # an emulated processor on a busy host is slow


class Guest:
    """What the claims ask of the machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.do = machine.do
        self.run = machine.run

    def json(self, command: str) -> dict[str, Any]:
        """A reading command's answer; exit 1 is an answer too."""
        answer = self.run(f"jobrun {command} --json")
        if answer.code not in (0, 1):
            raise Unwell(f"jobrun {command} ended with {answer.code}: {answer.err}")
        found: dict[str, Any] = json.loads(answer.out)
        return found

    def write_jobs(self, text: str) -> None:
        """The job file of the host."""
        self.do(f"mkdir -p /etc/jobrun; cat > /etc/jobrun/jobs.toml <<'END'\n{text}\nEND")

    def fresh(self, text: str) -> None:
        """An empty history under this job file, and a daemon that serves it."""
        self.run("systemctl stop jobrun")
        # What an earlier claim's jobs left is ended by its control group.
        self.run(f"for group in {GROUP}/jobrun-*; do echo 1 > $group/cgroup.kill; done")
        self.do("rm -rf /var/lib/jobrun/* /root/go /root/escapee")
        self.write_jobs(text)
        self.do("systemctl start jobrun")

    def start(self, job: str) -> int:
        """Start a job and wait until it runs; its run id."""
        number = int(json.loads(self.do(f"jobrun run {job} --json"))["run"])
        return int(self.in_state(number, "running", "done")["run"])

    def show(self, run: int) -> dict[str, Any]:
        """A run with its attempts."""
        return self.json(f"show {run}")

    def in_state(self, run: int, *states: str) -> dict[str, Any]:
        """The run once it is in one of the states."""

        def look() -> dict[str, Any]:
            found = self.show(run)
            return found if found["state"] in states else {}

        return self.until(look, f"run {run} to be {'/'.join(states)}")

    def done(self, run: int) -> dict[str, Any]:
        """The run once it has ended."""
        return self.in_state(run, "done")

    def each_second_once(self, job: str) -> int:
        """Check that a job of every second has one row for each; how many rows that are."""
        rows = sorted(self.runs(job), key=lambda row: str(row["scheduled_at"]))
        due = None
        for row in rows:
            slot = datetime.fromisoformat(row["scheduled_at"])
            assert due is None or slot == due, f"row {row['run']} is of {slot}, due was {due}"
            last = row["last_slot_at"] or row["scheduled_at"]
            due = datetime.fromisoformat(last) + timedelta(seconds=1)
        return len(rows)

    def runs(self, job: str = "") -> list[dict[str, Any]]:
        """The runs of the history, oldest first."""
        return list(reversed(self.json(f"history {job} -n 100000")["runs"]))

    def of_unit(self, name: str) -> str:
        """A property of the unit as systemd tells it."""
        return self.do(f"systemctl show -p {name} --value jobrun").strip()

    def until(self, look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """The first true answer; Unwell after `patience` seconds."""
        deadline = time.monotonic() + patience
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise Unwell(f"waited {patience:g} s for {what}; last seen: {seen!r}")
            time.sleep(0.2)
        return seen
