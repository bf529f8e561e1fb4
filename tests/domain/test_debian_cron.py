"""Our calendar against what Debian's own cron program did.

The facts in `debian_cron/` were recorded from the C code; its README says how
to read them. The few places where we differ on purpose are the functions
`refused_on_purpose` and `beyond_debian` below and nothing else.
"""

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import pytest

from jobrun.domain.calendar import CronError, check_cron, cron_between, is_fixed_time, iter_cron, next_cron
from jobrun.domain.instants import MINUTE, SECOND, Instant, from_datetime

FACTS = Path(__file__).parent / "debian_cron"


def read_facts(name: str) -> list[dict]:
    with gzip.open(FACTS / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


MOMENTS = read_facts("moments.jsonl.gz")
VERDICTS: dict[str, list[str]] = json.loads((FACTS / "verdicts.json").read_text(encoding="utf-8"))


def unpack(distances: str, start: Instant) -> tuple[list[Instant], bool]:
    """The recorded moments, and whether the list is complete."""
    complete = not distances.endswith("+")
    at, found = start, []
    for part in distances.removesuffix("+").split():
        distance, _, times = part.partition("*")
        for _ in range(int(times or 1)):
            at += int(distance) * MINUTE
            found.append(at)
    return found, complete


def instant(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text))


def shown(moments: list[Instant]) -> list[str]:
    return [f"{datetime.fromtimestamp(moment / SECOND, UTC):%Y-%m-%d %H:%MZ}" for moment in moments]


def groups(kind: str) -> list:
    """The facts of one kind, by zone."""
    zones = sorted({group["zone"] for group in MOMENTS if group["kind"] == kind})
    return [
        pytest.param([g for g in MOMENTS if g["kind"] == kind and g["zone"] == zone], id=f"{kind}-{zone}")
        for zone in zones
    ]


def cases(found: list[dict]) -> Iterator[tuple[str, str, Instant, Instant, list[Instant]]]:
    """Text, zone, start, end and moments of each fact; a list cut short ends at its last moment."""
    for group in found:
        start, until = instant(group["from"]), instant(group["until"])
        for text, distances, *_ in group["cases"]:
            moments, complete = unpack(distances, start)
            yield text, group["zone"], start, until if complete else moments[-1], moments


ALL_GROUPS = [*groups("change"), *groups("week"), *groups("year")]


def test_there_are_thousands_of_facts():
    facts = list(cases(MOMENTS))
    assert len(facts) > 5_000
    assert len({text for text, *_ in facts}) > 3_000
    assert len({zone for _, zone, *_ in facts}) > 30
    assert sum(map(len, VERDICTS.values())) > 4_000


@pytest.mark.parametrize("found", ALL_GROUPS)
def test_due_moments_are_those_at_which_debian_cron_starts_the_job(found):
    """TRAPS, time: both nights of a change, half-hour and midnight changes, skipped days, the star rule."""
    for text, zone, start, until, moments in cases(found):
        ours = list(takewhile(lambda at, until=until: at <= until, iter_cron(text, zone, start)))
        assert ours == moments, (
            f"{text!r} in {zone} from {shown([start])}: "
            f"only ours {shown(sorted(set(ours) - set(moments)))}, "
            f"only Debian's {shown(sorted(set(moments) - set(ours)))}"
        )


