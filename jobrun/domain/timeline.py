"""Which definition of a job was in force when.

Made of what the daemon noted whenever a plan changed: by job, the definition
before and after. The rule: a definition counts from the moment at which a
daemon took it over, not from when a person wrote it; and definitions that were
never in the plan (a start by hand with another environment) have no span.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobrun.domain.instants import Instant
from jobrun.domain.records import HostEvent

PLAN_EVENTS = ("planned", "reloaded")


@dataclass(frozen=True, slots=True)
class Redefined:
    """At `at` a job's definition in the plan became `new` instead of `old`; None: it was not in the plan."""

    at: Instant
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (not included) to `until` (included, None: still) this definition was in force.

    `definition` None: the job was not in the plan. The ends are those of the
    slots: what is due at the very moment of a change is decided before it.
    """

    since: Instant
    until: Instant | None
    definition: int | None

    def holds(self, moment: Instant) -> bool:
        """Whether a slot at this moment belongs to the span."""
        return self.since < moment and (self.until is None or moment <= self.until)


def redefinitions(job: str, events: Iterable[HostEvent]) -> list[Redefined]:
    """The changes of one job among the events of the host, in their order."""
    found: list[Redefined] = []
    for event in events:
        versions = event.detail.get("versions")
        if event.kind in PLAN_EVENTS and isinstance(versions, Mapping) and job in versions:
            old, new = versions[job]
            found.append(Redefined(event.at, old, new))
    return found


def spans_of(
    changes: Sequence[Redefined], first_seen: Mapping[int, Instant], listed: int | None
) -> list[Span]:
    """The spans of a job, oldest first, without a gap.

    `changes` are in the order in which they happened; `first_seen` says when a
    definition was first seen, for the one before the first change that is
    still known; `listed` is the one in the plan as it is now.
    """
    begun: list[tuple[Instant, int | None]] = []
    if changes and changes[0].old is not None:
        begun.append((first_seen.get(changes[0].old, changes[0].at), changes[0].old))
    begun += [(change.at, change.new) for change in changes]
    if (begun[-1][1] if begun else None) != listed:
        latest = begun[-1][0] if begun else 0
        begun.append((max(latest, 0 if listed is None else first_seen.get(listed, latest)), listed))
    spans: list[Span] = []
    for number, (since, definition) in enumerate(begun):
        until = begun[number + 1][0] if number + 1 < len(begun) else None
        if until is None or until > since:  # a clock set back leaves a change that was never in force
            spans.append(Span(since, until, definition))
    return spans


def span_at(spans: Sequence[Span], moment: Instant) -> Span | None:
    """The span that a slot at this moment belongs to; None before the first."""
    return next((span for span in reversed(spans) if span.holds(moment)), None)
