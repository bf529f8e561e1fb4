"""What a new job file would change: compared job by job, before anything is touched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobrun.domain.job import Job, Plan, PythonCall

_BODY_KEYS = {"text": "command", "argv": "command", "target": "python"}
_JITTER = {"full_jitter": "jitter"}


@dataclass(frozen=True, slots=True)
class Changed:
    """A job whose definition differs, and in which keys, as the job file calls them."""

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
    pools: tuple[str, ...]
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
        pools=_different_keys(old.pools, new.pools),
        settings=tuple(
            f.name
            for f in fields(old.settings)
            if getattr(old.settings, f.name) != getattr(new.settings, f.name)
        ),
    )


def _different_fields(old: Job, new: Job) -> tuple[str, ...]:
    names = [name for f in fields(old) for name in _keys(f.name, getattr(old, f.name), getattr(new, f.name))]
    return tuple(dict.fromkeys(names))


def _keys(name: str, old: Any, new: Any) -> Iterator[str]:
    """The job file's keys behind one field of a job that differs."""
    if old == new:
        return
    match name:
        case "body" if type(old) is type(new):
            for f in fields(old):
                if getattr(old, f.name) != getattr(new, f.name):
                    yield _BODY_KEYS.get(f.name, f.name)
        case "body":
            yield "python" if isinstance(new, PythonCall) else "command"
        case "checkpoint" if old is None or new is None:
            yield name
        case "retry" | "retention" | "limits" | "checkpoint":
            prefix = f"{name}." if name in ("limits", "checkpoint") else ""
            for f in fields(old):
                if getattr(old, f.name) != getattr(new, f.name):
                    yield prefix + _JITTER.get(f.name, f.name)
        case "env":
            yield from (f"env.{key}" for key in _different_keys(old, new))
        case _:
            yield name


def _different_keys(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