@pytest.mark.parametrize("found", ALL_GROUPS)
def test_the_next_moment_is_the_same_wherever_one_starts(found):
    """Our answer needs no memory of an earlier one: asked between moments, on one, just beside one."""
    for text, zone, start, until, moments in cases(found):
        middle = moments[len(moments) // 2] if moments else (start + until) // 2
        for after in (start, middle - 1, middle, middle + 1, (start + until) // 2):
            expected = next((moment for moment in moments if moment > after), None)
            ours = next_cron(text, zone, after)
            if expected is None:
                assert ours is None or ours > until, (text, zone, shown([after]))
            else:
                assert ours == expected, (text, zone, shown([after]))


@pytest.mark.parametrize("found", ALL_GROUPS)
def test_counting_a_stretch_agrees_with_the_single_moments(found):
    for text, zone, start, until, moments in cases(found):
        expected = (moments[0], moments[-1], len(moments), tuple(moments[-3:])) if moments else None
        assert cron_between(text, zone, start, until, 3) == expected, (text, zone, shown([start]))


def unpack_starts(starts: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    """Real second, second shown by the clock, minutes late; of every start."""
    for real, clock, late, *rest in starts:
        distance, times = rest or (0, 1)
        for number in range(times):
            yield real + number * distance, clock + number * distance, late


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed-time", "wildcard"])
def test_minutes_that_debian_cron_starts_jobs_for_when_its_clock_is_set(fixed):
    """Up to three hours, fixed-time jobs run once for each due minute; wildcard jobs go by the clock.

    This holds the calendar's due minutes against the recorded steps; what the
    engine does at a step has its own tests.
    """
    seen = 0
    for group in read_facts("clock_steps.jsonl.gz"):
        if group["zone"] != "UTC":
            continue
        start, by, end = instant(group["from"]), group["by"], group["length"]
        highest = max(group["after"], end + by)
        for text, starts in group["cases"]:
            if is_fixed_time(text) != fixed:
                continue
            planned = [
                start + (clock // 60 - late) * MINUTE
                for _, clock, late in unpack_starts(starts)
                if fixed or not late
            ]
            lowest = min([start, *planned])
            until = start + max(highest, end) * SECOND
            due = list(
                takewhile(lambda at, until=until: at <= until, iter_cron(text, "UTC", lowest - MINUTE))
            )
            assert set(planned) <= set(due), (text, group["from"], group["after"], by)
            if fixed and abs(by) < 3 * 3_600:
                last = start + (highest - 1) * SECOND  # the program wakes a second after the minute
                assert planned == [at for at in due if start < at <= last], (text, group["after"], by)
            seen += len(planned)
    assert seen > 10_000


def accepts(text: str) -> bool:
    try:
        check_cron(text)
    except CronError:
        return False
    return True


def refused_on_purpose(verdict: str) -> bool:
    """Debian takes these texts; nobody can mean what it makes of them.

    Rubbish behind a valid item is skipped in silence, a range backwards is
    empty, a number too large for a C int wraps around, some dates never come,
    and what is behind the fifth field is the command.
    """
    return verdict in ("ok: rubbish", "ok: backwards", "ok: overflow", "ok: never", "ok: longer")


def beyond_debian(text: str) -> bool:
    """Six fields, `L` and `LW` for days of the month, `5L` and `5#2` for days of the week.

    Also a step too large for a C int, which to us is any step past the end of the field.
    """
    fields = text.split()
    if len(fields) == 6:
        return True
    if len(fields) != 5:
        return False
    day_of_month, day_of_week = fields[2].upper(), fields[4].upper()
    return bool(
        re.search(r"(^|,)LW?(,|$)", day_of_month)
        or any(re.fullmatch(r"\*/[0-9]{10,}", field) for field in fields)
        or re.search(r"(^|,)([0-7]|[A-Z]{3})(L|#[1-5])(,|$)", day_of_week)
    )


@pytest.mark.parametrize("verdict", sorted(VERDICTS))
def test_what_debian_cron_takes_and_refuses_we_do_too(verdict):
    taken = verdict in ("fixed time", "wildcard", "at boot")
    assert taken or refused_on_purpose(verdict) or verdict.startswith("bad ") or verdict == "nothing"
    wrong = [
        text for text in VERDICTS[verdict] if accepts(text) != taken and (taken or not beyond_debian(text))
    ]
    assert wrong == []


def test_what_we_accept_beyond_debian_is_among_the_refused():
    """The exceptions above are not idle: each kind of them is met and accepted."""
    more = [
        text
        for verdict, texts in VERDICTS.items()
        for text in texts
        if verdict not in ("fixed time", "wildcard", "at boot") and accepts(text)
    ]
    for kind in ("0 * * * * *", "* * L * *", "* * LW * *", "* * * * 5L", "* * * * 5#2"):
        assert kind in more


@pytest.mark.parametrize("verdict", ["fixed time", "wildcard"])
def test_fixed_time_and_wildcard_jobs_are_told_apart_as_debian_does(verdict):
    wrong = [text for text in VERDICTS[verdict] if is_fixed_time(text) != (verdict == "fixed time")]
    assert wrong == []


@pytest.mark.parametrize("place", range(5))
def test_a_number_may_have_thousands_of_digits(place):
    """Debian's limit is a line of 1000 characters; ours must not be the one of `int()`."""
    fields = ["*"] * 5
    zeros = "0" * 5_000
    for item, like in ((f"*/{zeros}2", "*/2"), (f"{zeros}5", "5"), ("*/" + "9" * 5_000, "*/99")):
        fields[place] = item
        text = " ".join(fields)
        fields[place] = like
        after = instant("2025-01-01T00:00Z")
        assert next_cron(text, "UTC", after) == next_cron(" ".join(fields), "UTC", after)
    fields[place] = "9" * 5_000
    assert not accepts(" ".join(fields))
