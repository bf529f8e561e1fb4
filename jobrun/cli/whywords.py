"""`why` in words: one sentence for each slot, and the facts behind it, line by line."""

from jobrun.cli.cells import Look, outcome_cell
from jobrun.cli.jobwords import schedules_words
from jobrun.cli.moments import span_words
from jobrun.cli.render import Block, Cell, Facts
from jobrun.cli.whyfind import Answer, SlotAnswer
from jobrun.cli.words import DELAYS, TRIGGERS, cause_words
from jobrun.domain.instants import SECOND
from jobrun.domain.outages import Outage
from jobrun.domain.records import Paused
from jobrun.domain.run import Delayed, Done, Outcome, Queued, Starting, Trigger
from jobrun.domain.why import Verdict
from jobrun.store.views import RunRow

_TONES = {
    Verdict.RAN: "good",
    Verdict.RUNNING: "live",
    Verdict.WAITING: "live",
    Verdict.WILL_RUN: "good",
    Verdict.NOT_STARTED: "bad",
    Verdict.SKIPPED: "warn",
    Verdict.CANCELLED: "warn",
    Verdict.UNDECIDED: "warn",
    Verdict.NO_RECORD: "warn",
    Verdict.PAUSED: "warn",
    Verdict.DISABLED: "warn",
    Verdict.REMOVED: "warn",
}
_PUNCTUAL = SECOND


def headline(out: Answer, look: Look) -> str:
    """The whole answer in one sentence."""
    more = f" These are the last {len(out.slots)} of its {out.count} slots then."
    if out.slots:
        told = sentence(out.slots[-1], out, look)
        return told + (more if out.count > len(out.slots) else "")
    return f"{out.job} {_without_slots(out, look)}"


def _without_slots(out: Answer, look: Look) -> str:
    present = out.asked.first <= out.now < out.asked.end
    tense = "is" if out.asked.end > out.now else "was"
    when = "now" if present and out.asked.end - out.asked.first == 1 else f"at {look.moment(out.asked.first)}"
    if out.runs:
        row = out.runs[-1]
        return f"{tense} not due {when}, but {run_words(row, out, look)}."
    if out.passed is not None and tense == "is" and out.verdict in (Verdict.NOT_DUE, Verdict.UNKNOWN):
        moment = look.moment(out.passed)
        if out.runs_late:
            return (
                f"is not due {when}: its moment, {moment}, came while no daemon ran; the next runs it late."
            )
        had = "has passed" if out.is_unread else "had passed when a daemon first read it"
        return f"is not due {when}: its moment, {moment}, {had}; `jobrun run {out.job}` runs it."
    if out.is_unread and out.verdict is Verdict.UNKNOWN:
        return f"{tense} not known yet {when}: no daemon has read it."
    if out.span is None and out.verdict is Verdict.UNKNOWN:
        return f"was not known yet {when}: {_first_known(out, look)}."
    if out.verdict is Verdict.REMOVED:
        return f"{tense} not in the job file {when}."
    if out.verdict is Verdict.DISABLED:
        return f"{tense} disabled {when}, and no slot of its schedules was there."
    if out.definition is not None and not out.definition.schedules:
        return f"{tense} not due {when}: it has no schedule, and runs by `jobrun run` only."
    return f"{tense} not due {when}."


def _first_known(out: Answer, look: Look) -> str:
    return f"its first definition is of {look.moment(out.first_known)}" if out.first_known else "it is new"


def sentence(slot: SlotAnswer, out: Answer, look: Look) -> str:
    """What became of one slot, and why."""
    at = look.moment(slot.at) if slot.at is not None else ""
    row = slot.row
    if slot.at is None and row is not None:
        return f"{out.job} has no slot; {run_words(row, out, look)}."
    if row is not None:
        if slot.verdict is Verdict.SKIPPED and isinstance(row.run.status, Done):
            return f"{out.job} was due at {at} and was skipped{_rule(row)}: {_skipped(row, look)}."
        return f"{out.job} was due at {at}: {run_words(row, out, look, slot.late)}."
    match slot.verdict:
        case Verdict.WILL_RUN:
            queue = out.pause.name if out.pause is not None and out.pause.kind == "queue" else ""
            held = f", as soon as queue {queue} is resumed" if queue else ""
            return f"{out.job} is due at {at} and will run{held}{_needs_daemon(out)}."
        case Verdict.PAUSED:
            return f"{out.job} is due at {at}, but would be skipped: {_paused(slot.pause, look)}."
        case Verdict.UNDECIDED:
            return f"{out.job} was due at {at}; {_undecided(slot, out, look)}."
        case Verdict.DISABLED:
            tense = "would be" if (slot.at or 0) > out.now else "would have been"
            return f"{out.job} {tense} due at {at}, but is disabled by its definition."
        case Verdict.REMOVED:
            tense = "would be" if (slot.at or 0) > out.now else "would have been"
            return f"{out.job} {tense} due at {at}, but is not in the job file."
        case _:
            return f"{out.job} was due at {at}, but there is no row about it: {_no_record(out)}."


