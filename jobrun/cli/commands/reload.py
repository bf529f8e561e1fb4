"""`jobrun reload`: the job file again, with the plan of what changes."""

from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.moments import in_zone
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
    for change in plan["added"]:
        say(f"added    {change['job']} (next {_moment(change.get('next'), reach) or 'never'})")
    for change in plan["changed"]:
        say(f"changed  {change['job']}: {', '.join(change['fields'])}{_next_words(change, reach)}")
    for change in plan["removed"]:
        say(f"removed  {change['job']}")
    if not (plan["added"] or plan["changed"] or plan["removed"]):
        say(f"No job changed ({plan['kept']} kept).")
        return
    kept = f"{plan['kept']} {'job' if plan['kept'] == 1 else 'jobs'}"
    if dry_run:
        remark(f"{kept} kept. Nothing was applied; this was a dry run.")
    else:
        remark(f"{kept} kept.")


def _next_words(change: dict[str, Any], reach: Reach) -> str:
    before, after = change.get("next_before"), change.get("next_after")
    if before == after:
        return ""
    return f" (next {_moment(before, reach) or 'never'} -> {_moment(after, reach) or 'never'})"


def _moment(text: str | None, reach: Reach) -> str | None:
    """A moment as the daemon told it, in the zone of display."""
    return in_zone(text, reach.zone)


def _shape(plan: dict[str, Any], reach: Reach) -> dict[str, Any]:
    return {
        "applied": plan["applied"],
        "added": [{"job": item["job"], "next": _moment(item.get("next"), reach)} for item in plan["added"]],
        "changed": [
            {
                "job": change["job"],
                "fields": change["fields"],
                "next_before": _moment(change.get("next_before"), reach),
                "next_after": _moment(change.get("next_after"), reach),
            }
            for change in plan["changed"]
        ],
        "removed": [item["job"] for item in plan["removed"]],
        "kept": plan["kept"],
    }
