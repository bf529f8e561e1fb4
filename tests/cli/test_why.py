"""`jobrun why` over a store whose story is known: two weeks of one nightly job.

TRAPS, Operation: "a daily job skipped its day and ran twice the next; nobody
could say why".
"""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from filled import NOON, PROCESS

from jobrun.domain.definition import digest, encode
from jobrun.domain.events import Admitted, Exited, Spawned
from jobrun.domain.instants import MINUTE, SECOND, Instant, from_datetime, to_iso
from jobrun.domain.job import At, Cron, Job, Schedule, ShellCommand
from jobrun.domain.ledger import JobListed, MetaSet, RunCreated, RunMoved, ScheduleSeen
from jobrun.domain.lifecycle import step
from jobrun.domain.records import DefinitionSeen, HostEvent
from jobrun.domain.run import Cause, Done, Exit, Outcome, Queued, Run, Slot, Trigger
from jobrun.store.writer import Ledger

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> Instant:
    """A moment of 2026 in Berlin: `02-22 03:00`."""
    return from_datetime(datetime.fromisoformat(f"2026-{text.replace(' ', 'T')}").replace(tzinfo=BERLIN))


def nightly(cron: str, **more: object) -> Job:
    schedule = Schedule(key="night", when=Cron(cron), timezone="Europe/Berlin")
    return Job(name="nightly", body=ShellCommand("dump"), schedules=(schedule,), **more)  # type: ignore[arg-type]


FIRST, SECOND_ONE = nightly("0 3 * * *"), nightly("30 3 * * *", timeout=MINUTE)
OFF = nightly("0 3 * * *", enabled=False)
BY_HAND = nightly("0 3 * * *", env={"DRY": "1"})
JOBS = {1: FIRST, 2: SECOND_ONE, 3: OFF, 4: BY_HAND}


