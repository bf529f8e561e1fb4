"""Definitions as text: round trips, order, and texts of other versions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.definition import decode, digest, encode
from jobrun.domain.job import (
    After,
    ArgvCommand,
    At,
    Backoff,
    CatchUp,
    Checkpoint,
    Cron,
    Every,
    Isolation,
    Job,
    Limits,
    Overlap,
    PythonCall,
    Reboot,
    RetryPolicy,
    Schedule,
    ShellCommand,
)

text = st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)
bodies = st.one_of(
    st.builds(ShellCommand, text, text),
    st.builds(ArgvCommand, st.lists(text, min_size=1, max_size=3).map(tuple)),
    st.builds(
        PythonCall,
        text,
        st.lists(json_values, max_size=2).map(tuple),
        st.dictionaries(text, json_values, max_size=2),
        st.none() | text,
        st.lists(text, max_size=2).map(tuple),
        st.sampled_from(Isolation),
        st.just("default") | text,
    ),
)
moments = st.integers(0, 1 << 60)
whens = st.one_of(
    st.builds(Cron, text),
    st.builds(Every, moments),
    st.builds(After, moments),
    st.builds(At, moments),
    st.just(Reboot()),
)
schedules = st.builds(
    Schedule, key=text, when=whens, timezone=text, spread=moments, expires=st.none() | moments
)
jobs = st.builds(
    Job,
    name=text,
    body=bodies,
    schedules=st.lists(schedules, max_size=3).map(tuple),
    tags=st.lists(text, max_size=3).map(tuple),
    env=st.dictionaries(text, text, max_size=3),
    overlap=st.sampled_from(Overlap),
    catch_up=st.sampled_from(CatchUp),
    retry=st.builds(
        RetryPolicy,
        attempts=st.integers(1, 9),
        backoff=st.sampled_from(Backoff),
        retry_on=st.lists(text, max_size=2).map(tuple),
    ),
    limits=st.builds(Limits, memory=st.none() | moments),
    data=st.none() | text,
    checkpoint=st.none() | st.builds(Checkpoint, dir=st.none() | text, resume=st.booleans()),
)


@given(jobs)
def test_what_is_written_is_read_back(job):
    again = decode(encode(job))
    assert again == job
    assert encode(again) == encode(job)
    assert digest(encode(again)) == digest(encode(job))


def test_the_order_of_env_is_kept():
    job = Job(name="j", body=ShellCommand("x"), env={"B": "1", "A": "${B}"})
    assert list(decode(encode(job)).env) == ["B", "A"]


def test_a_python_job_that_uses_nothing_new_keeps_the_text_it_had_in_the_first_version():
    """Else an upgrade would look like an edit of every such job."""
    body = '{"kind":"python","target":"m:f","args":[1],"kwargs":{},"interpreter":null,"python_path":[]}'
    old = f'{{"name":"j","body":{body}}}'
    job = Job(name="j", body=PythonCall("m:f", (1,)))
    assert encode(job) == old
    assert decode(old) == job


def test_fields_of_a_later_version_are_ignored_and_missing_ones_take_their_default():
    data = json.loads(encode(Job(name="j", body=ShellCommand("x"))))
    data["field_of_the_future"] = {"x": 1}
    data["body"]["also_new"] = True
    assert decode(json.dumps(data)) == Job(name="j", body=ShellCommand("x"))


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"name":"j"}', '{"name":"j","body":{"kind":"perl"}}'])
def test_what_is_no_definition_is_a_value_error(broken):
    with pytest.raises(ValueError):
        decode(broken)
