"""Every reading command's JSON is what docs/json.md says, to the letter.

The golden files are written anew with JOBRUN_WRITE_GOLDEN=1; read the difference before committing it.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from filled import say_progress

GOLDEN = Path(__file__).parent / "golden"

COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "status_job": ("status", "report"),
    "list": ("list",),
    "show_job": ("show", "backup"),
    "history": ("history", "-n", "3"),
    "show_run": ("show", "2"),
    "result": ("result", "backup"),
    "logs": ("logs", "2"),
    "next": ("next",),
    "next_expr": (
        *["next", "--tz", "Europe/Berlin", "--from", "2026-03-28", "-n", "3", "--expr"],
        "30 2 * * *",
    ),
    "explain": ("explain", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "3", "--from", "2026-03-27T12:00"),
    "why": ("why", "poll", "--last"),
    "versions": ("history", "backup", "--versions"),
    "check": ("check",),
    "wait": ("wait", "1", "2"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_shape(name: str, state: Path, jobrun: Callable[..., object], tmp_path: Path) -> None:
    if name == "status":
        say_progress(state)
    if name == "check":
        (tmp_path / "jobs.toml").write_text('[jobs.backup]\ncron = "0 25 * * *"\ncomand = "true"\n')
    said = jobrun(*COMMANDS[name], "--json")
    printed = said.out.replace(str(tmp_path), "/etc/jobrun")
    printed = re.sub(r'"digest": "[0-9a-f]{12}"', '"digest": "850e2be8c992"', printed)
    json.loads(printed)
    path = GOLDEN / f"{name}.json"
    if os.environ.get("JOBRUN_WRITE_GOLDEN"):
        path.write_text(printed, "utf-8")
    assert printed == path.read_text("utf-8")


@pytest.mark.parametrize("words", [("status",), ("history",), ("next",), ("list",)])
def test_an_empty_place_has_the_same_keys(words: tuple[str, ...], jobrun: Callable[..., object]) -> None:
    said = jobrun(*words, "--json")
    golden = json.loads((GOLDEN / f"{words[0]}.json").read_text("utf-8"))
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out).keys() == golden.keys()
