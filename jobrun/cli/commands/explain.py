"""`jobrun explain`: a cron expression in words, with its next dates."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.moments import parse_future
from jobrun.cli.output import has_colour, on_terminal, remark, say_json
from jobrun.cli.reach import now, reach_of
from jobrun.cli.render import Block, Cell, Table, show
from jobrun.cli.zones import zone_name, zone_of

EXAMPLES = (
    ("jobrun explain '*/15 8-18 * * mon-fri'", "in words, and the next dates"),
    ("jobrun explain '30 2 * * *' --tz Europe/Berlin", "with a remark where the clocks change"),
)


def command(
    context: typer.Context,
    *,
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="Cron text, in quotes.")],
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="The zone it is read in (else the host's).")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="The dates after this moment, not after now.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", min=1, max=1000, help="How many dates.")
    ] = 5,
    json: options.Json = False,
) -> None:
    """Say in words what a cron expression means.

    The dates come from the same calendar that starts the jobs. A remark says where a date falls into a
    change of the clocks, where the expression uses more than Debian's cron knows, and when it never comes.
    """
    from jobrun.cli.cronerror import cron_problem
    from jobrun.domain.calendar import CronError
    from jobrun.domain.explain import explain
    from jobrun.domain.instants import to_iso

    reach = reach_of(context)
    name = zone_name(tz, reach)
    zone = zone_of(name)
    after = now() if start is None else parse_future(start, now(), zone if tz else reach.zone)
    try:
        told = explain(expression, name, after, count)
    except CronError as error:
        raise cron_problem(expression, error) from None
    if json:
        say_json(
            {
                "expression": expression,
                "timezone": name,
                "words": told.words,
                "next": [{"at": to_iso(at, zone), "remark": note} for at, note in told.next],
                "remarks": list(told.remarks),
            }
        )
        return
    blocks: list[Block] = [f"{told.words} ({name})"]
    if told.next:
        rows: list[tuple[Cell | str, ...]] = [
            (to_iso(at, zone), Cell(note or "", "warn")) for at, note in told.next
        ]
        blocks.append(Table(("next", "remark"), rows))
    show(blocks, terminal=on_terminal(), colour=has_colour())
    for note in told.remarks:
        remark(f"Note: {note}")
