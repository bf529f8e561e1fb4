"""What a reload says it changes, in the words of the job file."""

from dataclasses import replace
from typing import Any

import pytest

from jobrun.domain.instants import SECOND
from jobrun.domain.job import (
    ArgvCommand,
    Checkpoint,
    Isolation,
    Job,
    Limits,
    Plan,
    Pool,
    PythonCall,
    Retention,
    RetryPolicy,
    ShellCommand,
)
from jobrun.domain.reload import plan_reload

JOB = Job(name="a", body=ShellCommand("true"), env={"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"body": ShellCommand("false")}, ("command",)),
        ({"body": ShellCommand("true", shell="/bin/bash")}, ("shell",)),
        ({"body": ArgvCommand(("true",))}, ("command",)),
        ({"body": PythonCall(target="m:f")}, ("python",)),
        ({"retry": RetryPolicy(attempts=2, delay=SECOND)}, ("attempts", "delay")),
        ({"retry": RetryPolicy(jitter=1.0, full_jitter=True)}, ("jitter",)),
        ({"limits": Limits(memory=1)}, ("limits.memory",)),
        ({"retention": Retention(keep_failed=1)}, ("keep_failed",)),
        ({"env": {"A": "1", "B": "3", "C": "4"}}, ("env.B", "env.C")),
        ({"env": {"B": "2", "A": "1"}, "nice": 3}, ("nice",)),
        ({"timeout": SECOND, "queue": "q"}, ("queue", "timeout")),
        ({"data": "7"}, ("data",)),
        ({"checkpoint": Checkpoint()}, ("checkpoint",)),
    ],
)
def test_changes_are_named_by_their_keys(change: dict[str, Any], keys: tuple[str, ...]) -> None:
    (changed,) = plan_reload(Plan(jobs={"a": JOB}), Plan(jobs={"a": replace(JOB, **change)})).changed
    assert sorted(changed.fields) == sorted(keys)


def test_what_is_the_same_is_kept() -> None:
    change = plan_reload(Plan(jobs={"a": JOB}), Plan(jobs={"a": replace(JOB)}))
    assert (change.kept, change.changed) == (("a",), ())


def test_changes_within_a_python_call_and_its_checkpoints_are_named_by_their_keys() -> None:
    old = Job(name="a", body=PythonCall("m:f"), checkpoint=Checkpoint())
    new = replace(
        old,
        body=PythonCall("m:f", isolation=Isolation.FRESH, pool="gpu"),
        checkpoint=Checkpoint(keep=1, resume=False),
    )
    (changed,) = plan_reload(Plan(jobs={"a": old}), Plan(jobs={"a": new})).changed
    assert sorted(changed.fields) == ["checkpoint.keep", "checkpoint.resume", "isolation", "pool"]


def test_pools_that_differ_are_named() -> None:
    old = Plan(pools={"a": Pool(name="a"), "b": Pool(name="b"), "c": Pool(name="c")})
    new = Plan(pools={"a": Pool(name="a"), "b": Pool(name="b", max=2), "d": Pool(name="d")})
    assert plan_reload(old, new).pools == ("b", "c", "d")
