"""From the schedule keys of a merged job to the domain's schedules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobrun.conf.merge import KINDS, Layer, Merged
from jobrun.conf.problems import Fault, Key
from jobrun.domain.instants import format_duration, to_iso
from jobrun.domain.job import After, At, Cron, Every, Reboot, Schedule, When


@dataclass(frozen=True, slots=True)
class _Entry:
    """One schedule as a file has it: its table, where that stands, and the level."""

    table: Mapping[str, Any]
    at: Key
    layer: Layer


def build_schedules(merged: Merged, timezone: str) -> tuple[tuple[Schedule, ...], list[tuple[Layer, Fault]]]:
    """The schedules of a job, and what is wrong with them taken together.

    `timezone` is that of `[jobrun]` or the host's. An entry of `schedules` says
    for itself what it says; the rest it has from the job.
    """
    entries = list(_entries(merged))
    built = [_schedule(entry, merged, timezone) for entry in entries]
    faults: list[tuple[Layer, Fault]] = []
    first_with: dict[str, _Entry] = {}
    for entry, schedule in zip(entries, built, strict=True):
        if schedule.key in first_with:
            faults.append((entry.layer, _same_key(schedule, entry, first_with[schedule.key])))
        first_with.setdefault(schedule.key, entry)
        faults.extend((entry.layer, fault) for fault in _bounds(schedule, entry, merged))
        if isinstance(schedule.when, After) and len(entries) > 1:
            sentence = "after counts from the end of the last run, so it must be the job's only schedule"
            faults.append((entry.layer, Fault(sentence, at=(*entry.at, "after"))))
    return tuple(built), faults


def _entries(merged: Merged) -> Iterator[_Entry]:
    for key in KINDS:
        layer = merged.layer_of(key)
        if layer is not None and key in layer.values:
            # Two kinds in one table have been reported; the first stands for both.
            yield _Entry({key: layer.values[key]}, (), layer)
            return
    layer = merged.layer_of("schedules")
    for number, table in enumerate(merged.get("schedules") or ()):
        if layer is not None and any(key in table for key in KINDS):
            yield _Entry(table, ("schedules", number), layer)


def _schedule(entry: _Entry, merged: Merged, timezone: str) -> Schedule:
    def said(key: str, default: Any = None) -> Any:
        return entry.table[key] if key in entry.table else merged.get(key, default)

    when = _when(entry.table)
    return Schedule(
        key=entry.table.get("name") or _own_text(when),
        when=when,
        timezone=said("timezone", timezone),
        spread=said("spread", 0),
        random_delay=said("random_delay", 0),
        not_before=said("not_before"),
        expires=said("expires"),
    )


def _when(table: Mapping[str, Any]) -> When:
    if "cron" in table:
        return Reboot() if table["cron"] == "@reboot" else Cron(table["cron"])
    if "every" in table:
        return Every(table["every"])
    if "after" in table:
        return After(table["after"])
    return At(table["at"])


def _own_text(when: When) -> str:
    match when:
        case Cron(text):
            return text
        case Every(period):
            return f"every {format_duration(period)}"
        case After(pause):
            return f"after {format_duration(pause)}"
        case At(moment):
            return f"at {to_iso(moment)}"
        case Reboot():
            return "@reboot"


def _same_key(schedule: Schedule, entry: _Entry, first: _Entry) -> Fault:
    line = first.layer.document.line((*first.layer.path, *first.at))
    where = f" (line {line})" if line else ""
    return Fault(
        f'the schedule "{schedule.key}" is there already{where}',
        "Give one of them a name of its own.",
        entry.at,
    )


def _bounds(schedule: Schedule, entry: _Entry, merged: Merged) -> Iterator[Fault]:
    start, end = schedule.not_before, schedule.expires
    if start is not None and end is not None and end <= start:
        yield Fault("expires is not after not_before, so no slot is left", at=(*entry.at, "expires"))
        return
    if isinstance(schedule.when, At):
        moment = schedule.when.moment
        if (start is not None and moment < start) or (end is not None and moment > end):
            yield Fault("at is outside of not_before and expires", at=(*entry.at, "at"))
