"""`history JOB --versions`: when a job's definition changed, how, and the runs under each."""

from dataclasses import dataclass
from typing import Any

from jobrun.cli.cells import Look
from jobrun.cli.filewords import changed_words
from jobrun.cli.moments import iso
from jobrun.cli.output import remark, say_json
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Block, Cell, Facts, Table
from jobrun.cli.whypast import Past
from jobrun.domain.instants import Instant
from jobrun.store.views import VersionRow

Change = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Version:
    """A stretch of time under one definition (None: not in the plan), and what changed at its beginning.

    `since` None: it was never in the plan, but runs were asked for with it
    (`run --env`, `retry` of a job that is gone).
    """

    since: Instant | None
    until: Instant | None
    row: VersionRow | None
    changes: tuple[Change, ...]
    runs: int

    def was_between(self, first: Instant | None, last: Instant | None) -> bool:
        """Whether it was in force at some moment from `first` to `last`; one of runs only, at its first."""
        begin, end = self.since, self.until
        if begin is None and self.row is not None:
            begin = end = self.row.seen_at
        is_over = first is not None and end is not None and end < first
        is_to_come = last is not None and begin is not None and begin > last
        return not is_over and not is_to_come


def show_versions(
    reach: Reach, name: str, *, since: Instant | None, until: Instant | None, limit: int | None, json: bool
) -> None:
    """Print the versions in force between the moments, newest first. Raises NotFound."""
    moment = now()
    past = Past(reach, name, moment)
    everything = versions_of(past)
    versions = [version for version in everything if version.was_between(since, until)][:limit]
    if json:
        say_json({"job": name, "versions": [_shape(version, reach) for version in versions]})
        return
    if not versions:
        remark(
            "It had no definition then." if everything else "No daemon has taken over a definition of it yet."
        )
        return
    look = Look(reach, moment)
    for number, version in enumerate(versions):
        look.print(*([Cell("")] if number else []), *_blocks(version, look))


def versions_of(past: Past) -> list[Version]:
    """The definitions in force, newest first, and then those that only runs had."""
    counts = past.store.run_counts(past.versions) if past.store is not None else {}
    found: list[Version] = []
    earlier: int | None = None
    for span in past.spans:
        row = past.versions.get(span.definition) if span.definition is not None else None
        if span.definition is not None and row is None:
            continue  # only in the job file so far
        changes: tuple[Change, ...] = ()
        if row is not None and earlier is not None:
            changes = tuple(changed_words(past.jobs[earlier], past.jobs[row.id]))
        found.append(Version(span.since, span.until, row, changes, counts.get(row.id, 0) if row else 0))
        earlier = row.id if row is not None else earlier
    in_force = {version.row.id for version in found if version.row is not None}
    for number, row in past.versions.items():
        if number not in in_force and counts.get(number):
            base = max((known for known in in_force if known < number), default=None)
            changes = tuple(changed_words(past.jobs[base], past.jobs[number])) if base is not None else ()
            found.append(Version(None, None, row, changes, counts[number]))
    return sorted(found, key=lambda version: (version.since is not None, version.since or 0), reverse=True)


def _shape(version: Version, reach: Reach) -> dict[str, Any]:
    row = version.row
    return {
        "digest": row.digest if row else None,
        "since": iso(version.since, reach.zone),
        "until": iso(version.until, reach.zone),
        "in_plan": row is not None and version.since is not None,
        "changes": [{"key": key, "old": old, "new": new} for key, old, new in version.changes],
        "runs": version.runs,
        "first_run": row.first_run if row else None,
        "last_run": row.last_run if row else None,
    }


def _blocks(version: Version, look: Look) -> list[Block]:
    row = version.row
    until = look.moment(version.until) if version.until is not None else "now"
    if version.since is None:
        when = f"only for runs asked for, first at {look.moment(row.seen_at) if row else '-'}"
    else:
        when = f"{look.moment(version.since)} to {until}"
    if row is None:
        return [Facts([("version", Cell("not in the job file", "warn")), ("in force", when)])]
    runs = "none kept"
    if version.runs:
        runs = f"{version.runs}, run {row.first_run}"
        runs += f" to {row.last_run}" if row.last_run != row.first_run else ""
    facts = Facts([("version", Cell(row.digest, "strong")), ("in force", when), ("runs", runs)])
    if not version.changes:
        return [facts]
    table = Table(("changed", "old", "new"))
    table.rows += [(key, old or "-", new or "-") for key, old, new in version.changes]
    return [facts, table]
