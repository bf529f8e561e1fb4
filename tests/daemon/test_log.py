"""The daemon's log, line by line."""

import io
import json

from jobrun.daemon.log import Log


def test_lists_are_read_as_words_by_people_and_as_lists_by_programs() -> None:
    text, lines = io.StringIO(), io.StringIO()
    for form, stream in (("text", text), ("json", lines)):
        Log(form, "info", stream)("daemon.reloaded", added=["a", "two words"], removed=[], kept=3)
    assert text.getvalue().endswith(' daemon.reloaded  added=a,"two words" removed=- kept=3\n')
    told = json.loads(lines.getvalue())
    assert (told["added"], told["removed"], told["kept"]) == (["a", "two words"], [], 3)


def test_the_events_of_a_batch_are_lines_as_if_each_had_been_written_alone() -> None:
    events = [
        ("run.done", {"run": 1, "job": "a", "outcome": "succeeded", "detail": ""}),
        ("run.starting", {"run": 2}),
        ("run.done", {"run": 3, "job": "two words", "outcome": "failed"}),
    ]
    for form in ("text", "json"):
        together = io.StringIO()
        Log(form, "info", together).write_all(events)
        alone = io.StringIO()
        for event, fields in events:
            Log(form, "info", alone)(event, **fields)
        assert [_without_time(form, line) for line in together.getvalue().splitlines()] == [
            _without_time(form, line) for line in alone.getvalue().splitlines()
        ]
        assert together.getvalue().count("\n") == 2, "run.starting is for debug"


def _without_time(form: str, line: str) -> object:
    return {**json.loads(line), "time": ""} if form == "json" else line.split(maxsplit=2)[2]
