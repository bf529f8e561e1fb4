"""What a command may load: `jobrun status` is asked often, and must answer at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filled import say_progress

# Each of these costs more than all of the command's own work.
HEAVY = {
    "asyncio",
    "apscheduler",
    "sqlite_utils",
    "psutil",
    "pydantic",
    "pydantic_core",
    "rich",
    "cronsim",
    "tomllib",
    "tomli_w",
    "zoneinfo",
    "multiprocessing",
    "concurrent",
    "http",
    "email",
    "unittest",
    "logging",
}

STATUS = {
    "jobrun",
    "jobrun.__main__",
    "jobrun.cli",
    "jobrun.cli.cells",
    "jobrun.cli.commands",
    "jobrun.cli.commands.status",
    "jobrun.cli.escape",
    "jobrun.cli.gate",
    "jobrun.cli.moments",
    "jobrun.cli.options",
    "jobrun.cli.output",
    "jobrun.cli.overview",
    "jobrun.cli.reach",
    "jobrun.cli.registry",
    "jobrun.cli.render",
    "jobrun.cli.render.plain",
    "jobrun.cli.shapes",
    "jobrun.cli.tree",
    "jobrun.cli.waits",
    "jobrun.cli.words",
    "jobrun.conf",
    "jobrun.conf.paths",
    "jobrun.domain",
    "jobrun.domain.errors",
    "jobrun.domain.instants",
    "jobrun.domain.records",
    "jobrun.domain.run",
    "jobrun.domain.value",
    "jobrun.store",
    "jobrun.store.damage",
    "jobrun.store.moments",
    "jobrun.store.open",
    "jobrun.store.place",
    "jobrun.store.reader",
    "jobrun.store.reading",
    "jobrun.store.rows",
    "jobrun.store.selection",
    "jobrun.store.trouble",
    "jobrun.store.views",
    "jobrun.wire",
    "jobrun.wire.client",
    "jobrun.wire.message",
}

_LIST = """
import json, sys
from jobrun.__main__ import main
sys.argv = ["jobrun", *sys.argv[1:]]
code = main()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(state: Path, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST, *words],
        env={**os.environ, "JOBRUN_STATE_DIR": str(state), "JOBRUN_CONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name == "jobrun" or name.startswith("jobrun.")}


def heavy(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & HEAVY


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("status", "backup")])
def test_status_loads_this_and_no_more(words: tuple[str, ...], state: Path) -> None:
    modules = loaded(state, *words)
    assert own(modules) <= STATUS
    assert heavy(modules) == set()


# What a running job has said of itself is read by these, and only if there is a word of any.
PROGRESS = {
    "jobrun.cli.stages",
    "jobrun.domain.job",
    "jobrun.domain.report",
    "jobrun.proc",
    "jobrun.proc.account",
    "jobrun.proc.files",
    "jobrun.proc.refusal",
    "jobrun.proc.regular",
    "jobrun.proc.spool",
}


def test_progress_costs_those_who_have_some(state: Path) -> None:
    say_progress(state)
    modules = loaded(state, "status", "--json")
    assert own(modules) - STATUS <= PROGRESS
    assert "jobrun.cli.stages" in modules
    assert heavy(modules) == set()


def test_the_list_is_not_longer_than_it_must_be(state: Path) -> None:
    (state / "control.sock").touch()  # not a socket: the client is loaded, and finds nobody
    assert own(loaded(state, "status", "--json")) | own(loaded(state, "status")) == STATUS


@pytest.mark.parametrize("words", [("history",), ("show", "2"), ("logs", "1"), ("--help",)])
def test_other_readers_are_light_too(words: tuple[str, ...], state: Path) -> None:
    assert heavy(loaded(state, *words)) == set()


def test_completion_does_not_even_load_typer(state: Path) -> None:
    modules = loaded(state, "_complete", "jobs")
    assert "typer" not in modules
    assert heavy(modules) == set()
