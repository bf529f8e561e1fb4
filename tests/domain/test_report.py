"""What a job says about itself: read whatever it wrote, and believed in its form only."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain import report
from jobrun.domain.instants import LONGEST, SECOND
from jobrun.domain.report import (
    LARGEST_RESULT,
    Progress,
    Raised,
    Report,
    progress_text,
    raised_text,
    read_progress,
    read_raised,
    read_report,
    result_text,
)
from jobrun.task import results

RAISED = {
    "type": "socket.gaierror",
    "bases": ["gaierror", "socket.gaierror", "OSError", "builtins.OSError"],
    "message": "no such host",
    "traceback": "Traceback …",
    "retry_in": 60 * SECOND,
    "final": False,
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=8)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner),
    max_leaves=8,
)
KEYS = ["result", "error", "progress", "retry_in", "type", "bases", "message", "traceback", "final"]
KEYS += ["at", "percent", "state", "meta"]
objects = st.dictionaries(st.sampled_from(KEYS), anything)


def test_a_report_of_the_contract_is_read_whole():
    report = read_report(
        {
            "result": {"n": 3},
            "error": RAISED,
            "progress": {"at": 5, "percent": 40.0, "state": "x", "meta": {"a": 1}},
        }
    )
    assert report.result == '{"n":3}'
    assert report.error == Raised(
        "socket.gaierror",
        ("gaierror", "socket.gaierror", "OSError", "builtins.OSError"),
        "no such host",
        "Traceback …",
        60 * SECOND,
        False,
    )
    assert report.progress == Progress(5, 40.0, "x", {"a": 1})


@given(anything | objects, objects)
def test_whatever_a_job_writes_is_read_without_an_error_and_can_be_stored(odd, inner):
    """TRAPS: what comes out of a job is not to be trusted, be it a number where a name should be."""
    for mapping in (odd, inner, {"error": inner, "progress": inner, "result": odd}):
        report = read_report(mapping)
        if report.result is not None:
            json.loads(report.result)
            report.result.encode()
        if report.error is not None:
            assert read_raised(json.loads(raised_text(report.error))) == report.error
            raised_text(report.error).encode()
        if report.progress is not None:
            assert read_progress(json.loads(progress_text(report.progress))) == report.progress
            progress_text(report.progress).encode()


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        ("retry_in", -1),
        ("retry_in", True),
        ("retry_in", 1.5),
        ("retry_in", LONGEST + 1),
        ("bases", "OSError"),
        ("final", 1),
        ("message", 7),
        ("traceback", None),
    ],
)
def test_a_value_of_the_wrong_kind_is_as_if_it_were_not_there(key, odd):
    left_out = {name: value for name, value in RAISED.items() if name != key}
    assert read_raised({**RAISED, key: odd}) == read_raised(left_out)


def test_an_error_without_a_type_is_none_and_progress_without_a_time_is_none():
    assert read_raised({"message": "x"}) is None
    assert read_progress({"percent": 3}) is None
    assert read_progress({"percent": 3, "at": "now"}) is None


def test_long_texts_are_clipped_and_a_traceback_keeps_head_and_tail():
    raised = read_raised({**RAISED, "message": "m" * 9000, "traceback": "HEAD" + "t" * 200_000 + "TAIL"})
    assert raised is not None
    assert len(raised.message) == 2000
    assert raised.traceback.startswith("HEAD")
    assert raised.traceback.endswith("TAIL")
    assert len(raised.traceback) < 70_000


def test_half_a_surrogate_pair_stays_what_json_says_of_it():
    text = result_text({"name": "a\udcff"})
    assert text is not None
    assert json.loads(text) == {"name": "a\udcff"}
    text.encode()


def test_no_result_is_kept_that_is_not_json_or_too_large():
    assert result_text(float("nan")) is None
    assert result_text({1, 2}) is None
    assert result_text("x" * LARGEST_RESULT) is None
    assert result_text("x" * (LARGEST_RESULT - 2)) is not None
    assert read_report({"result": None}) == Report()


def test_progress_stays_between_nothing_and_everything():
    assert read_progress({"at": 1, "percent": 400}) == Progress(1, 100.0)
    assert read_progress({"at": 1, "percent": -3}) == Progress(1, 0.0)
    assert read_progress({"at": 1, "percent": float("inf")}) == Progress(1)


def test_an_exception_has_its_short_name_its_long_name_and_those_of_its_bases():
    raised = read_raised(RAISED)
    assert raised is not None
    assert raised.names == ("gaierror", "socket.gaierror", "OSError", "builtins.OSError")
    assert Raised("app.Odd").names == ("Odd", "app.Odd")


def test_our_own_exceptions_are_told_from_namesakes():
    assert Raised("jobrun.task.SoftTimeout").is_ours("SoftTimeout")
    assert Raised("app.Late", ("Late", "app.Late", "jobrun.task.SoftTimeout")).is_ours("SoftTimeout")
    assert not Raised("celery.exceptions.SoftTimeout", ("SoftTimeout",)).is_ours("SoftTimeout")


def test_worker_and_daemon_have_the_same_bounds():
    """They stand twice, for a worker may run in an interpreter that has no jobrun."""
    names = ("DEEPEST", "MOST_DIGITS")
    assert [getattr(results, name) for name in names] == [getattr(report, name) for name in names]
    assert results.LARGEST == report.LARGEST_RESULT


@given(
    st.recursive(
        st.text(alphabet='[]{}"\\9 x', max_size=9) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{"\\', max_size=3), inner),
    ),
    st.integers(90, 110),
    st.integers(590, 610),
)
def test_worker_and_daemon_find_the_same_unreadable(value, levels, digits):
    text = json.dumps([value, int("9" * digits)])
    nested = "[" * levels + json.dumps(value) + "]" * levels
    for one in (text, nested):
        assert results.why_unreadable(one) == report.why_unreadable(one)
    assert bool(report.why_unreadable(text)) == (digits > report.MOST_DIGITS)