class Story:
    """Writes what daemons would have written."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True)
        self.ledger = Ledger(state / "jobrun.db")
        self.facts: list[object] = []
        self.runs = 0

    def event(self, when: Instant, kind: str, /, **detail: object) -> None:
        self.facts.append(HostEvent(when, kind, detail))

    def planned(self, when: Instant, old: int | None, new: int | None, kind: str = "reloaded") -> None:
        self.event(when, kind, versions={"nightly": [old, new], "other": [None, 9]})

    def run(self, slot: Instant | None, created: Instant, definition: int = 1, **more: object) -> Run:
        self.runs += 1
        fields: dict[str, object] = {
            "id": self.runs,
            "job": "nightly",
            "queue": "default",
            "definition_id": definition,
            "trigger": Trigger.SCHEDULE if slot is not None else Trigger.MANUAL,
            "status": Queued(created),
            "created_at": created,
            "slot": Slot("night", slot) if slot is not None else None,
            "requested_by": "" if slot is not None else "bob",
        }
        run = Run(**{**fields, **more})  # type: ignore[arg-type]
        self.facts.append(RunCreated(run))
        return run

    def skip(self, slot: Instant, created: Instant, cause: Cause, detail: str, **more: object) -> None:
        self.run(slot, created, status=Done(Outcome.SKIPPED, cause, created, detail), **more)

    def went(self, run: Run, start: Instant, end: Instant, code: int = 0) -> None:
        exit = Exit(ended_at=end, exit_code=code)
        for event in (Admitted(start), Spawned(start, PROCESS), Exited(end, exit, 0.5)):
            done = step(run, event, JOBS[run.definition_id])
            self.facts += [RunMoved(run, done.after), *done.facts]
            run = done.after

    def close(self) -> None:
        self.ledger.commit(self.facts)  # type: ignore[arg-type]
        self.ledger.close()


@pytest.fixture
def story(tmp_path: Path) -> None:
    it = Story(tmp_path / "state")
    for number, job in JOBS.items():
        body = encode(job)
        it.facts.append(DefinitionSeen(number, "nightly", digest(body), body, at("02-20 12:00")))
    it.event(at("02-20 12:00"), "daemon_started", boot_id="a", last_seen=to_iso(at("02-20 12:00")))
    it.planned(at("02-20 12:00"), None, 1, "planned")
    it.went(it.run(at("02-22 03:00"), at("02-22 03:00")), at("02-22 03:00") + SECOND // 5, at("02-22 03:07"))
    it.event(at("02-22 23:00"), "daemon_stopped", mode="drain", pid=1)
    it.event(at("02-23 08:00"), "daemon_started", boot_id="b", last_seen=to_iso(at("02-22 23:00")))
    it.skip(at("02-23 03:00"), at("02-23 08:00"), Cause.MISSED, "no daemon was there; catch_up is none")
    it.event(at("02-23 21:00"), "paused", kind="job", name="nightly", by="alice", reason="upgrade")
    it.skip(at("02-24 03:00"), at("02-24 03:00"), Cause.PAUSED, "paused by alice since … (upgrade)")
    it.event(at("02-24 10:00"), "resumed", kind="job", name="nightly", by="alice", reason="")
    it.planned(at("02-25 11:00"), 1, 2)
    late = it.run(at("02-26 03:30"), at("02-26 03:30"), 2)
    it.went(late, at("02-26 03:42"), at("02-26 03:43"), code=3)
    it.planned(at("02-26 11:00"), 2, None)
    it.planned(at("02-27 11:00"), None, 3, "planned")
    it.planned(at("02-28 11:00"), 3, 1)
    it.went(it.run(None, at("02-28 15:00"), 4), at("02-28 15:00"), at("02-28 15:20"))
    it.event(
        at("03-01 06:00"),
        "clock_stepped",
        **{"from": to_iso(at("03-01 02:30")), "to": to_iso(at("03-01 06:00"))},
    )
    it.skip(at("03-01 03:00"), at("03-01 06:00"), Cause.MISSED, "the clock was set forward from … to …")
    it.facts.append(JobListed("nightly", 1, "/etc/jobs.toml:3", True))
    it.facts.append(ScheduleSeen("nightly", "night", at("02-20 12:00"), NOON, at("03-02 03:00")))
    it.facts.append(MetaSet("boot_id", "b"))
    it.close()


@pytest.fixture
def why(jobrun, tmp_path, story):
    def ask(*words: str) -> dict:
        said = jobrun("why", "nightly", *words, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)

    return ask


def test_it_ran_in_time(why) -> None:
    told = why("--at", "2026-02-22 03:00")
    (slot,) = told["slots"]
    assert (told["verdict"], slot["run"]["run"], slot["late"]) == ("ran", 1, 0.2)
    assert told["answer"] == (
        "nightly was due at 2026-02-22T03:00:00+01:00: run 1 started in time and succeeded after 6 min 59 s."
    )
    assert told["definition"]["digest"] == digest(encode(FIRST))
    assert told["timezone"] == "Europe/Berlin"


def test_it_was_missed_and_the_daemon_was_down_from_to(why) -> None:
    told = why("--at", "2026-02-23 03:00")
    assert told["slots"][0]["run"]["cause"] == "missed"
    (outage,) = told["outages"]
    assert (outage["kind"], outage["since"], outage["until"]) == (
        "down",
        "2026-02-22T23:00:00+01:00",
        "2026-02-23T08:00:00+01:00",
    )
    assert outage["how"] == "it was stopped (drain); the host was started anew"


def test_it_was_paused_by_whom_and_since_when(why) -> None:
    told = why("--at", "2026-02-24 03:00")
    assert told["verdict"] == "skipped"
    assert told["slots"][0]["paused"] == {
        "kind": "job",
        "name": "nightly",
        "at": "2026-02-23T21:00:00+01:00",
        "by": "alice",
        "reason": "upgrade",
    }
    assert why("--at", "2026-02-25 03:00")["paused"] is None


def test_the_slots_are_those_of_the_definition_in_force_then(why) -> None:
    told = why("--at", "2026-02-26 03:00")
    assert told["verdict"] == "not_due"
    assert told["after"] == {
        "schedule": "night",
        "at": "2026-02-26T03:30:00+01:00",
        "verdict": "ran",
        "run": 4,
    }
    told = why("--at", "2026-02-26 03:30")
    assert told["definition"]["digest"] == digest(encode(SECOND_ONE))
    assert told["definition"]["until"] == "2026-02-26T11:00:00+01:00"
    assert "started 12 min late and failed" in told["answer"]


def test_the_lateness_says_where_it_came_from(jobrun, story) -> None:
    said = jobrun("why", "nightly", "--at", "2026-02-26 03:30")
    assert "late by      12 min until it could start" in said.out


def test_a_time_at_which_it_was_not_in_the_job_file_or_disabled(why) -> None:
    told = why("--at", "2026-02-27 03:30")
    assert (told["verdict"], told["definition"]) == ("removed", None)
    assert "would have been due" in told["answer"]
    told = why("--at", "2026-02-28 03:00")
    assert (told["verdict"], told["definition"]["enabled"]) == ("disabled", False)
    told = why("--at", "2026-02-28 04:00")
    assert told["verdict"] == "disabled"
    assert told["before"]["at"] == "2026-02-26T03:30:00+01:00"


def test_a_definition_that_came_back_is_in_force_again(why) -> None:
    told = why("--at", "2026-03-01 02:00")
    assert told["definition"]["digest"] == digest(encode(FIRST))
    assert told["definition"]["since"] == "2026-02-28T11:00:00+01:00"


def test_the_clock_was_set_over_it(why) -> None:
    told = why("--at", "03:00")  # today's: it is 13:00 in Berlin
    assert told["from"] == "2026-03-01T03:00:00+01:00"
    assert told["verdict"] == "skipped"
    assert [(o["kind"], o["since"], o["until"]) for o in told["outages"]] == [
        ("clock_forward", "2026-03-01T02:30:00+01:00", "2026-03-01T06:00:00+01:00")
    ]


def test_a_row_that_is_not_kept_any_more_is_not_made_up(why) -> None:
    told = why("--at", "2026-02-25 03:00")
    assert told["verdict"] == "no_record"
    assert "older than what" in told["answer"]


def test_before_the_first_definition(why) -> None:
    told = why("--at", "2026-02-01 03:00")
    assert (told["verdict"], told["slots"]) == ("unknown", [])
    assert "its first definition is of 2026-02-20T12:00:00+01:00" in told["answer"]


def test_a_start_by_hand_is_not_a_slot_but_is_told(why) -> None:
    told = why("--at", "2026-02-28 15:10")
    assert (told["verdict"], told["slots"]) == ("ran", [])
    assert "was not due" in told["answer"] and "run 5 (started by hand by bob)" in told["answer"]


def test_a_whole_day(why) -> None:
    told = why("--at", "2026-02-22")
    assert (told["from"], told["to"]) == ("2026-02-22T00:00:00+01:00", "2026-02-23T00:00:00+01:00")
    assert [slot["run"]["run"] for slot in told["slots"]] == [1]


def test_the_last_slot_and_the_slot_before_a_moment(why) -> None:
    assert why("--last")["from"] == "2026-03-01T03:00:00+01:00"
    assert why("--slot", "2026-02-24 12:00")["slots"][0]["at"] == "2026-02-24T03:00:00+01:00"
    assert why("--slot", "2026-02-24 03:00")["slots"][0]["at"] == "2026-02-24T03:00:00+01:00"
    assert why("--slot", "2026-02-24 02:59")["slots"][0]["at"] == "2026-02-23T03:00:00+01:00"


def test_without_a_slot_up_to_a_moment_no_later_run_is_told(tmp_path, jobrun) -> None:
    it = Story(tmp_path / "state")
    job = replace(FIRST, schedules=())
    it.facts.append(DefinitionSeen(1, "nightly", digest(encode(job)), encode(job), at("02-22 12:00")))
    it.planned(at("02-22 12:00"), None, 1, "planned")
    it.facts.append(JobListed("nightly", 1, "", True))
    it.went(it.run(None, at("02-23 08:00")), at("02-23 08:00"), at("02-23 08:01"))
    it.went(it.run(None, at("02-25 08:00")), at("02-25 08:00"), at("02-25 08:01"))
    it.close()
    for moment, run in (("02-24", 1), ("02-25", 2), ("02-26", 2)):
        told = json.loads(jobrun("why", "nightly", "--slot", f"2026-{moment}", "--json").out)
        assert [row["run"] for row in told["runs"]] == [run]
    said = jobrun("why", "nightly", "--slot", "2026-02-22")
    assert (said.code, said.out) == (5, "")
    assert "nightly has had no slot and no run up to then." in said.err


def test_a_one_off_whose_moment_had_passed_when_it_was_read(tmp_path, jobrun) -> None:
    it = Story(tmp_path / "state")
    job = replace(FIRST, schedules=(Schedule(key="once", when=At(at("02-20 12:00")), timezone="UTC"),))
    it.facts.append(DefinitionSeen(1, "nightly", digest(encode(job)), encode(job), at("02-22 12:00")))
    it.planned(at("02-22 12:00"), None, 1, "planned")
    it.facts.append(JobListed("nightly", 1, "", True))
    it.close()
    (tmp_path / "jobs.toml").write_text("[jobs.x]\n")
    told = json.loads(jobrun("why", "nightly", "--json").out)
    assert told["verdict"] == "not_due"
    assert told["answer"] == (
        "nightly is not due now: its moment, 2026-02-20T11:00:00+00:00, had passed when a daemon first "
        "read it; `jobrun run nightly` runs it."
    )


def test_now_with_what_is_around(why) -> None:
    told = why()
    assert told["verdict"] == "not_due"
    assert told["before"]["verdict"] == "skipped"
    assert (told["after"]["at"], told["after"]["verdict"]) == ("2026-03-02T03:00:00+01:00", "will_run")


def test_utc_on_request(why) -> None:
    told = why("--at", "2026-02-22 02:00", "--utc")
    assert (told["timezone"], told["slots"][0]["at"]) == ("UTC", "2026-02-22T02:00:00+00:00")


def test_what_is_to_come_is_by_the_job_file_while_no_daemon_runs(why, tmp_path) -> None:
    config = tmp_path / "jobs.toml"
    table = '[jobs.nightly]\ncommand = "dump"\n[[jobs.nightly.schedules]]\nname = "night"\n'
    table += 'timezone = "Europe/Berlin"\n'
    config.write_text(table + 'cron = "0 5 * * *"\n')
    told = why("--at", "tomorrow 05:00")
    assert (told["verdict"], told["daemon_running"]) == ("will_run", False)
    assert told["remarks"] == ["the job file has changed since a daemon last read it; this is by the file"]
    assert why("--at", "tomorrow 03:00")["verdict"] == "not_due"
    config.write_text("[jobs.other]\ncommand = 'true'\n")
    assert why("--at", "tomorrow 03:00")["verdict"] == "removed"
    config.write_text(table + 'cron = "0 3 * * *"\n')
    assert why("--at", "tomorrow 03:00")["verdict"] == "will_run"


def test_a_job_that_only_the_file_has(jobrun, tmp_path) -> None:
    (tmp_path / "jobs.toml").write_text(
        '[jobs.new]\ncron = "0 5 * * *"\ntimezone = "UTC"\ncommand = "true"\n'
    )
    told = json.loads(jobrun("why", "new", "--at", "tomorrow 05:00", "--json").out)
    assert told["verdict"] == "will_run"
    told = json.loads(jobrun("why", "new", "--at", "yesterday 05:00", "--json").out)
    assert told["verdict"] == "unknown"
    assert told["answer"] == "new was not known yet at 2026-02-28T05:00:00+00:00: no daemon has read it."
    assert "new is not due at 2026-03-02T06:00" in jobrun("why", "new", "--at", "tomorrow 06:00").out
    assert jobrun("why", "new", "--last").code == 5


def test_an_unknown_job_and_two_questions_at_once(jobrun, story) -> None:
    said = jobrun("why", "nightli")
    assert (said.code, said.out) == (5, "")
    assert 'Did you mean "nightly"?' in said.err
    assert jobrun("why", "nightly", "--last", "--at", "03:00").code == 2
    assert jobrun("why", "nightly", "--at", "noonish").code == 2


def test_an_undecided_slot_and_what_a_daemon_would_do(tmp_path, jobrun) -> None:
    it = Story(tmp_path / "state")
    job = replace(FIRST)
    it.facts.append(DefinitionSeen(1, "nightly", digest(encode(job)), encode(job), at("02-20 12:00")))
    it.planned(at("02-20 12:00"), None, 1, "planned")
    it.facts.append(JobListed("nightly", 1, "", True))
    it.facts.append(ScheduleSeen("nightly", "night", at("02-20 12:00"), at("02-28 12:00"), None))
    it.event(at("02-28 12:00"), "daemon_stopped", mode="leave", pid=1)
    it.close()
    (tmp_path / "state" / "lock").touch()
    told = json.loads(jobrun("why", "nightly", "--last", "--json").out)
    assert told["verdict"] == "undecided"
    assert told["slots"][0]["would"]["verdict"] == "skipped"
    assert told["outages"] == [
        {"kind": "down", "since": "2026-02-28T12:00:00+01:00", "until": None, "how": "it was stopped (leave)"}
    ]


def test_versions_say_what_changed_in_the_words_of_the_file(jobrun, story) -> None:
    told = json.loads(jobrun("history", "nightly", "--versions", "--json").out)["versions"]
    assert [version["digest"] for version in told] == [
        digest(encode(FIRST)),
        digest(encode(OFF)),
        None,
        digest(encode(SECOND_ONE)),
        digest(encode(FIRST)),
        digest(encode(BY_HAND)),
    ]
    assert told[0]["changes"] == [{"key": "enabled", "old": "false", "new": "true"}]
    assert sorted((change["key"], change["old"], change["new"]) for change in told[3]["changes"]) == [
        ("cron", '"0 3 * * *"', '"30 3 * * *"'),
        ("timeout", None, '"1m"'),
    ]
    assert (told[3]["runs"], told[3]["first_run"]) == (1, 4)
    assert (told[5]["since"], told[5]["in_plan"], told[5]["runs"]) == (None, False, 1)
    said = jobrun("history", "nightly", "--versions")
    assert "not in the job file" in said.out
    assert 'cron     "0 3 * * *"  "30 3 * * *"' in said.out
    assert jobrun("history", "--versions").code == 2


def test_versions_of_a_time_and_the_newest_of_them(jobrun, story) -> None:
    def digests(*words: str) -> list[str | None]:
        told = json.loads(jobrun("history", "nightly", "--versions", "--json", *words).out)
        return [version["digest"] for version in told["versions"]]

    all_of_them = json.loads(jobrun("history", "nightly", "--versions", "--json").out)["versions"]
    names = [version["digest"] for version in all_of_them]
    first, second, gone = all_of_them[4], all_of_them[3], all_of_them[2]
    assert digests("--limit", "2") == names[:2]
    assert digests("--until", first["since"])[0] == names[4]
    assert digests("--since", gone["since"], "--until", gone["since"]) == names[2:4]
    inside = (
        datetime.fromisoformat(second["since"])
        + (datetime.fromisoformat(second["until"]) - datetime.fromisoformat(second["since"])) / 2
    )
    assert digests("--since", inside.isoformat(), "--until", inside.isoformat()) == [names[3]]
    assert digests("--since", all_of_them[0]["since"]) == names[:2]
    said = jobrun("history", "nightly", "--versions", "--until", "2020-01-01")
    assert (said.code, said.out, said.err) == (0, "", "It had no definition then.\n")
