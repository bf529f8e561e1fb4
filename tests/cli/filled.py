"""A store as a daemon would have left it, with fixed times: the base of most tests here.

The runs go through the real state machine and the real ledger.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobrun.domain.definition import digest, encode
from jobrun.domain.events import Admitted, DelayOver, Exited, RunEvent, Spawned, SpawnFailed
from jobrun.domain.instants import HOUR, MINUTE, SECOND, Instant, from_datetime
from jobrun.domain.job import (
    ArgvCommand,
    Backoff,
    Cron,
    Every,
    Job,
    OutputMode,
    RetryPolicy,
    Schedule,
    ShellCommand,
)
from jobrun.domain.ledger import (
    Fact,
    JobListed,
    PoolListed,
    QueueListed,
    Reported,
    RunCreated,
    RunMoved,
    ScheduleSeen,
)
from jobrun.domain.lifecycle import step
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept, Paused
from jobrun.domain.report import Progress, Report
from jobrun.domain.run import (
    Cause,
    Delayed,
    DelayReason,
    Done,
    Exit,
    Fence,
    Outcome,
    ProcessIdentity,
    Queued,
    Run,
    Slot,
    Trigger,
)
from jobrun.store.writer import Ledger

NOON: Instant = from_datetime(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
PROCESS = ProcessIdentity(4242, 100, "boot")


def schedule(when: Cron | Every, key: str) -> Schedule:
    return Schedule(key=key, when=when, timezone="Europe/Berlin")


JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job(
            name="backup",
            description="Nightly dump",
            body=ShellCommand("pg_dump app > /backups/app.sql"),
            schedules=(schedule(Cron("0 3 * * *"), "0 3 * * *"),),
            tags=("db",),
            timeout=2 * HOUR,
        ),
        Job(
            name="poll",
            body=ArgvCommand(("curl", "-fsS", "a b")),
            schedules=(schedule(Every(30 * SECOND), "every 30s"),),
        ),
        Job(
            name="report",
            body=ShellCommand("make report"),
            schedules=(schedule(Cron("@hourly"), "@hourly"),),
            retry=RetryPolicy(attempts=3, delay=10 * SECOND, backoff=Backoff.FIXED),
            output=OutputMode.SPLIT,
        ),
        Job(
            name="mirror",
            body=ShellCommand("rsync x y"),
            schedules=(schedule(Every(HOUR), "every 1h"),),
            queue="net",
        ),
        Job(
            name="old",
            body=ShellCommand("true"),
            enabled=False,
            schedules=(schedule(Cron("@daily"), "@daily"),),
        ),
        Job(name="manual", body=ShellCommand("true")),
    )
}
IDS = {name: number for number, name in enumerate(JOBS, 1)}
NEXT = {
    "backup": NOON + 14 * HOUR,
    "poll": NOON + 30 * SECOND,
    "report": NOON + HOUR,
    "mirror": NOON + 20 * MINUTE,
}


class Filling:
    """Writes facts into a store, run by run."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.ledger = Ledger(state_dir / "jobrun.db")
        self.facts: list[Fact] = []
        self._id = 0
        self._definition = len(JOBS)

    def plan(self) -> None:
        self.facts.append(HostEvent(NOON - HOUR, "daemon_started"))
        for name, job in JOBS.items():
            body = encode(job)
            self.facts.append(DefinitionSeen(IDS[name], name, digest(body), body, NOON - 24 * HOUR))
            self.facts.append(
                JobListed(name, IDS[name], f"/etc/jobrun/jobs.toml:{10 * IDS[name]}", job.enabled)
            )
            for item in job.schedules:
                upcoming = NEXT.get(name) if job.enabled else None
                self.facts.append(ScheduleSeen(name, item.key, NOON - 24 * HOUR, NOON, upcoming))
        self.facts += [QueueListed("default", 4), QueueListed("net", None), PoolListed("default", 0, None)]
        self.facts.append(Paused("job", "mirror", NOON - HOUR, "alice", "disk is being replaced"))
        self.facts.append(Paused("queue", "net", NOON - MINUTE, "bob"))

    def run(self, name: str, at: Instant, *, slot: bool = True, **more: object) -> Run:
        """A new queued run, not yet written."""
        self._id += 1
        job = JOBS[name]
        fields: dict[str, object] = {
            "id": self._id,
            "job": name,
            "queue": job.queue,
            "definition_id": IDS[name],
            "trigger": Trigger.SCHEDULE if slot else Trigger.MANUAL,
            "status": Queued(at),
            "created_at": at,
            "slot": Slot(job.schedules[0].key, at) if slot else None,
            "max_attempts": job.retry.attempts,
            "requested_by": "" if slot else "alice",
        }
        return Run(**{**fields, **more})  # type: ignore[arg-type]

    def create(self, run: Run) -> Run:
        self.facts.append(RunCreated(run))
        return run

    def drive(self, run: Run, *events: RunEvent) -> Run:
        for event in events:
            result = step(run, event, JOBS.get(run.job) or Job(name=run.job, body=ShellCommand("x")))
            self.facts += [RunMoved(run, result.after), *result.facts]
            run = result.after
        return run

    def start(self, run: Run, at: Instant) -> Run:
        return self.drive(run, Admitted(at), Spawned(at + SECOND // 100, PROCESS))

    def finish(
        self, run: Run, at: Instant, code: int = 0, *, report: Report | None = None, **more: int
    ) -> Run:
        end = Exit(
            ended_at=at, exit_code=code, user_time=1_500_000, system_time=250_000, max_rss=30 << 20, **more
        )
        if report is not None and report != Report():
            self.facts.append(Reported(run.fence, report))
        return self.drive(run, Exited(at, end, 0.5, report=report))

    def again(self, run: Run) -> Run:
        """The next attempt of a run that waits for it."""
        assert isinstance(run.status, Delayed)
        later = run.status.until
        return self.start(self.drive(run, DelayOver(later)), later)

    def printed(
        self, run: Run, body: bytes | None, stream: str = "out", attempt: int | None = None, **more: object
    ) -> None:
        fence = Fence(run.id, attempt or run.attempt)
        size = len(body or b"")
        self.facts.append(OutputKept(fence, stream, **{"size": size, "body": body, **more}))  # type: ignore[arg-type]

    def close(self) -> None:
        self.ledger.commit(self.facts)
        self.ledger.close()


def say_progress(state_dir: Path) -> None:
    """What the running run 4 has said of itself."""
    attempts = state_dir / "attempts"
    attempts.mkdir(exist_ok=True)
    note = {"percent": 37.5, "state": "fetch", "meta": {"file": 3}, "at": NOON - 2 * SECOND}
    (attempts / "4.1.notes").write_text(f"{json.dumps(note):<1023}\n")


def fill(state_dir: Path) -> None:
    """Make the store. Runs 1 … 9, as the tests know them."""
    state_dir.mkdir(parents=True, exist_ok=True)
    it = Filling(state_dir)
    it.plan()
    night = NOON - 9 * HOUR

    backup = it.start(it.create(it.run("backup", night)), night + SECOND)  # 1: succeeded
    backup = it.finish(backup, night + 5 * MINUTE, report=Report(result='{"rows":1200,"file":"app.sql"}'))
    it.printed(backup, b"dumping\n\x1b[32mdone\x1b[0m\n")

    report = it.start(it.create(it.run("report", NOON - HOUR)), NOON - HOUR)  # 2: failed after 3 attempts
    for number in range(3):
        moment = NOON - HOUR + (number * 20 + 5) * SECOND
        it.printed(report, b"try %d\n" % (number + 1))
        it.printed(report, b"bad \xff byte\n", "err")
        progress = Progress(moment - SECOND, 80.0, "upload", {"part": 4}) if number == 2 else None
        report = it.finish(report, moment, 3, left_behind=number, report=Report(progress=progress))
        if isinstance(report.status, Delayed):
            report = it.again(report)

    missed = it.run("poll", NOON - 3 * HOUR)  # 3: a missed stretch
    it.create(
        replace(
            missed,
            slot=Slot("every 30s", NOON - 3 * HOUR, last=NOON - 2 * HOUR, count=121),
            status=Done(
                Outcome.SKIPPED,
                Cause.MISSED,
                NOON - HOUR,
                "no daemon was there at its time; catch_up is none",
            ),
            created_at=NOON - HOUR,
        )
    )
    it.start(it.create(it.run("poll", NOON - 30 * SECOND)), NOON - 30 * SECOND)  # 4: running
    overlap = it.run("poll", NOON)  # 5: skipped
    it.create(
        replace(
            overlap,
            status=Done(Outcome.SKIPPED, Cause.OVERLAP, NOON, "run 4 of this job is unfinished (running)"),
        )
    )
    it.create(it.run("mirror", NOON - 50 * SECOND, slot=False))  # 6: queued in a paused queue
    retrying = it.start(
        it.create(it.run("report", NOON - 8 * SECOND, slot=False)), NOON - 8 * SECOND
    )  # 7: delayed
    it.finish(retrying, NOON - 5 * SECOND, 1)
    later = it.run("manual", NOON - MINUTE, slot=False)  # 8: asked for later
    it.create(replace(later, status=Delayed(NOON + HOUR, DelayReason.REQUESTED)))
    spawn = it.create(it.run("manual", NOON - 2 * MINUTE, slot=False))  # 9: could not be started
    it.drive(
        spawn,
        Admitted(NOON - 2 * MINUTE),
        SpawnFailed(NOON - 2 * MINUTE, "/nowhere/bin: no such file or directory", 0.5),
    )
    it.close()