def _needs_daemon(out: Answer) -> str:
    return ", if a daemon runs by then (none does now)" if out.is_down else ""


def _skipped(row: RunRow, look: Look) -> str:
    status, slot = row.run.status, row.run.slot
    assert isinstance(status, Done)
    words = cause_words(status.cause.value if status.cause is not None else None, status.detail)
    if slot is not None and slot.count > 1 and slot.last is not None:
        first, last = look.moment(slot.scheduled_at), look.moment(slot.last)
        words += f"; it is one of {slot.count} slots from {first} to {last}"
    return words


def _rule(row: RunRow) -> str:
    status = row.run.status
    return f" ({status.cause.value})" if isinstance(status, Done) and status.cause is not None else ""


def _undecided(slot: SlotAnswer, out: Answer, look: Look) -> str:
    if not out.is_down:
        return "the daemon has not decided about it yet"
    told = "no daemon has run since to decide about it"
    decision = slot.decision
    if decision is None:
        return told
    if decision.cause is not None:
        return f"{told}; one that starts now would skip it: {decision.detail}"
    return f"{told}; one that starts now would run it late, if no other rule forbids it"


def _no_record(out: Answer) -> str:
    if any(outage.kind == "down" for outage in out.outages):
        return "no daemon was there, and the definition had changed before one was"
    if out.definition is None:
        return "neither its row nor its definition is kept any more"
    return "it is older than what the job's keep_for, keep_succeeded and keep_failed leave in the history"


def run_words(row: RunRow, out: Answer, look: Look, late: int | None = None) -> str:
    """A run in a part of a sentence: how it started, and how it ended or stands."""
    run, status = row.run, row.run.status
    who = "" if run.trigger is Trigger.SCHEDULE else f" ({_trigger(row)})"
    begun = f"run {run.id}{who}"
    if isinstance(status, Done) and status.outcome is Outcome.SKIPPED:
        return f"{begun} was skipped: {_skipped(row, look)}"
    if row.started_at is not None:
        begun += _punctually(late) if late is not None else f" started at {look.moment(row.started_at)}"
    if isinstance(status, Done):
        words = cause_words(status.cause.value if status.cause else None, status.detail)
        took = f" after {span_words(max(row.duration, 0))}" if row.duration is not None else ""
        ended = "was lost" if status.outcome is Outcome.LOST else status.outcome.value.replace("_", " ")
        if status.outcome is Outcome.CANCELLED:
            ended = "was cancelled" + ("" if run.attempt else " before it started")
        joint = " and" if row.started_at is not None else ""
        return f"{begun}{joint} {ended}{took}{_because(words)}"
    if run.has_process:
        is_starting = isinstance(status, Starting) and not out.is_down
        waits = look.waits.starting_words(run, look.now) if is_starting else ""
        recorded = " as last recorded" if out.is_down else ""
        told = f"{run.state}{recorded}{': it ' + waits if waits else ''}"
        return f"{begun}{' and' if row.started_at is not None else ''} is {told}"
    return f"{begun}{' and' if row.started_at is not None else ''} waits: {waiting_words(row, out, look)}"


def waiting_words(row: RunRow, out: Answer, look: Look) -> str:
    """What an unfinished run without a process waits for."""
    status, run = row.run.status, row.run
    if isinstance(status, Delayed):
        return f"until {look.moment(status.until)} for {DELAYS[status.reason]}"
    if isinstance(status, Queued):
        if out.is_down:
            return "no daemon is running"
        if out.pause is not None and out.pause.kind == "queue":
            return f"queue {run.queue} is {_paused(out.pause, look)}"
        for what in ("spawn", "store"):
            if (out.daemon or {}).get(what) not in (None, "ok"):
                return f"the host is in trouble: {(out.daemon or {})[what]}"
        return look.waits.words(run).removeprefix("waits ")
    return run.state


