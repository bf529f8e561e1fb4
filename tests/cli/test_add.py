"""`add`: what it writes into the file of its own."""

import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from filled import NOON

from jobrun.domain.instants import SECOND


def written(folder: Path, name: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((folder / "jobs.d" / f"{name}.toml").read_text())["jobs"][name]
    return table


def test_a_span_is_written_in_whole_seconds_and_never_early(
    jobrun: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.toml").touch()
    monkeypatch.setattr(time, "time_ns", lambda: (NOON - SECOND + 1) * 1000)
    assert jobrun("add", "later", "--at", "2h", "--", "true").code == 0
    noon = datetime.fromtimestamp(NOON // SECOND, UTC)
    assert written(tmp_path, "later")["at"] == noon + timedelta(hours=2)
    # What was said to the microsecond is written so.
    assert jobrun("add", "exact", "--at", "2026-04-01T00:00:00.25", "--", "true").code == 0
    assert written(tmp_path, "exact")["at"].microsecond == 250_000


def test_a_moment_is_read_in_the_zone_that_is_given(jobrun: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").touch()
    said = jobrun("add", "dawn", "--at", "2026-04-01T03:00", "--timezone", "Asia/Tokyo", "--", "true")
    assert said.code == 0
    assert written(tmp_path, "dawn")["at"].isoformat() == "2026-04-01T03:00:00+09:00"
    assert jobrun("add", "noon", "--at", "12:30", "--timezone", "Europe/Berln", "--", "true").code == 2


def test_a_moment_is_told_to_the_second_and_kept_as_it_is(jobrun: Callable[..., Any], tmp_path: Path) -> None:
    """`list` and `show` say it in the reader's zone, JSON and the file exactly."""
    (tmp_path / "jobs.toml").write_text(
        '[jobs.once]\ncommand = "true"\nat = 2026-03-01T20:05:18.893984+02:00\n'
        "expires = 2026-03-02T00:00:00.5+02:00\n"
    )
    for word in ("list", "show"):
        said = jobrun(word, *(["once"] if word == "show" else []))
        assert "at 2026-03-01T18:05:18+00:00" in said.out
        assert ".893984" not in said.out
    assert "until 2026-03-01T22:00:00+00:00" in jobrun("show", "once").out
    assert "at 2026-03-01T18:05:18.893984+00:00" in jobrun("list", "--json").out
