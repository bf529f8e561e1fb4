"""`show RUN`: the facts of a run and of its attempts."""

import json as json_module
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobrun.cli.cells import Look, Row, attempts_word, outcome_cell, why
from jobrun.cli.moments import iso
from jobrun.cli.output import say_json, say_whole
from jobrun.cli.reach import Reach
from jobrun.cli.render import Block, Cell, Facts, Table
from jobrun.cli.shapes import attempt_shape, output_shape, run_shape, span
from jobrun.cli.stages import percent_words, read_stages, stage_words
from jobrun.cli.words import TONES, TRIGGERS, cause_words
from jobrun.domain.errors import NotFound
from jobrun.domain.records import DefinitionSeen, OutputKept
from jobrun.domain.report import Progress, Raised, Report
from jobrun.domain.run import Delayed, Run
from jobrun.domain.sizes import format_size
from jobrun.store.views import AttemptRow, RunRow

_LONGEST = 200


class RunFacts(NamedTuple):
    """Everything that is known of a run. `reports` is what its attempts said of themselves, by number."""

    row: RunRow
    attempts: list[AttemptRow]
    outputs: list[OutputKept]
    definition: DefinitionSeen | None
    reports: Mapping[int, Report]
    result: str | None
    progress: Progress | None

    @property
    def data(self) -> str | None:
        """The data the run was given, its own or its job's, as JSON text."""
        if self.row.run.data is not None or self.definition is None:
            return self.row.run.data
        text: str | None = json_module.loads(self.definition.body).get("data")
        return text

    @property
    def last_progress(self) -> Progress | None:
        """What it says now, if it is at work, else what its last attempt said last."""
        ended = (self.reports[number].progress for number in sorted(self.reports, reverse=True))
        return self.progress or next((progress for progress in ended if progress is not None), None)

    @property
    def last_error(self) -> Raised | None:
        """The exception that ended the last attempt that one has ended."""
        errors = (self.reports[number].error for number in sorted(self.reports, reverse=True))
        return next((error for error in errors if error is not None), None)


def read_facts(reach: Reach, row: RunRow) -> RunFacts:
    """Ask the store, and a running job's own notes."""
    history = reach.history
    stages = read_stages([row], reach.places.attempts)
    return RunFacts(
        row,
        history.attempts(row.run.id),
        history.outputs(row.run.id),
        history.definition(row.run.definition_id),
        dict(history.reports(row.run.id)),
        history.result(row.run.id),
        stages.get(row.run.id),
    )


def show_run(reach: Reach, row: RunRow, *, json: bool) -> None:
    """Print everything that is known of the run."""
    facts = read_facts(reach, row)
    if json:
        say_json(run_facts_shape(reach, facts))
        return
    Look(reach).print(*_blocks(reach, facts))


def show_traceback(reach: Reach, row: RunRow) -> None:
    """Print the traceback of the last attempt that an exception has ended. Raises NotFound."""
    error = read_facts(reach, row).last_error
    if error is None or not error.traceback:
        raise NotFound(
            f"Run {row.run.id} of {row.run.job} has no traceback: no exception has ended it.",
            f"See what it printed: jobrun logs {row.run.id}",
        )
    say_whole(error.traceback)


def run_facts_shape(reach: Reach, facts: RunFacts) -> dict[str, Any]:
    """The JSON of `show RUN`."""
    row, definition = facts.row, facts.definition
    return {
        **run_shape(row, reach.zone, facts.progress),
        "lateness": span(lateness(row, facts.attempts)),
        "data": _value(facts.data),
        "resume_from": row.run.resume_from,
        "result": _value(facts.result),
        "attempts": [
            attempt_shape(attempt, reach.zone, facts.reports.get(attempt.fence.attempt))
            for attempt in facts.attempts
        ],
        "outputs": [output_shape(output) for output in facts.outputs],
        "definition": None
        if definition is None
        else {
            "digest": definition.digest,
            "seen_at": iso(definition.at, reach.zone),
            "body": json_module.loads(definition.body),
        },
    }


def _value(text: str | None) -> Any:
    return None if text is None else json_module.loads(text)


def lateness(row: RunRow, attempts: list[AttemptRow]) -> int | None:
    """From the slot to the start of the first attempt; None without either."""
    started = next((attempt.started_at for attempt in attempts if attempt.started_at is not None), None)
    slot = row.run.slot
    return None if slot is None or started is None else started - slot.scheduled_at


def _blocks(reach: Reach, facts: RunFacts) -> list[Block]:
    look = Look(reach)
    row, attempts, outputs, definition = facts.row, facts.attempts, facts.outputs, facts.definition
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
    pairs += _said(facts, look)
    pairs += [("brought about by", _trigger(row)), ("queue", run.queue)]
    pairs += _times(row, attempts, look)
    pairs.append(("attempts", attempts_words(run)))
    if run.retry_of is not None:
        pairs.append(("retry of", f"run {run.retry_of}"))
    if facts.data is not None:
        pairs.append(("data", _clipped(facts.data)))
    if run.resume_from is not None:
        pairs.append(("resume from", run.resume_from))
    if definition is not None:
        pairs.append(("definition", f"{definition.digest}, first seen {look.exact(definition.at)}"))
    blocks: list[Block] = [Facts(pairs)]
    if attempts:
        blocks.append(_attempts_table(attempts, look))
    if outputs or any(attempt.end is None for attempt in attempts):
        blocks.append(_outputs_table(reach, attempts, outputs))
    return blocks


def _times(row: RunRow, attempts: list[AttemptRow], look: Look) -> list[tuple[str, Cell | str]]:
    """Its slot, and when it began and ended."""
    run = row.run
    pairs: list[tuple[str, Cell | str]] = []
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
    return pairs


def _said(facts: RunFacts, look: Look) -> list[tuple[str, Cell | str]]:
    """What the run has said of itself."""
    pairs: list[tuple[str, Cell | str]] = []
    progress, error = facts.last_progress, facts.last_error
    if error is not None:
        see = f" (see jobrun show {facts.row.run.id} --traceback)" if error.traceback else ""
        pairs.append(("exception", f"{error.type}{see}"))
    if progress is not None:
        words = " ".join(part for part in (percent_words(progress), stage_words(progress, _LONGEST)) if part)
        pairs.append(("progress", f"{words}, said {look.near(progress.at)}"))
    if facts.result is not None:
        pairs.append(("result", _clipped(facts.result)))
    return pairs


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}... ({len(text)} characters)"


def _trigger(row: RunRow) -> str:
    words = TRIGGERS.get(row.run.trigger, row.run.trigger.value)
    return f"{words} by {row.run.requested_by}" if row.run.requested_by else words


def attempts_words(run: Run) -> str:
    """As the tables have it, and what the attempts were that do not count."""
    given_back = run.attempt - run.charged - run.lost
    apart = [f"{run.lost} lost to the host"] if run.lost else []
    apart += [f"{given_back} given back"] if given_back else []
    return attempts_word(run) + (f" ({', '.join(apart)})" if apart else "")


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