def _trigger(row: RunRow) -> str:
    words = TRIGGERS.get(row.run.trigger, row.run.trigger.value)
    return f"{words} by {row.run.requested_by}" if row.run.requested_by else words


def _punctually(late: int) -> str:
    return " started in time" if late < _PUNCTUAL else f" started {span_words(late)} late"


def _because(words: str) -> str:
    return f": {words}" if words else ""


def _paused(pause: Paused | None, look: Look) -> str:
    if pause is None:
        return "it is paused"
    reason = f" ({pause.reason})" if pause.reason else ""
    return f"paused by {pause.by or 'somebody'} since {look.moment(pause.at)}{reason}"


def late_words(slot: SlotAnswer) -> str | None:
    """Where the lateness of a slot's start came from; None if there is none to speak of."""
    row = slot.row
    if row is None or slot.late is None or slot.late < _PUNCTUAL or slot.at is None:
        return None
    decided = max(row.run.created_at - slot.at, 0)
    waited = max(slot.late - decided, 0)
    parts = []
    if decided >= _PUNCTUAL:
        parts.append(f"{span_words(decided)} until a daemon decided about it")
    if waited >= _PUNCTUAL:
        parts.append(f"{span_words(waited)} until it could start")
    return ", then ".join(parts) or None


def outage_words(outage: Outage, look: Look) -> str:
    """An outage in a line."""
    names = {
        "down": "no daemon",
        "suspended": "host asleep",
        "stalled": "daemon held up",
        "clock_forward": "clock set forward",
        "clock_back": "clock set back",
        "store": "store in trouble",
    }
    since = f" from {look.moment(outage.since)}" if outage.since is not None else ""
    until = f" to {look.moment(outage.until)}" if outage.until is not None else " until now"
    return f"{names[outage.kind]}{since}{until}: {outage.how}"


def brief(slot: SlotAnswer | None, look: Look) -> str:
    """A slot beside the one asked about, in a few words."""
    if slot is None or slot.at is None:
        return "none"
    verdict = slot.verdict.value.replace("_", " ")
    if slot.row is None:
        return f"{look.moment(slot.at)}, {verdict}"
    word = outcome_cell(slot.row).text
    return f"{look.moment(slot.at)}, {word} (run {slot.row.run.id})"


def blocks(out: Answer, look: Look) -> list[Block]:
    """What a person sees."""
    pairs: list[tuple[str, Cell | str]] = []
    for slot in out.slots[:-1]:
        pairs.append(("also", Cell(sentence(slot, out, look), _TONES.get(slot.verdict, ""))))
    for slot in out.slots[-1:]:
        late = late_words(slot)
        if late is not None:
            pairs.append(("late by", late))
        if slot.in_the_way is not None:
            pairs.append(("in the way", run_words(slot.in_the_way, out, look)))
    told = {slot.in_the_way.run.id for slot in out.slots[-1:] if slot.in_the_way is not None}
    shown = out.runs if out.slots else out.runs[:-1]
    pairs += [("at that time", run_words(row, out, look)) for row in shown if row.run.id not in told]
    if out.pause is not None and not any(slot.pause for slot in out.slots):
        pairs.append(("paused", f"{out.pause.kind} {out.pause.name}, {_paused(out.pause, look)}"))
    pairs += [("host", outage_words(outage, look)) for outage in out.outages]
    if out.definition is not None:
        pairs.append(("schedule", schedules_words(out.definition.schedules)))
    if out.version is not None and out.span is not None:
        until = f" until {look.moment(out.span.until)}" if out.span.until is not None else ""
        since = look.moment(out.span.since)
        pairs.append(("definition", f"{out.version.digest}, in force since {since}{until}"))
    other = _other_definition(out)
    if other is not None:
        pairs.append(("decided by", f"definition {other}"))
    pairs += [("slot before", brief(out.before, look)), ("slot after", brief(out.after, look))]
    pairs += [("note", remark) for remark in out.remarks]
    return [Cell(headline(out, look), _TONES.get(out.verdict, "")), Facts(pairs)]


def _other_definition(out: Answer) -> str | None:
    """The definition that the slot was decided under, if it is not the one in force at its moment."""
    digest = out.slots[-1].digest if out.slots else None
    return digest if digest is not None and out.version is not None and digest != out.version.digest else None
