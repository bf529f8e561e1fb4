"""What a new job file would change: compared job by job, before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from jobrun.domain.job import Job, Plan


@dataclass(frozen=True, slots=True)
class Changed:
    """A job whose definition differs, and in which fields."""

    job: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanChange:
    """The difference between two plans. Names are sorted."""

    added: tuple[str, ...]
    changed: tuple[Changed, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    queues: tuple[str, ...]
    settings: tuple[str, ...]


def plan_reload(old: Plan, new: Plan) -> PlanChange:
    """Compare two plans."""
    both = sorted(old.jobs.keys() & new.jobs.keys())
    changed = tuple(
        Changed(name, _different_fields(old.jobs[name], new.jobs[name]))
        for name in both
        if old.jobs[name] != new.jobs[name]
    )
    differing = {change.job for change in changed}
    return PlanChange(
        added=tuple(sorted(new.jobs.keys() - old.jobs.keys())),
        changed=changed,
        removed=tuple(sorted(old.jobs.keys() - new.jobs.keys())),
        kept=tuple(name for name in both if name not in differing),
        queues=_different_keys(old.queues, new.queues),
        settings=tuple(
            f.name
            for f in fields(old.settings)
            if getattr(old.settings, f.name) != getattr(new.settings, f.name)
        ),
    )


def _different_fields(old: Job, new: Job) -> tuple[str, ...]:
    return tuple(f.name for f in fields(old) if getattr(old, f.name) != getattr(new, f.name))


def _different_keys(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
