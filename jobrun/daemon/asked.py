"""What people ask of the engine: runs, stops, pauses, retries. Answers go out after the commit."""

from dataclasses import replace
from typing import Any

from jobrun.daemon import moves
from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book
from jobrun.daemon.inbox import Asked, PauseAsked, RetryAsked, RunAsked, StopAsked
from jobrun.domain.events import StopRequested
from jobrun.domain.instants import to_iso
from jobrun.domain.ledger import Resumed
from jobrun.domain.records import HostEvent, Paused
from jobrun.domain.run import Cause, Delayed, Done, Run, Starting, Trigger


def answer(book: Book, batch: Batch, request: Asked) -> None:
    """Carry out one request."""
    match request:
        case RunAsked():
            _run(book, batch, request)
        case StopAsked():
            _stop(book, batch, request)
        case PauseAsked():
            _pause(book, batch, request)
        case RetryAsked():
            _retry(book, batch, request)


def describe(run: Run) -> dict[str, Any]:
    """A run as the control socket tells it."""
    status = run.status
    done = status if isinstance(status, Done) else None
    return {
        "run": run.id,
        "job": run.job,
        "state": run.state,
        "outcome": done.outcome.value if done else None,
        "cause": done.cause.value if done and done.cause else None,
        "detail": done.detail if done else "",
        "until": to_iso(status.until) if isinstance(status, Delayed) else None,
        "exit_code": done.exit_code if done else None,
    }


def _run(book: Book, batch: Batch, request: RunAsked) -> None:
    if request.bulk is None:
        batch.answer(request.reply, describe(_create(book, batch, request, request.data)))
        return
    runs = [_create(book, batch, request, data) for data in request.bulk]
    skipped = [run.id for run in runs if isinstance(run.status, Done)]
    batch.answer(
        request.reply, {"job": request.job.name, "runs": [run.id for run in runs], "skipped": skipped}
    )


def _create(book: Book, batch: Batch, request: RunAsked, data: str | None) -> Run:
    return moves.create(
        book,
        batch,
        request.job,
        trigger=Trigger(request.trigger),
        start_at=request.at,
        priority=request.priority,
        retry_of=request.retry_of,
        by=request.by,
        data=data,
        resume_from=request.resume_from,
    )


def _stop(book: Book, batch: Batch, request: StopAsked) -> None:
    """Stop what can be stopped now; the answer waits for the runs between intent and process.

    Answered earlier, a wish that only memory holds would be lost with the daemon.
    """
    stopped: list[int] = [*request.stopped]
    over: list[int] = [*request.over]
    starting: list[int] = []
    for run_id in request.runs:
        run = book.runs.get(run_id)
        if run is None:
            over.append(run_id)
            continue
        detail = f"cancelled by {request.by}" if request.by else "cancelled"
        moves.move(book, batch, run, StopRequested(batch.now, Cause.USER, request.by, detail))
        (starting if isinstance(run.status, Starting) else stopped).append(run_id)
    if starting:
        rest = replace(request, runs=tuple(starting), stopped=tuple(stopped), over=tuple(over))
        batch.defer(starting[0], rest)
    else:
        batch.answer(request.reply, {"cancelled": stopped, "already_done": over})


def _pause(book: Book, batch: Batch, request: PauseAsked) -> None:
    key = (request.kind, request.name)
    was_paused = key in book.pauses
    if request.on:
        pause = Paused(request.kind, request.name, batch.now, request.by, request.reason)
        book.set(book.pauses, key, pause)
        batch.facts += [pause, HostEvent(batch.now, "paused", _words(request))]
    elif was_paused:
        book.set(book.pauses, key, None)
        batch.facts.append(Resumed(request.kind, request.name, batch.now))
        batch.facts.append(HostEvent(batch.now, "resumed", _words(request)))
    running = sum(
        run.has_process
        for run in book.runs.values()
        if request.name == (run.job if request.kind == "job" else run.queue)
    )
    batch.note(f"{request.kind}.{'paused' if request.on else 'resumed'}", name=request.name, by=request.by)
    batch.answer(request.reply, {"paused": request.on, "was_paused": was_paused, "running": running})


def _words(request: PauseAsked) -> dict[str, str]:
    """What stays known of a pause when it is over."""
    return {"kind": request.kind, "name": request.name, "by": request.by, "reason": request.reason}


def _retry(book: Book, batch: Batch, request: RetryAsked) -> None:
    retried = []
    for old, job in request.runs:
        run = moves.create(
            book,
            batch,
            job,
            trigger=Trigger.RETRY,
            retry_of=old.id,
            by=request.by,
            priority=old.priority,
            data=old.data,
        )
        retried.append({**describe(run), "run": old.id, "new": run.id})
    batch.answer(request.reply, {"retried": retried})
