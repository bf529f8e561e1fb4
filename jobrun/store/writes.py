"""The statement of each fact: those about the plan and the host here, those about runs in `runwrites`.

The rule: a statement that speaks about something that must be there is
*guarded*, which means it has to change exactly one row.
"""

import json
from typing import Any

from jobrun.domain.ledger import (
    Fact,
    JobListed,
    JobUnlisted,
    MetaSet,
    PoolListed,
    PoolUnlisted,
    QueueListed,
    QueueUnlisted,
    Resumed,
    RunMoved,
    ScheduleGone,
    ScheduleNext,
    ScheduleSeen,
    SlotsDecided,
)
from jobrun.domain.records import DefinitionSeen, HostEvent, Paused, storable
from jobrun.store.runwrites import RUN_WRITES, write_of_move
from jobrun.store.statements import Statement, Write, change, insert, upsert


def write_of(fact: Fact) -> Write:
    """The statement that writes this fact down, alone."""
    if type(fact) is RunMoved:
        return write_of_move(fact)
    return _WRITES[type(fact)]


def _schedule(fact: SlotsDecided | ScheduleNext) -> tuple[str, str]:
    return fact.job, fact.schedule


_WRITES: dict[type[Any], Write] = {
    **RUN_WRITES,
    SlotsDecided: Write(
        change("schedules", "decided_until = ?", "job = ? AND schedule = ?"),
        lambda fact: (fact.until, fact.job, fact.schedule),
        key=_schedule,
    ),
    ScheduleSeen: Write(
        upsert("schedules", "job, schedule", "anchor, decided_until, next_at"),
        lambda fact: (fact.job, fact.schedule, fact.anchor, fact.decided_until, fact.next_at),
    ),
    ScheduleNext: Write(
        # Not guarded: a hint for readers; the schedule may have left the plan meanwhile.
        change("schedules", "next_at = ?", "job = ? AND schedule = ?", guarded=False),
        lambda fact: (fact.next_at, fact.job, fact.schedule),
        key=_schedule,
    ),
    ScheduleGone: Write(
        Statement("DELETE FROM schedules WHERE job = ? AND schedule = ?"),
        lambda fact: (fact.job, fact.schedule),
    ),
    DefinitionSeen: Write(
        insert("definitions", "id, job, digest, body, seen_at"),
        lambda fact: (fact.id, fact.job, fact.digest, fact.body, fact.at),
    ),
    JobListed: Write(
        upsert("jobs", "name", "definition_id, source, enabled"),
        lambda fact: (fact.job, fact.definition_id, storable(fact.source), int(fact.enabled)),
    ),
    JobUnlisted: Write(Statement("DELETE FROM jobs WHERE name = ?"), lambda fact: (fact.job,)),
    MetaSet: Write(upsert("meta", "key", "value"), lambda fact: (fact.key, fact.value)),
    QueueListed: Write(upsert("queues", "name", "concurrency"), lambda fact: (fact.name, fact.concurrency)),
    QueueUnlisted: Write(Statement("DELETE FROM queues WHERE name = ?"), lambda fact: (fact.name,)),
    PoolListed: Write(upsert("pools", "name", "min, max"), lambda fact: (fact.name, fact.min, fact.max)),
    PoolUnlisted: Write(Statement("DELETE FROM pools WHERE name = ?"), lambda fact: (fact.name,)),
    Paused: Write(
        upsert("pauses", "kind, name", "at, by, reason"),
        lambda fact: (fact.kind, fact.name, fact.at, storable(fact.by), storable(fact.reason)),
    ),
    Resumed: Write(
        Statement("DELETE FROM pauses WHERE kind = ? AND name = ?"), lambda fact: (fact.kind, fact.name)
    ),
    HostEvent: Write(
        insert("host_events", "at, kind, detail"),
        lambda fact: (fact.at, fact.kind, json.dumps(dict(fact.detail), sort_keys=True)),
    ),
}
