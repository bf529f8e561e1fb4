"""Fixtures for tests against the real daemon, and who may run beside whom."""

import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from alone import place
from live import LiveDaemon

# Whoever runs the tests in the background or under nohup has signals ignored, and every process of ours
# would inherit that: what Ctrl-C and a hang-up do could not be tested.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with place(alone=item.get_closest_marker("alone") is not None):
        return (yield)


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
