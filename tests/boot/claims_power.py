"""Reboots and power cuts: a new boot id, and everything gone that was not on the disk.

What happened before a cut is told outside of the machine: starts by the file of
the second serial port, to which the jobs write, requests by their answers.
"""

import json
import random
import time
from typing import Any

from boot.guest import Guest

CUTS = 4
JOBS = """
[jobs.boot]
cron = "@reboot"
command = 'echo "BOOT $JOBRUN_RUN_ID" > /dev/ttyS1'
[jobs.kept]
command = "exec sleep 100000"
on_lost = "retry"
max_lost = 100
[jobs.lost]
command = "exec sleep 100000"
[jobs.shut]
command = "trap 'echo termed; exit 9' TERM; while :; do sleep 0.2; done"
[jobs.beat]
every = "1s"
overlap = "allow"
command = 'fence=${JOBRUN_NOTES%.notes}; echo "BEGAN $JOBRUN_RUN_ID ${fence##*.}" > /dev/ttyS1'
"""
SUBMIT = "jobrun submit --name asked --json -- true"


def told(text: str, word: str) -> list[list[int]]:
    """The numbers of the lines that begin with a word, but for a last line that was cut off."""
    lines = [line.split() for line in text.split("\n")[:-1]]
    return [[int(number) for number in line[1:]] for line in lines if line[:1] == [word]]


def an_orderly_reboot_gives_attempts_back(guest: Guest) -> str:
    """The unit leaves jobs alone at a restart; at a shutdown the daemon ends them, and they run again."""
    guest.fresh(JOBS)
    runs = {job: guest.start(job) for job in ("shut", "lost", "kept")}
    boots = len(guest.runs("boot"))
    old = guest.machine.boot
    guest.machine.reboot()
    assert guest.machine.boot != old
    guest.until(lambda: guest.run("systemctl is-active jobrun").code == 0, "the unit after the boot")
    for run in runs.values():
        shown = guest.in_state(run, "running")
        assert (shown["attempt"], shown["lost"]) == (2, 0), shown
        first = shown["attempts"][0]
        assert (first["outcome"], first["cause"]) == ("cancelled", "shutdown"), first
    assert "termed" in guest.do(f"jobrun logs {runs['shut']} --attempt 1")
    guest.do("systemctl restart jobrun; systemctl reload jobrun")
    rows = guest.runs("boot")
    assert len(rows) == boots + 1, rows
    return f"boot {old[:8]} -> {guest.machine.boot[:8]}: 3 runs given back, attempt 2 runs; @reboot once"


def a_power_cut_is_a_host_crash(guest: Guest) -> str:
    guest.fresh(JOBS)
    kept, lost = guest.start("kept"), guest.start("lost")
    boots = len(guest.runs("boot"))
    _cut(guest)
    end = guest.done(lost)
    assert (end["outcome"], end["cause"]) == ("lost", "host_crash"), end
    again = guest.in_state(kept, "running")
    assert (again["attempt"], again["lost"]) == (2, 1), again
    assert again["attempts"][0]["cause"] == "host_crash", again
    assert len(guest.runs("boot")) == boots + 1
    return "on_lost=fail: lost, host_crash; on_lost=retry: attempt 2 runs, lost counted 1; @reboot once"


def power_cuts_at_random_moments_lose_and_double_nothing(guest: Guest) -> str:
    """Every acknowledged request is there, every witnessed start is there, every second has one row."""
    guest.fresh(JOBS)
    kept = guest.start("kept")
    dice = random.Random()
    asked = began = 0
    # Earlier claims had the port too; from the first cut on the file is only of what comes after it.
    since = len(guest.machine.heard())
    for cut in range(1, CUTS + 1):
        acks = {int(json.loads(guest.do(SUBMIT))["run"]) for _ in range(dice.randrange(1, 5))}
        # And one that the cut may meet anywhere.
        guest.machine.tell(SUBMIT)
        time.sleep(dice.uniform(0, 2))
        text = _cut(guest)[since:]
        since = 0
        starts = {(numbers[0], numbers[1]) for numbers in told(text, "BEGAN")}
        asked, began = asked + len(acks), began + len(starts)
        _compare(guest.runs(), acks, starts)
        guest.each_second_once("beat")
        shown = guest.in_state(kept, "running")
        assert shown["lost"] == cut, shown
    assert guest.run("jobrun doctor").code == 0
    rows = guest.each_second_once("beat")
    return f"{CUTS} cuts: {asked} acknowledged requests and {began} witnessed starts found; {rows} beats"


def _cut(guest: Guest) -> str:
    """Cut the power and switch it on again; what the port had told until then."""
    old = guest.machine.boot
    guest.machine.power_cut()
    text = guest.machine.heard()
    guest.machine.power_on()
    assert guest.machine.boot != old
    guest.until(lambda: guest.run("systemctl is-active jobrun").code == 0, "the unit after the cut")
    return text


def _compare(rows: list[dict[str, Any]], acks: set[int], starts: set[tuple[int, int]]) -> None:
    attempts = {row["run"]: row["attempt"] for row in rows}
    lost = sorted(run for run in acks if run not in attempts)
    assert not lost, f"acknowledged and not in the history: {lost}"
    unknown = sorted(start for start in starts if attempts.get(start[0], 0) < start[1])
    assert not unknown, f"began and not in the history: {unknown}"
    begun = [run for run, _ in starts]
    assert len(begun) == len(set(begun)), "a slot began twice"


CLAIMS = (
    an_orderly_reboot_gives_attempts_back,
    a_power_cut_is_a_host_crash,
    power_cuts_at_random_moments_lose_and_double_nothing,
)
