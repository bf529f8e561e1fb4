"""`jobrun reload`: the job file again, with the plan of what changes."""

from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.moments import iso
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import Reach, reach_of

EXAMPLES = (
    ("jobrun reload --dry-run", "see what would change"),
    ("jobrun reload", "read the file and follow it from now on"),
)


def command(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would change.")] = False,
    json: options.Json = False,
) -> None:
    """Make the daemon read its job file again.

    The file is read and checked whole before anything changes; with a problem in it nothing does, and the
    exit code is 4. Scheduling never pauses and running jobs run on.
    """
    reach = reach_of(context)
    plan = reach.ask("reload", dry_run=dry_run)
    if json:
        say_json(_shape(plan, reach))
        return
    for name in plan["added"]:
        say(f"added    {name}")
    for change in plan["changed"]:
        say(f"changed  {change['job']}: {', '.join(change['fields'])}{_next_words(change, reach)}")
    for name in plan["removed"]:
        say(f"removed  {name}")
    if not (plan["added"] or plan["changed"] or plan["removed"]):
        say(f"No job changed ({plan['kept']} kept).")
    elif dry_run:
        remark(f"{plan['kept']} jobs kept. Nothing was applied; this was a dry run.")
    else:
        remark(f"{plan['kept']} jobs kept.")


def _next_words(change: dict[str, Any], reach: Reach) -> str:
    before, after = change.get("next_before"), change.get("next_after")
    if before == after:
        return ""
    return f" (next {iso(before, reach.zone) or 'never'} -> {iso(after, reach.zone) or 'never'})"


def _shape(plan: dict[str, Any], reach: Reach) -> dict[str, Any]:
    return {
        "applied": plan["applied"],
        "added": plan["added"],
        "changed": [
            {
                "job": change["job"],
                "fields": change["fields"],
                "next_before": iso(change.get("next_before"), reach.zone),
                "next_after": iso(change.get("next_after"), reach.zone),
            }
            for change in plan["changed"]
        ],
        "removed": plan["removed"],
        "kept": plan["kept"],
    }
