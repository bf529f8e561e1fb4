"""`jobrun why`: why a job ran at a moment, did not run, or will."""

from typing import TYPE_CHECKING, Annotated

import typer

from jobrun.cli import options
from jobrun.cli.output import say_json
from jobrun.cli.reach import Reach, now, reach_of
from jobrun.domain.errors import NotFound, UsageError

if TYPE_CHECKING:
    from jobrun.cli.whypast import Past

EXAMPLES = (
    ("jobrun why backup --at 03:00", "what became of it at three this morning"),
    ("jobrun why backup --last", "of its last slot"),
    ("jobrun why backup --at 'tomorrow 03:00'", "what is to come"),
)


def command(
    context: typer.Context,
    *,
    job: options.JobArgument,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help='At this time: "03:00", "yesterday", "2026-03-01T03:00".'),
    ] = None,
    slot: Annotated[
        str | None,
        typer.Option("--slot", metavar="TIME", help="The last slot at or before this time."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The last slot that has come due.")] = False,
    json: options.Json = False,
) -> None:
    """Say why a job ran at a moment, did not run, or will.

    It ran (which run, how late, how it ended), was skipped (by which rule, and the facts of that moment),
    or was not due (and which slots are around). Times are read and shown in the job's zone. 03:00 alone is
    its last coming, and means that minute; 03:00:10 that second, a date the whole day. The slots are those
    of the definition that was in force then.
    """
    if sum((at is not None, slot is not None, last)) > 1:
        raise UsageError("Give one of --at, --slot and --last.")
    from jobrun.cli.cells import Look
    from jobrun.cli.whyfind import answer
    from jobrun.cli.whymoment import just, read_moment
    from jobrun.cli.whypast import Past
    from jobrun.cli.zones import zone_name, zone_of

    reach = reach_of(context)
    moment = now()
    past = Past(reach, job, moment)
    name = _zone(reach, past.zone_name) or zone_name(None, reach)
    zone = zone_of(name)
    asked = just(moment) if at is None else read_moment(at, moment, zone)
    if slot is not None or last:
        wanted = moment if slot is None else read_moment(slot, moment, zone).end - 1
        asked = just(_last_slot(past, wanted))
    out = answer(reach, past, asked)
    look = Look(reach, moment)
    look.zone = zone
    if json:
        from jobrun.cli.whyshape import why_shape

        look.terminal = False
        say_json(why_shape(out, look, zone, name))
        return
    from jobrun.cli.whywords import blocks

    look.print(*blocks(out, look))


def _zone(reach: Reach, of_job: str | None) -> str | None:
    return "UTC" if reach.utc else of_job


def _last_slot(past: "Past", moment: int) -> int:
    """The moment of the last slot up to then; of a job without slots, that of its last run."""
    from jobrun.cli.whyfind import last_slot

    found = last_slot(past, moment)
    if found is None:
        raise NotFound(
            f"{past.name} has had no slot and no run up to then.", "`jobrun next` shows what is due."
        )
    if found.at is not None:
        return found.at
    assert found.row is not None
    return found.row.run.created_at
