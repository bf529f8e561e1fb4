"""What runs say of themselves: results, exceptions, data, as `result` and `show` tell them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from filled import NOON, Filling

from jobrun.domain.instants import SECOND
from jobrun.domain.report import Progress, Raised, Report

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\nConnectionError: no route\n'
RAISED = Raised("ConnectionError", ("OSError",), "no route", TRACE)


@pytest.fixture
def told(tmp_path: Path) -> None:
    """Run 1 of report: two attempts that raise, and a third with a result."""
    (tmp_path / "state").mkdir()
    it = Filling(tmp_path / "state")
    it.plan()
    wish = '{"to":"a@b","parts":[1,2]}'
    run = it.start(it.create(it.run("report", NOON, data=wish, resume_from="/srv/best.pt")), NOON)
    run = it.finish(run, NOON + SECOND, 1, report=Report(error=RAISED))
    later = Raised("app.errors.Busy", (), "later", "Traceback\x1b[2J of the second\n")
    run = it.again(run)
    run = it.finish(run, run.status.started_at + SECOND, 1, report=Report(error=later))
    run = it.again(run)
    progress = Progress(NOON, 100.0, "sent", {"mails": 2})
    report = Report(result=f'{{"ok":"{"ü" * 300}"}}', progress=progress)
    it.finish(run, run.status.started_at + SECOND, report=report)
    it.close()


pytestmark = pytest.mark.usefixtures("told")


def test_a_result_is_the_text_that_is_kept(jobrun: Callable[..., object]) -> None:
    text = f'{{"ok":"{"ü" * 300}"}}\n'
    for target in ("1", "report"):
        said = jobrun("result", target)
        assert (said.code, said.out, said.err) == (0, text, "")
    shape = json.loads(jobrun("result", "1", "--json").out)
    assert shape["result"] == {"ok": "ü" * 300}
    assert (shape["run"], shape["job"], shape["outcome"]) == (1, "report", "succeeded")


def test_no_result_is_told_in_json_too(jobrun: Callable[..., object], tmp_path: Path) -> None:
    it = Filling(tmp_path / "state")
    run = it.start(it.create(it.run("backup", NOON, id=2)), NOON)
    it.finish(run, NOON + SECOND)
    it.close()
    said = jobrun("result", "2", "--json")
    assert said.code == 5
    assert json.loads(said.out)["result"] is None
    assert jobrun("result", "2").out == ""


def test_show_tells_what_the_run_was_given_and_what_came_of_it(jobrun: Callable[..., object]) -> None:
    facts = dict(line.split("  ", 1) for line in jobrun("show", "1").out.splitlines() if "  " in line)
    facts = {key: value.strip() for key, value in facts.items()}
    assert facts["data"] == '{"to":"a@b","parts":[1,2]}'
    assert facts["resume from"] == "/srv/best.pt"
    assert facts["progress"] == "100 % sent mails=2, said 2026-03-01T12:00:00+00:00"
    assert facts["exception"] == "app.errors.Busy (see jobrun show 1 --traceback)"
    assert facts["result"].startswith('{"ok":"ü')
    assert facts["result"].endswith("... (309 characters)")


def test_show_in_json(jobrun: Callable[..., object]) -> None:
    shape = json.loads(jobrun("show", "1", "--json").out)
    assert shape["data"] == {"to": "a@b", "parts": [1, 2]}
    assert shape["resume_from"] == "/srv/best.pt"
    assert shape["result"] == {"ok": "ü" * 300}
    assert [attempt["error"] and attempt["error"]["type"] for attempt in shape["attempts"]] == [
        "ConnectionError",
        "app.errors.Busy",
        None,
    ]
    assert shape["attempts"][0]["error"] == {
        "type": "ConnectionError",
        "message": "no route",
        "traceback": TRACE,
    }
    assert shape["attempts"][2]["progress"]["percent"] == 100.0
    assert shape["progress"] is None


def test_the_traceback_of_the_last_attempt_that_has_one(jobrun: Callable[..., object]) -> None:
    said = jobrun("show", "1", "--traceback")
    assert (said.code, said.out) == (0, "Traceback\x1b[2J of the second\n")


def test_a_traceback_cannot_drive_a_terminal(
    jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobrun.cli.output.on_terminal", lambda: True)
    assert jobrun("show", "1", "--traceback").out == "Traceback\\x1b[2J of the second\n"
