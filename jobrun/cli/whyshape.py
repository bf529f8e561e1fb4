"""The JSON of `why`. Moments are in the job's zone, in UTC with --utc."""

from datetime import tzinfo
from typing import Any

from jobrun.cli.cells import Look
from jobrun.cli.jobwords import schedule_words
from jobrun.cli.moments import iso
from jobrun.cli.shapes import pause_shape, run_shape, span
from jobrun.cli.whyfind import Answer, SlotAnswer
from jobrun.cli.whywords import headline, sentence
from jobrun.domain.outages import Outage
from jobrun.domain.records import Paused


def why_shape(out: Answer, look: Look, zone: tzinfo, zone_name: str) -> dict[str, Any]:
    """The whole answer."""
    asked = out.asked
    return {
        "job": out.job,
        "timezone": zone_name,
        "from": iso(asked.first, zone),
        "to": iso(asked.end, zone),
        "asked_at": iso(out.now, zone),
        "verdict": out.verdict.value,
        "answer": headline(out, look),
        "slots": [slot_shape(slot, out, look, zone) for slot in out.slots],
        "slot_count": out.count,
        "runs": [run_shape(row, zone) for row in out.runs],
        "before": _near(out.before, zone),
        "after": _near(out.after, zone),
        "definition": _definition(out, zone),
        "paused": _pause(out.pause, zone),
        "outages": [_outage(outage, zone) for outage in out.outages],
        "daemon_running": not out.is_down,
        "remarks": out.remarks,
    }


def slot_shape(slot: SlotAnswer, out: Answer, look: Look, zone: tzinfo) -> dict[str, Any]:
    """One slot of the moment, with the facts behind its verdict."""
    decision = slot.decision
    would = None
    if decision is not None:
        would = {"verdict": "skipped" if decision.cause else "will_run", "detail": decision.detail}
    return {
        "schedule": slot.schedule,
        "at": iso(slot.at, zone),
        "verdict": slot.verdict.value,
        "answer": sentence(slot, out, look),
        "late": span(slot.late),
        "digest": slot.digest,
        "run": run_shape(slot.row, zone) if slot.row is not None else None,
        "in_the_way": run_shape(slot.in_the_way, zone) if slot.in_the_way is not None else None,
        "paused": _pause(slot.pause, zone),
        "would": would,
    }


def _near(slot: SlotAnswer | None, zone: tzinfo) -> dict[str, Any] | None:
    if slot is None or slot.at is None:
        return None
    return {
        "schedule": slot.schedule,
        "at": iso(slot.at, zone),
        "verdict": slot.verdict.value,
        "run": slot.row.run.id if slot.row is not None else None,
    }


def _definition(out: Answer, zone: tzinfo) -> dict[str, Any] | None:
    """What was in force then; `digest` is null if it is only in the job file so far."""
    if out.definition is None or out.span is None:
        return None
    return {
        "digest": out.version.digest if out.version is not None else None,
        "since": iso(out.span.since, zone),
        "until": iso(out.span.until, zone),
        "enabled": out.definition.enabled,
        "schedules": [schedule_words(schedule) for schedule in out.definition.schedules],
    }


def _pause(pause: Paused | None, zone: tzinfo) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {"kind": pause.kind, "name": pause.name, **(pause_shape(pause, zone) or {})}


def _outage(outage: Outage, zone: tzinfo) -> dict[str, Any]:
    return {
        "kind": outage.kind,
        "since": iso(outage.since, zone),
        "until": iso(outage.until, zone),
        "how": outage.how,
    }
