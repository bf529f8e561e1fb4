"""`show RUN`: the facts of a run and of its attempts."""

import json as json_module
from typing import Any

from jobrun.cli.cells import Look, Row, outcome_cell, why
from jobrun.cli.moments import iso
from jobrun.cli.output import say_json
from jobrun.cli.reach import Reach
from jobrun.cli.render import Block, Cell, Facts, Table
from jobrun.cli.shapes import attempt_shape, output_shape, run_shape, span
from jobrun.cli.words import TONES, TRIGGERS, cause_words
from jobrun.domain.records import DefinitionSeen, OutputKept
from jobrun.domain.run import Delayed
from jobrun.domain.sizes import format_size
from jobrun.store.views import AttemptRow, RunRow


def show_run(reach: Reach, row: RunRow, *, json: bool) -> None:
    """Print everything the store knows of the run."""
    history = reach.history
    attempts = history.attempts(row.run.id)
    outputs = history.outputs(row.run.id)
    definition = history.definition(row.run.definition_id)
    if json:
        say_json(run_facts_shape(reach, row, attempts, outputs, definition))
        return
    Look(reach).print(*_blocks(reach, row, attempts, outputs, definition))


def run_facts_shape(
    reach: Reach,
    row: RunRow,
    attempts: list[AttemptRow],
    outputs: list[OutputKept],
    definition: DefinitionSeen | None,
) -> dict[str, Any]:
    """The JSON of `show RUN`."""
    return {
        **run_shape(row, reach.zone),
        "lateness": span(lateness(row, attempts)),
        "attempts": [attempt_shape(attempt, reach.zone) for attempt in attempts],
        "outputs": [output_shape(output) for output in outputs],
        "definition": None
        if definition is None
        else {
            "digest": definition.digest,
            "seen_at": iso(definition.at, reach.zone),
            "body": json_module.loads(definition.body),
        },
    }


def lateness(row: RunRow, attempts: list[AttemptRow]) -> int | None:
    """From the slot to the start of the first attempt; None without either."""
    started = next((attempt.started_at for attempt in attempts if attempt.started_at is not None), None)
    slot = row.run.slot
    return None if slot is None or started is None else started - slot.scheduled_at


def _blocks(
    reach: Reach,
    row: RunRow,
    attempts: list[AttemptRow],
    outputs: list[OutputKept],
    definition: DefinitionSeen | None,
) -> list[Block]:
    look = Look(reach)
    run = row.run
    cell = outcome_cell(row)
    reason = why(row, look)
    pairs: list[tuple[str, Cell | str]] = [
        ("run", Cell(str(run.id), "strong")),
        ("job", run.job),
        ("outcome" if not run.is_live else "state", cell),
    ]
    if reason:
        pairs.append(("why", reason))
    pairs += [("brought about by", _trigger(row)), ("queue", run.queue)]
    if run.slot is not None:
        pairs.append(("slot", f"{look.exact(run.slot.scheduled_at)} of {run.slot.schedule}"))
        if run.slot.last is not None:
            pairs.append(("to slot", f"{look.exact(run.slot.last)}, {run.slot.count} slots in all"))
        late = lateness(row, attempts)
        if late is not None:
            pairs.append(("late by", look.span(late)))
    pairs.append(("created", look.exact(run.created_at)))
    if isinstance(run.status, Delayed):
        pairs.append(("starts", look.near(run.status.until)))
    if row.started_at is not None:
        pairs.append(("started", look.exact(row.started_at)))
    if row.ended_at is not None:
        pairs.append(("ended", look.exact(row.ended_at)))
    if row.duration is not None:
        pairs.append(("took", look.span(row.duration)))
    pairs.append(("attempts", f"{run.attempt} of {run.max_attempts}{_lost(run.lost)}"))
    if run.retry_of is not None:
        pairs.append(("retry of", f"run {run.retry_of}"))
    if definition is not None:
        pairs.append(("definition", f"{definition.digest}, first seen {look.exact(definition.at)}"))
    blocks: list[Block] = [Facts(pairs)]
    if attempts:
        blocks.append(_attempts_table(attempts, look))
    if outputs or any(attempt.end is None for attempt in attempts):
        blocks.append(_outputs_table(reach, attempts, outputs))
    return blocks


def _trigger(row: RunRow) -> str:
    words = TRIGGERS.get(row.run.trigger, row.run.trigger.value)
    return f"{words} by {row.run.requested_by}" if row.run.requested_by else words


def _lost(count: int) -> str:
    return f" ({count} lost to the host)" if count else ""


def _attempts_table(attempts: list[AttemptRow], look: Look) -> Table:
    columns = ("attempt", "started", "took", "outcome", "cpu", "memory", "left behind", "why")
    table = Table(columns, right=("attempt", "took", "cpu", "memory", "left behind"))
    for attempt in attempts:
        table.rows.append(_attempt_row(attempt, look))
    return table


def _attempt_row(attempt: AttemptRow, look: Look) -> Row:
    end = attempt.end
    number, started = str(attempt.fence.attempt), look.exact(attempt.started_at)
    if end is None:
        begun = attempt.started_at
        took = look.span(look.now - begun) if begun is not None else "-"
        return number, started, took, Cell("running", "live"), "-", "-", "-", f"pid {attempt.pid or '-'}"
    took = look.span(end.ended_at - attempt.started_at) if attempt.started_at is not None else "-"
    known = end.user_time is not None and end.system_time is not None
    cpu = look.span((end.user_time or 0) + (end.system_time or 0)) if known else "-"
    memory = format_size(end.max_rss) if end.max_rss is not None else "-"
    outcome = Cell(end.outcome.value, TONES.get(end.outcome, ""))
    words = cause_words(end.cause.value if end.cause else None, end.detail)
    if end.killed:
        words += " (by KILL)"
    return number, started, took, outcome, cpu, memory, str(end.left_behind), words


def _outputs_table(reach: Reach, attempts: list[AttemptRow], outputs: list[OutputKept]) -> Table:
    from jobrun.cli.attemptlog import live_files

    table = Table(("attempt", "output", "size", "dropped", "kept in"), right=("attempt", "size", "dropped"))
    for output in outputs:
        place = str(reach.places.state_dir / output.path) if output.path else "the database"
        table.rows.append(
            (
                str(output.fence.attempt),
                output.stream,
                format_size(output.size),
                format_size(output.dropped) if output.dropped else "-",
                place,
            )
        )
    for attempt in attempts:
        if attempt.end is None:
            for stream, path in live_files(reach, attempt):
                table.rows.append((str(attempt.fence.attempt), stream, "growing", "-", str(path)))
    return table
