"""The waits between tries, and which failures are tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.instants import DAY, MINUTE, SECOND
from jobrun.domain.job import Backoff, RetryPolicy
from jobrun.domain.retry import Failure, decide_retry, is_retryable, matches, wait_after
from jobrun.domain.run import Outcome


def waits(policy, count=5):
    return [wait_after(policy, tries) / SECOND for tries in range(1, count + 1)]


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (Backoff.FIXED, [2, 2, 2, 2, 2]),
        (Backoff.LINEAR, [2, 4, 6, 8, 10]),
        (Backoff.EXPONENTIAL, [2, 4, 8, 16, 32]),
        (Backoff.POLYNOMIAL, [2, 16, 54, 128, 250]),
    ],
)
def test_growth(backoff, expected):
    assert waits(RetryPolicy(attempts=9, backoff=backoff, delay=2 * SECOND)) == expected


def test_the_third_power_without_jitter_is_exact():
    policy = RetryPolicy(attempts=9, backoff=Backoff.POLYNOMIAL, delay=SECOND, power=3)
    assert waits(policy) == [1, 8, 27, 64, 125]


policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 50),
    backoff=st.sampled_from(Backoff),
    delay=st.integers(0, DAY),
    max_delay=st.integers(0, DAY),
    power=st.floats(0, 10),
    jitter=st.floats(0, 1),
    full_jitter=st.booleans(),
)


@given(policies, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_above_the_maximum(policy, tries, draw):
    assert 0 <= wait_after(policy, tries, draw) <= policy.max_delay


def test_jitter_spreads_by_its_fraction_and_full_jitter_down_to_nothing():
    some = RetryPolicy(attempts=2, delay=10 * SECOND, jitter=0.2)
    assert wait_after(some, 1, 0.0) == 8 * SECOND
    assert wait_after(some, 1, 0.999999) == pytest.approx(12 * SECOND, rel=1e-4)
    full = RetryPolicy(attempts=2, delay=10 * SECOND, full_jitter=True)
    assert wait_after(full, 1, 0.0) == 0
    assert wait_after(full, 1, 0.5) == 5 * SECOND


def test_jitter_never_exceeds_the_cap():
    policy = RetryPolicy(attempts=2, delay=MINUTE, max_delay=MINUTE, jitter=0.5)
    assert wait_after(policy, 1, 0.99) == MINUTE


REFUSED = Failure(
    Outcome.FAILED,
    exit_code=1,
    names=("ConnectionRefusedError", "ConnectionError", "OSError", "builtins.OSError"),
)


@pytest.mark.parametrize(
    ("condition", "failure", "expected"),
    [
        ("exit:75", Failure(Outcome.FAILED, exit_code=75), True),
        ("exit:75", Failure(Outcome.FAILED, exit_code=7), False),
        ("exit:64-78", Failure(Outcome.FAILED, exit_code=70), True),
        ("exit:64-78", Failure(Outcome.FAILED, exit_code=79), False),
        ("exit:1", Failure(Outcome.FAILED, signal=1), False),
        ("signal:KILL", Failure(Outcome.FAILED, signal=9), True),
        ("signal:SIGTERM", Failure(Outcome.FAILED, signal=9), False),
        ("signal:9", Failure(Outcome.FAILED, signal=9), True),
        ("timed_out", Failure(Outcome.TIMED_OUT, signal=15), True),
        ("timed_out", Failure(Outcome.FAILED, exit_code=1), False),
        ("spawn", Failure(Outcome.FAILED, spawn=True), True),
        ("ConnectionError", REFUSED, True),
        ("OSError", REFUSED, True),
        ("builtins.OSError", REFUSED, True),
        ("IOError", REFUSED, True),
        ("socket.error", REFUSED, True),
        ("socket.timeout", Failure(Outcome.FAILED, names=("TimeoutError", "OSError")), True),
        ("socket.timeout", REFUSED, False),
        ("Error", REFUSED, False),
        ("ValueError", REFUSED, False),
        ("ConnectionError", Failure(Outcome.FAILED, exit_code=1), False),
        ("exit:1", REFUSED, True),
    ],
)
def test_conditions(condition, failure, expected):
    assert matches(condition, failure) is expected


def test_no_retry_on_wins_over_retry_on():
    policy = RetryPolicy(attempts=3, retry_on=("exit:1-9",), no_retry_on=("exit:2",))
    assert is_retryable(policy, Failure(Outcome.FAILED, exit_code=1))
    assert not is_retryable(policy, Failure(Outcome.FAILED, exit_code=2))
    assert not is_retryable(policy, Failure(Outcome.FAILED, exit_code=10))


def test_attempts_counts_every_try():
    policy = RetryPolicy(attempts=2, delay=SECOND)
    failure = Failure(Outcome.FAILED, exit_code=1)
    assert decide_retry(policy, 1, failure, 1000, 0.5) == 1000 + SECOND
    assert decide_retry(policy, 2, failure, 1000, 0.5) is None


def test_a_base_in_no_retry_on_stops_what_a_derived_one_in_retry_on_allows():
    policy = RetryPolicy(attempts=3, retry_on=("ConnectionError",), no_retry_on=("OSError",))
    assert not is_retryable(policy, REFUSED)


def test_a_job_that_asks_for_its_next_try_gets_it_to_the_microsecond_whatever_the_policy_says():
    policy = RetryPolicy(
        attempts=2, delay=SECOND, max_delay=SECOND, jitter=1.0, retry_on=("exit:3",), no_retry_on=("exit:75",)
    )
    asked = Failure(Outcome.FAILED, exit_code=75, retry_in=60 * SECOND)
    assert decide_retry(policy, 1, asked, 1000, 0.9) == 1000 + 60 * SECOND
    assert decide_retry(policy, 2, asked, 1000, 0.9) is None


def test_a_job_that_says_it_is_final_is_not_tried_again():
    policy = RetryPolicy(attempts=9)
    assert decide_retry(policy, 1, Failure(Outcome.FAILED, exit_code=1, final=True), 1000, 0.5) is None
    both = Failure(Outcome.FAILED, exit_code=75, final=True, retry_in=SECOND)
    assert decide_retry(policy, 1, both, 1000, 0.5) is None
