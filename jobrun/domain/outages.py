"""When nobody was there to decide: told from the events that daemons leave in the history.

A daemon says when it started, and when a daemon before it was last alive; when
it stopped; that the host slept, that it was itself held up, that the clock was
set, that the store was in trouble. From these come stretches of time, each
with its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobrun.domain.instants import SECOND, Instant, from_datetime
from jobrun.domain.records import HostEvent

KINDS = (
    "daemon_started",
    "daemon_stopped",
    "suspended",
    "stalled",
    "clock_stepped",
    "store_recovered",
)


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of time and what was wrong in it.

    `kind` is `down`, `suspended`, `stalled`, `clock_forward`, `clock_back` or
    `store`. `since` None: since before anything is known; `until` None: still.
    Of `clock_back` the stretch is what the clock showed twice.
    """

    kind: str
    since: Instant | None
    until: Instant | None
    how: str

    def meets(self, first: Instant, last: Instant) -> bool:
        """Whether it has a moment in common with [first, last]."""
        return (self.since is None or self.since <= last) and (self.until is None or first <= self.until)


def outages(events: Sequence[HostEvent], *, down_since: Instant | None = None) -> list[Outage]:
    """The outages that the events tell of; the events are given in the order in which they happened.

    `down_since` is set if no daemon lives now: when one was last alive. A
    daemon's word about its own stop is better than that, and is used instead.
    """
    found: list[Outage] = []
    stopped: HostEvent | None = None
    boot: object = None
    seen_any = False
    for event in events:
        detail = event.detail
        match event.kind:
            case "daemon_started":
                found += _down(event, stopped, boot if seen_any else None)
                boot, stopped, seen_any = detail.get("boot_id"), None, True
            case "daemon_stopped":
                stopped, seen_any = event, True
            case "suspended" | "stalled":
                since = _instant(detail.get("since"))
                if since is not None:
                    length = detail.get("seconds")
                    until = since + round(length * SECOND) if isinstance(length, int | float) else event.at
                    found.append(Outage(event.kind, since, until, _HOW[event.kind]))
            case "clock_stepped":
                found += _step(detail.get("from"), detail.get("to"))
            case "store_recovered":
                since = _instant(detail.get("since"))
                found.append(Outage("store", since, event.at, str(detail.get("trouble") or "")))
            case _:
                pass
    if down_since is not None:
        found.append(
            Outage("down", stopped.at, None, _stop_words(stopped))
            if stopped is not None
            else Outage("down", down_since, None, "it ended without a word")
        )
    return found


_HOW = {"suspended": "the host was asleep", "stalled": "the daemon was held up"}


def _down(started: HostEvent, stopped: HostEvent | None, boot: object) -> list[Outage]:
    """How long there was no daemon before this one, and why."""
    if stopped is not None:
        since: Instant | None = stopped.at
        how = _stop_words(stopped)
    else:
        since = _instant(started.detail.get("last_seen"))
        how = "it ended without a word"
    now_boot = started.detail.get("boot_id")
    if boot is not None and now_boot is not None and boot != now_boot:
        how += "; the host was started anew"
    # The first daemon of all has just made its lock; and a clock may have been set back meanwhile.
    if since is None or started.at - since < SECOND:
        return []
    return [Outage("down", since, started.at, how)]


def _stop_words(stopped: HostEvent) -> str:
    mode = stopped.detail.get("mode")
    return f"it was stopped ({mode})" if mode else "it was stopped"


def _step(before: object, after: object) -> list[Outage]:
    first, last = _instant(before), _instant(after)
    if first is None or last is None:
        return []
    if last >= first:
        return [Outage("clock_forward", first, last, "the clock was set forward over this")]
    return [Outage("clock_back", last, first, "the clock was set back over this, so that it came twice")]


def _instant(text: object) -> Instant | None:
    if not isinstance(text, str):
        return None
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        return None
