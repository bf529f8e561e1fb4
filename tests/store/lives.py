"""Runs and facts to test the store with."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jobrun.domain.instants import SECOND
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Fact,
    JobListed,
    QueueListed,
    RunCreated,
    RunMoved,
    ScheduleSeen,
)
from jobrun.domain.records import DefinitionSeen
from jobrun.domain.run import (
    AttemptEnd,
    Cause,
    Done,
    Outcome,
    ProcessIdentity,
    Queued,
    Run,
    Running,
    Slot,
    Starting,
    Trigger,
)
from jobrun.store.writer import Ledger

AT = 1_700_000_000 * SECOND
EVERY = "every 1s"
PROCESS = ProcessIdentity(4711, 123456, "0d7f5b7c-9f0c-4a53-9d3b-2f4a4a1f6c11")


def the_plan(*jobs: str) -> list[Fact]:
    """One definition (ids from 1), one listing and one schedule for each job."""
    facts: list[Fact] = [QueueListed("default", 4)]
    for number, job in enumerate(jobs or ("backup",), start=1):
        facts.append(DefinitionSeen(number, job, f"{number:012x}", f'{{"name":"{job}"}}', AT))
        facts.append(JobListed(job, number, f"jobs.toml:{number}", enabled=True))
        facts.append(ScheduleSeen(job, EVERY, AT, AT, None))
    return facts


def a_ledger(directory: Path, *jobs: str, busy_timeout: float = 5.0) -> Ledger:
    ledger = Ledger(directory / "jobrun.db", busy_timeout=busy_timeout)
    ledger.commit(the_plan(*jobs))
    return ledger


def queued(number: int, job: str = "backup", *, at: int | None = None, has_slot: bool = True, **more) -> Run:
    created = AT + number * SECOND if at is None else at
    fields = {
        "id": number,
        "job": job,
        "queue": "default",
        "definition_id": 1,
        "trigger": Trigger.SCHEDULE if has_slot else Trigger.MANUAL,
        "status": Queued(created),
        "created_at": created,
        "slot": Slot(EVERY, created) if has_slot else None,
        **more,
    }
    return Run(**fields)


def admitted(run: Run) -> Run:
    return replace(
        run, status=Starting(run.created_at + 10), attempt=run.attempt + 1, charged=run.charged + 1
    )


def running(run: Run) -> Run:
    return replace(run, status=Running(PROCESS, run.created_at + 20))


def done(run: Run, outcome: Outcome = Outcome.SUCCEEDED, cause: Cause | None = None, **more) -> Run:
    return replace(run, status=Done(outcome, cause, run.created_at + 30, **more))


def an_end(run: Run) -> AttemptEnd:
    assert isinstance(run.status, Done)
    status = run.status
    return AttemptEnd(
        ended_at=status.ended_at, outcome=status.outcome, cause=status.cause, exit_code=status.exit_code
    )


def whole_life(
    run: Run, outcome: Outcome = Outcome.SUCCEEDED, cause: Cause | None = None
) -> Iterator[list[Fact]]:
    """The batches of a run from its slot to its end."""
    starting = admitted(run)
    started = running(starting)
    ended = done(started, outcome, cause)
    yield [RunCreated(run)]
    yield [RunMoved(run, starting), AttemptOpened(starting.fence, run.created_at + 10)]
    yield [RunMoved(starting, started), AttemptStarted(started.fence, PROCESS, run.created_at + 20)]
    yield [RunMoved(started, ended), AttemptClosed(ended.fence, an_end(ended))]


def finished(run: Run, outcome: Outcome = Outcome.SUCCEEDED, cause: Cause | None = None) -> list[Fact]:
    """All facts of a run's life, for one batch."""
    return [fact for batch in whole_life(run, outcome, cause) for fact in batch]
