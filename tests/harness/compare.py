"""What cron would have started, what the history says, and what the jobs themselves wrote down.

Three accounts of the same minutes: `expected` from the crontab, the runs of
`jobrun history --json`, and the witness file. `compare` says where they do not
agree, one sentence each; no sentence means that they agree in everything.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from harness.crontab import Line

Slot = tuple[str, datetime]
LATEST_START = timedelta(seconds=5)
# Clocks read by different programs; the witness has nanoseconds, the history microseconds.
SLACK = timedelta(milliseconds=50)


@dataclass
class Witnessed:
    """What one run wrote into the witness file."""

    job: str
    starts: list[datetime] = field(default_factory=list)
    ends: list[tuple[datetime, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison: what was expected, what ran, how late at most, and every discrepancy."""

    expected: frozenset[Slot]
    ran: frozenset[Slot]
    lateness: tuple[float, ...]
    discrepancies: tuple[str, ...]


def minutes_between(begin: datetime, end: datetime) -> list[datetime]:
    """The full minutes after `begin` and up to `end`."""
    minute = begin.replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = []
    while minute <= end:
        found.append(minute)
        minute += timedelta(minutes=1)
    return found


def expected_slots(lines: Iterable[Line], minutes: Sequence[datetime], zone: ZoneInfo) -> frozenset[Slot]:
    """Every start cron would have made in these minutes. Raises ValueError over a change of the clock.

    What Debian's cron does in those nights is not a question to single minutes.
    """
    walls = [(minute, minute.astimezone(zone)) for minute in minutes]
    if len({wall.utcoffset() for _, wall in walls}) > 1:
        raise ValueError(f"the clock of {zone.key} changes in this time")
    return frozenset((line.name, minute) for minute, wall in walls for line in lines if line.starts_at(wall))


def read_witness(text: str, shift: timedelta = timedelta()) -> dict[int, Witnessed]:
    """The witness file by run. `shift` is added to its times, for a daemon under another clock."""
    found: dict[int, Witnessed] = {}
    for line in text.splitlines():
        what, job, run, seconds, *rest = line.split()
        moment = datetime.fromtimestamp(float(seconds), UTC) + shift
        seen = found.setdefault(int(run), Witnessed(job))
        if what == "start":
            seen.starts.append(moment)
        else:
            seen.ends.append((moment, int(rest[0])))
    return found


def compare(
    expected: frozenset[Slot],
    runs: Sequence[dict[str, Any]],
    witness: dict[int, Witnessed],
    *,
    window: Sequence[datetime],
    at_boot: Iterable[str] = (),
) -> Verdict:
    """Hold the three accounts against each other; `runs` are those of `history --json`."""
    boot = set(at_boot)
    found: list[str] = []
    ran: Counter[Slot] = Counter()
    boots: Counter[str] = Counter()
    lateness: list[float] = []
    first, last = (window[0], window[-1]) if window else (None, None)
    for run in sorted(runs, key=lambda one: one["run"]):
        who = f"run {run['run']} of {run['job']}"
        found += [f"{who}: {words}" for words in _oddities(run, witness.get(run["run"]))]
        if run["job"] in boot:
            boots[run["job"]] += 1
            continue
        if run["scheduled_at"] is None:
            continue
        due = datetime.fromisoformat(run["scheduled_at"]).astimezone(UTC)
        if first is None or last is None or not first <= due <= last:
            found.append(f"{who}: due at {due:%H:%M:%S}, outside of the watched time")
            continue
        ran[(run["job"], due)] += 1
        if run["started_at"] is not None:
            late = datetime.fromisoformat(run["started_at"]) - due
            lateness.append(late.total_seconds())
            if not -SLACK <= late <= LATEST_START:
                found.append(f"{who}: started {late.total_seconds():.3f} s after its moment")
    found += _slots(expected, ran)
    found += [
        f"{job}: started {boots[job]} times at boot, not once" for job in sorted(boot) if boots[job] != 1
    ]
    known = {run["run"] for run in runs}
    found += [f"run {run}: in the witness, not in the history" for run in sorted(set(witness) - known)]
    return Verdict(expected, frozenset(ran), tuple(sorted(lateness)), tuple(found))


def _slots(expected: frozenset[Slot], ran: Counter[Slot]) -> Iterable[str]:
    for job, minute in sorted(expected - set(ran), key=_by_time):
        yield f"{job} at {minute:%H:%M} UTC: cron would have started it, the history has nothing"
    for job, minute in sorted(set(ran) - expected, key=_by_time):
        yield f"{job} at {minute:%H:%M:%S} UTC: in the history, cron would not have started it"
    for (job, minute), count in ran.items():
        if count > 1:
            yield f"{job} at {minute:%H:%M} UTC: {count} rows for one slot"


def _by_time(slot: Slot) -> tuple[datetime, str]:
    return slot[1], slot[0]


def _oddities(run: dict[str, Any], seen: Witnessed | None) -> Iterable[str]:
    """Where a row contradicts what cron does or what its process wrote down."""
    if run["state"] != "done":
        yield f"still {run['state']}"
        return
    if run["trigger"] != "schedule":
        yield f"brought about by {run['trigger']}, not by its schedule"
    if run["outcome"] not in ("succeeded", "failed"):
        yield f"{run['outcome']} ({run['cause']}); cron would have run it"
        return
    if run["attempt"] != 1:
        yield f"{run['attempt']} attempts; cron tries once"
    if seen is None:
        yield f"{run['outcome']}, but it never wrote into the witness"
        return
    if seen.job != run["job"]:
        yield f"the witness knows it as {seen.job}"
    if len(seen.starts) != 1 or len(seen.ends) != 1:
        yield f"the witness saw {len(seen.starts)} starts and {len(seen.ends)} ends"
        return
    (ended, status), started = seen.ends[0], seen.starts[0]
    if run["exit_code"] != status:
        yield f"exit code {run['exit_code']}, the witness saw {status}"
    if (run["outcome"] == "succeeded") != (status == 0):
        yield f"{run['outcome']} with exit code {status}"
    if run["started_at"] is None or run["ended_at"] is None:
        yield "ran, but its start or end is not recorded"
        return
    begin, end = datetime.fromisoformat(run["started_at"]), datetime.fromisoformat(run["ended_at"])
    if started < begin - SLACK or ended > end + SLACK:
        yield (
            f"recorded {begin:%H:%M:%S.%f} to {end:%H:%M:%S.%f}, "
            f"the witness saw {started:%H:%M:%S.%f} to {ended:%H:%M:%S.%f}"
        )


def table(verdict: Verdict, minutes: Sequence[datetime], zone: ZoneInfo) -> str:
    """Minute by minute: how many starts cron would have made, how many there were, and which are odd."""
    wanted: dict[datetime, set[str]] = defaultdict(set)
    had: dict[datetime, set[str]] = defaultdict(set)
    for job, minute in verdict.expected:
        wanted[minute].add(job)
    for job, minute in verdict.ran:
        had[minute].add(job)
    rows = ["minute            cron  jobrun"]
    for minute in sorted({*minutes, *had}):
        odd = sorted(wanted[minute] ^ had[minute])
        wall = minute.astimezone(zone)
        mark = f"  differs: {', '.join(odd)}" if odd else ""
        rows.append(f"{wall:%a %Y-%m-%d %H:%M} {len(wanted[minute]):>5} {len(had[minute]):>7}{mark}")
    return "\n".join(rows)
