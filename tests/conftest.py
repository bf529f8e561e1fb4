"""Fixtures for tests against the real daemon."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live import LiveDaemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., LiveDaemon]]:
    """Makes daemons with a job file; ends them, and what their jobs left, after the test."""
    made: list[LiveDaemon] = []

    def make(job_file: str, **more) -> LiveDaemon:
        directory = tmp_path / f"d{len(made)}"
        directory.mkdir()
        live = LiveDaemon(directory, job_file, **more)
        made.append(live)
        return live

    yield make
    for live in made:
        if live.process is not None and live.process.poll() is None:
            live.process.kill()
            live.process.wait()
        live.sweep()
