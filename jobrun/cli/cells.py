"""Cells and tables of runs, attempts and times, shared by the commands that show them.

On a terminal times are short or relative; in a pipe they are ISO 8601 with
offset, so that a line means the same tomorrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING

from jobrun.cli.moments import iso_seconds, localize, relative_words, span_words
from jobrun.cli.output import has_colour, on_terminal
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Block, Cell, Table, show
from jobrun.cli.words import DELAYS, TONES, cause_words
from jobrun.domain.instants import DAY, SECOND, Instant
from jobrun.domain.run import Delayed, Done, Queued, Run, Running, Starting, Stopping
from jobrun.store.views import RunRow

if TYPE_CHECKING:
    from jobrun.cli.waits import Waits
    from jobrun.domain.report import Progress

Row = tuple[Cell | str, ...]


class Look:
    """How times look: for whom, in which zone, seen from which moment."""

    def __init__(self, reach: Reach, moment: Instant | None = None, *, terminal: bool | None = None) -> None:
        self.zone: tzinfo | None = reach.zone
        self.now = now() if moment is None else moment
        self.terminal = on_terminal() if terminal is None else terminal
        self._reach = reach

    @cached_property
    def waits(self) -> "Waits":
        """What queued runs wait for; loaded with the first of them."""
        from jobrun.cli.waits import Waits

        return Waits(self._reach.history)

    def moment(self, instant: Instant | None) -> str:
        """A moment: `21:04:10` today, with its date on other days; ISO in a pipe."""
        if instant is None:
            return "-"
        if not self.terminal:
            return iso_seconds(instant, self.zone)
        there, here = localize(instant, self.zone), localize(self.now, self.zone)
        if there.date() == here.date():
            return f"{there:%H:%M:%S}"
        return f"{there:%Y-%m-%d %H:%M}" if abs(instant - self.now) < 3650 * DAY else f"{there:%Y-%m-%d}"

    def exact(self, instant: Instant | None) -> str:
        """A moment to the second, with its date; ISO in a pipe."""
        if instant is None or not self.terminal:
            return self.moment(instant)
        return f"{localize(instant, self.zone):%Y-%m-%d %H:%M:%S}"

    def near(self, instant: Instant | None) -> str:
        """A moment seen from now: `in 4 min`, `2 h ago`; ISO in a pipe."""
        if instant is None:
            return "-"
        return relative_words(instant, self.now) if self.terminal else iso_seconds(instant, self.zone)

    def span(self, span: int | None) -> str:
        """A span: `2 h 5 min`; seconds with milliseconds in a pipe."""
        if span is None:
            return "-"
        # A clock set back, or a file's coarser time, can give an end before its start.
        whole = max(span, 0)
        return span_words(whole) if self.terminal else f"{whole / SECOND:.3f}s"

    def print(self, *blocks: Block) -> None:
        """Print the blocks in this look."""
        show(blocks, terminal=self.terminal, colour=has_colour())


def outcome_cell(row: RunRow | None) -> Cell:
    """The outcome of a finished run, the state of a live one."""
    if row is None:
        return Cell("-", "dim")
    status = row.run.status
    word = status.outcome.value if isinstance(status, Done) else row.run.state
    return Cell(word, TONES.get(word, ""))


def why(row: RunRow, look: Look) -> str:
    """One line about why the run stands as it does."""
    run, status = row.run, row.run.status
    match status:
        case Done():
            words = cause_words(status.cause.value if status.cause else None, status.detail)
            many = run.slot is not None and run.slot.count > 1
            return f"{run.slot.count} slots: {words}" if many and run.slot is not None else words
        case Delayed():
            return f"until {look.moment(status.until)}: {DELAYS[status.reason]}"
        case Queued():
            return look.waits.words(run)
        case Starting():
            return look.waits.starting_words(run, look.now)
        case Running():
            return f"pid {status.process.pid}"
        case Stopping():
            killed = ", killed" if status.killed_at is not None else ""
            return f"pid {status.process.pid}, being stopped ({status.cause.value}{killed})"


def due_at(row: RunRow) -> Instant:
    """The moment a run is about: its slot, else when it was asked for."""
    slot = row.run.slot
    return slot.scheduled_at if slot else row.run.created_at


def attempts_word(run: Run) -> str:
    """How many attempts of how many: `2/3`, and `2/3 +1` with one that did not count.

    Those lost to the host and those that a stop of the daemon interrupted do not.
    """
    if not run.attempt:
        return "-"
    more = run.attempt - run.charged
    return f"{run.charged}/{run.max_attempts}" + (f" +{more}" if more else "")


def history_table(rows: Sequence[RunRow], look: Look, *, with_job: bool = True) -> Table:
    """Runs, one to a line."""
    columns: tuple[str, ...] = ("run", "job", "outcome", "due", "started", "took", "attempt", "why")
    lines: list[Row] = []
    for row in rows:
        run = row.run
        took = row.duration
        if took is None and row.started_at is not None and run.has_process:
            took = look.now - row.started_at
        tries = attempts_word(run)
        line: Row = (
            str(run.id),
            run.job,
            outcome_cell(row),
            look.moment(due_at(row)),
            look.moment(row.started_at),
            look.span(took),
            tries,
            why(row, look),
        )
        lines.append(line if with_job else line[:1] + line[2:])
    if not with_job:
        columns = columns[:1] + columns[2:]
    return Table(columns, lines, right=("run", "took", "attempt"))


def live_table(rows: Iterable[RunRow], look: Look, stages: "Mapping[int, Progress] | None" = None) -> Table:
    """Unfinished runs, one to a line, with how long each has been at it and how far it says it is.

    On a terminal the columns for that are there only if a run says something.
    """
    lines: list[Row] = []
    for row in rows:
        run = row.run
        begun = row.started_at if run.state in ("running", "stopping") else run.created_at
        since = look.span(look.now - begun) if look.terminal and begun is not None else look.moment(begun)
        tries = attempts_word(run)
        stage = _stage(stages[run.id] if stages and run.id in stages else None)
        told = stage if stages or not look.terminal else ()
        lines.append((str(run.id), run.job, outcome_cell(row), since, tries, *told, why(row, look)))
    told = ("progress", "stage") if stages or not look.terminal else ()
    column = "for" if look.terminal else "since"
    return Table(
        ("run", "job", "state", column, "attempt", *told, "why"), lines, right=("run", "attempt", "progress")
    )


def _stage(progress: "Progress | None") -> tuple[str, str]:
    if progress is None:
        return "", ""
    from jobrun.cli.stages import percent_words, stage_words

    return percent_words(progress), stage_words(progress)
