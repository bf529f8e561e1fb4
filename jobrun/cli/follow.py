"""Following a run's output while it runs: over its attempts, and over a restart of the daemon.

Only the store and the files are looked at, several times a second; the daemon
is not asked, so it may come and go.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial

from jobrun.cli.attemptlog import STREAMS, GrowingFile, read_stream, stream_file
from jobrun.cli.cells import Look
from jobrun.cli.logsink import Sink, sinks
from jobrun.cli.output import remark
from jobrun.cli.reach import Reach
from jobrun.cli.waiting import outcome_words
from jobrun.cli.words import DELAYS
from jobrun.domain.errors import NotFound
from jobrun.domain.run import Delayed, Done
from jobrun.store.views import AttemptRow, RunRow

_POLL = 0.1


def follow_run(
    reach: Reach,
    run_id: int,
    *,
    attempt: int | None = None,
    streams: Sequence[str] = STREAMS,
    lines: int | None = None,
    raw: bool = False,
) -> None:
    """Print the run's output until the run has ended. `lines` limits what was printed before.

    Begins with the attempt named, else with the current one. Raises NotFound.
    """
    number = attempt or max(1, _row(reach, run_id).run.attempt)
    told = ""
    targets = sinks(streams, raw=raw)
    try:
        while True:
            row = _row(reach, run_id)
            found = _attempt(reach, run_id, number)
            if found is not None:
                if number > 1:
                    remark(f"jobrun: attempt {number} of run {run_id}")
                _follow_attempt(reach, found, targets, lines)
                _tell_end(reach, run_id, number)
                number, lines = number + 1, None
                continue
            if not row.run.is_live:
                return
            told = _tell_wait(row, number, told, Look(reach))
            time.sleep(_POLL)
    finally:
        for sink in targets.values():
            sink.finish()


def _row(reach: Reach, run_id: int) -> RunRow:
    row = reach.history.run(run_id) if reach.has_store else None
    if row is None:
        raise NotFound(f"There is no run {run_id}.", "`jobrun history` lists the runs that are kept.")
    return row


def _attempt(reach: Reach, run_id: int, number: int) -> AttemptRow | None:
    return next((row for row in reach.history.attempts(run_id) if row.fence.attempt == number), None)


def _follow_attempt(reach: Reach, attempt: AttemptRow, targets: dict[str, Sink], lines: int | None) -> None:
    """Print one attempt's streams until it is over."""
    files = {stream: GrowingFile(partial(stream_file, reach, attempt, stream), lines) for stream in targets}
    try:
        while True:
            # The order matters: whatever was printed before the end was seen is read after it.
            now = _attempt(reach, attempt.fence.run_id, attempt.fence.attempt)
            is_over = now is None or now.end is not None
            for stream, file in files.items():
                targets[stream].write(file.read_new())
            if is_over:
                break
            time.sleep(_POLL)
        outputs = reach.history.outputs(attempt.fence.run_id)
        for stream, file in files.items():
            if not file.is_open:
                targets[stream].write(_tail(read_stream(reach, attempt, outputs, stream), lines))
    finally:
        for file in files.values():
            file.close()


def _tail(pieces: Iterator[bytes], lines: int | None) -> Iterator[bytes]:
    from jobrun.cli.attemptlog import last_lines

    return pieces if lines is None else last_lines(pieces, lines)


def _tell_end(reach: Reach, run_id: int, number: int) -> None:
    """Say how an attempt ended if another one follows; the run's own end is the caller's to tell."""
    row = _row(reach, run_id)
    found = _attempt(reach, run_id, number)
    if row.run.is_live and found is not None and found.end is not None:
        why = f": {found.end.detail}" if found.end.detail else ""
        remark(f"jobrun: attempt {number} {outcome_words(found.end.outcome.value)}{why}")


def _tell_wait(row: RunRow, number: int, told: str, look: Look) -> str:
    """Say once what the run waits for; the words said last."""
    status = row.run.status
    if isinstance(status, Done):
        return told
    words = f"jobrun: run {row.run.id} is {row.run.state}"
    if isinstance(status, Delayed):
        words = f"jobrun: attempt {number} starts at {look.moment(status.until)} ({DELAYS[status.reason]})"
    if words != told and row.run.state in ("delayed", "queued"):
        remark(words)
    return words
