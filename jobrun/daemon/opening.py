"""What a starting daemon makes of the store and the host before anything runs."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from jobrun import __version__
from jobrun.daemon.book import Book, Cursor
from jobrun.domain.definition import decode
from jobrun.domain.instants import Instant, to_iso
from jobrun.store.snapshot import Snapshot

# How often a starting daemon looks whether its store is in trouble, in seconds.
_LOOK = 0.05


def book_of(snapshot: Snapshot) -> Book:
    """The engine's memory as the store has it."""
    book = Book()
    book.definitions = dict(snapshot.definitions)
    book.jobs_by_definition = {key: decode(body) for key, body in snapshot.bodies.items()}
    for run in snapshot.live:
        book.put(run)
    book.cursors = {
        where: Cursor(cursor.anchor, cursor.decided_until) for where, cursor in snapshot.cursors.items()
    }
    book.pauses = {(pause.kind, pause.name): pause for pause in snapshot.pauses}
    book.ended = dict(snapshot.last_ended)
    book.planned_before = dict(snapshot.planned)
    book.last_run_id = snapshot.last_run_id
    book.last_definition_id = snapshot.last_definition_id
    book.clock_pass = int(snapshot.meta.get("clock_pass", "0"))
    book.repeated_until = int(snapshot.meta.get("repeated_until", "0"))
    book.keep()
    return book


async def until_planned(planned: "asyncio.Future[dict[str, object]]", in_trouble: Callable[[], bool]) -> None:
    """Wait for the plan to be in force; but not on a store in trouble: `status` shall say so.

    Raises what kept the engine from taking it over.
    """
    while not planned.done() and not in_trouble():
        await asyncio.wait({planned}, timeout=_LOOK)
    if planned.done():
        planned.result()


def host_id(store_id: str) -> str:
    """What spreads this host's starts differently from the next host's, stable over restarts."""
    try:
        return Path("/etc/machine-id").read_text().strip() or store_id
    except OSError:
        return socket.gethostname() or store_id


def start_facts(pid: int, boot_id: str, last_seen: Instant | None) -> dict[str, object]:
    """What the history is told of a start."""
    seen = "" if last_seen is None else to_iso(last_seen)
    return {"version": __version__, "pid": pid, "boot_id": boot_id, "last_seen": seen}
