"""Side tasks go on, whatever stands in their way."""

import asyncio
import sqlite3

import pytest
from daemon.journal import Journal
from live import until

from jobrun.conf.paths import find_places
from jobrun.daemon.book import Book
from jobrun.daemon.housekeeping import prune_once
from jobrun.store.prune import Pruned


class PrunedStore:
    """A writer whose ledger forgot the runs of these logs."""

    def __init__(self, *logs) -> None:
        self.logs = logs

    async def call(self, _work) -> Pruned:
        return Pruned(self.logs, (), len(self.logs), 0, more=False, position="")


@pytest.mark.parametrize("kind", ["directory", "day"])
def test_a_log_that_cannot_be_removed_is_said_once_and_left(tmp_path, kind):
    """Seen: a directory at a log's path, or a file in place of the day's folder, ended pruning."""
    places = find_places(str(tmp_path / "jobs.toml"), str(tmp_path), {}, 0)
    day, other = tmp_path / "logs/2026-01-01", tmp_path / "logs/2026-01-02"
    other.mkdir(parents=True)
    (other / "2.1.out").write_text("")
    day.write_text("") if kind == "day" else (day / "1.1.out").mkdir(parents=True)
    paths = [path.relative_to(tmp_path) for path in (day / "1.1.out", other / "2.1.out")]
    said: list[tuple[str, str]] = []
    journal = Journal(lambda event, **fields: said.append((event, fields["path"])))
    asyncio.run(prune_once(PrunedStore(*paths), Book(), places, 0, journal))
    assert not other.exists()
    assert day.exists()
    assert said == [("history.left", str(day / "1.1.out"))]


def test_a_change_that_met_trouble_is_applied_after_it(daemon):
    """Seen: a refused change was taken for applied, and never looked at again."""
    before = "[jobrun]\nwatch = true\n"
    live = daemon(before + '[jobs.old]\ncommand = "true"\n').start()
    database = sqlite3.connect(live.places.database, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    live.config.write_text(before + '[jobs.new]\nevery = "1s"\ncommand = "true"\n')
    until(lambda: "reload.refused" in live.log(), "the refusal")
    database.execute("ROLLBACK")
    database.close()
    until(lambda: live.runs("new"), "the changed files to be applied")
    assert live.log().count("reload.refused") == 1
