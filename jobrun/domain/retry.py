"""Whether a failed try is followed by another, and when.

The waits: fixed `delay`; linear `delay * n`; exponential `delay * 2^(n-1)`;
polynomial `delay * n^power`, where n counts the tries made so far. The wait is
capped at `max_delay`, then jittered, then clamped to `max_delay` again, so
that jitter never exceeds what the file promises.
"""

import signal

from jobrun.domain.instants import Duration, Instant
from jobrun.domain.job import Backoff, RetryPolicy
from jobrun.domain.run import Outcome
from jobrun.domain.value import value

# Names that are not a class's own, so that no report has them; and what they stand for.
_ALSO_CALLED = {
    "IOError": "OSError",
    "EnvironmentError": "OSError",
    "socket.error": "OSError",
    "select.error": "OSError",
    "socket.timeout": "TimeoutError",
    "asyncio.TimeoutError": "TimeoutError",
    "concurrent.futures.TimeoutError": "TimeoutError",
}
_HUGE: Duration = 1 << 62


@value(frozen=True, slots=True)
class Failure:
    """What `retry_on` and `no_retry_on` are matched against: outcome, exit, the exception's names.

    `retry_in` is the job's own wish for another try, after exactly that long;
    `final` its word that there must be none.
    """

    outcome: Outcome
    exit_code: int | None = None
    signal: int | None = None
    spawn: bool = False
    names: tuple[str, ...] = ()
    retry_in: Duration | None = None
    final: bool = False


def decide_retry(
    policy: RetryPolicy, charged: int, failure: Failure, now: Instant, draw: float
) -> Instant | None:
    """The moment of the next try, or None if this failure is final.

    `charged` counts the tries made, this one included; `draw` is a random
    number in [0, 1). A job that asks for its next try itself knows better than
    the policy when that makes sense; only the number of tries is not its own.
    """
    if charged >= policy.attempts or failure.final:
        return None
    if failure.retry_in is not None:
        return now + failure.retry_in
    if not is_retryable(policy, failure):
        return None
    return now + wait_after(policy, charged, draw)


def is_retryable(policy: RetryPolicy, failure: Failure) -> bool:
    """Whether the policy's conditions allow another try after this failure."""
    if any(matches(condition, failure) for condition in policy.no_retry_on):
        return False
    return not policy.retry_on or any(matches(condition, failure) for condition in policy.retry_on)


def matches(condition: str, failure: Failure) -> bool:
    """Whether a condition holds.

    It is `exit:75`, `exit:64-78`, `signal:KILL`, `timed_out`, `lost`, `spawn`, or the
    name of an exception or of one of its bases, short or with its module.
    """
    kind, _, value = condition.partition(":")
    if kind == "exit":
        low, _, high = value.partition("-")
        return failure.exit_code is not None and int(low) <= failure.exit_code <= int(high or low)
    if kind == "signal":
        return failure.signal is not None and failure.signal == signal_number(value)
    if kind == "spawn":
        return failure.spawn
    names = (condition, _ALSO_CALLED.get(condition, condition))
    return condition == failure.outcome.value or any(name in failure.names for name in names)


def signal_number(name: str) -> int:
    """The number of `KILL`, `SIGKILL` or `9`. Raises ValueError for an unknown one."""
    text = name.upper()
    if text.isdigit():
        return int(signal.Signals(int(text)))
    full = text if text.startswith("SIG") else f"SIG{text}"
    try:
        return int(signal.Signals[full])
    except KeyError:
        raise ValueError(f'"{name}" is not a signal') from None


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `signal 77` for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def wait_after(policy: RetryPolicy, tries: int, draw: float = 0.5) -> Duration:
    """The wait after the given number of tries; `draw` in [0, 1), 0.5 is no shift by ± jitter."""
    wait = min(_unbounded(policy, tries), policy.max_delay)
    if policy.full_jitter:
        wait = round(wait * draw)
    elif policy.jitter:
        wait = round(wait * (1 + policy.jitter * (2 * draw - 1)))
    return min(max(wait, 0), policy.max_delay)


def _unbounded(policy: RetryPolicy, tries: int) -> Duration:
    match policy.backoff:
        case Backoff.FIXED:
            return policy.delay
        case Backoff.LINEAR:
            return policy.delay * tries
        case Backoff.EXPONENTIAL:
            return policy.delay * (1 << min(tries - 1, 62))
        case Backoff.POLYNOMIAL:
            try:
                factor: float = float(tries) ** policy.power
                return round(policy.delay * factor)
            except OverflowError:
                return _HUGE
