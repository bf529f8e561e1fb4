"""Signals reach the daemon, however much else wakes its loop."""

import asyncio
import inspect
import os
import signal

import pytest
from live import until

from jobrun.daemon.alarm import Alarm
from jobrun.daemon.signals import listen

MANY = 50_000  # far more bytes than a socket pair takes, each with its own book-keeping


def hears(listens) -> bool:
    """Whether a signal is heard that comes while the loop is busy and its pipe is full."""

    async def live() -> bool:
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        look = listens(signal.SIGUSR1, heard.set)
        if look is not None:
            loop.call_later(0.2, look)
        for _ in range(MANY):
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), signal.SIGUSR1)
        try:
            await asyncio.wait_for(heard.wait(), 2)
        except TimeoutError:
            return False
        return True

    before = signal.getsignal(signal.SIGUSR1)
    try:
        return asyncio.run(live())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_heard_when_the_loops_pipe_is_full():
    assert hears(listen)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_asyncio_alone_would_lose_it():
    """Else there were nothing to guard against."""
    assert not hears(lambda number, call: asyncio.get_running_loop().add_signal_handler(number, call))


def test_each_signal_is_heard_once():
    async def live() -> int:
        heard: asyncio.Queue[int] = asyncio.Queue()
        listen(signal.SIGUSR1, lambda: heard.put_nowait(1))
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(heard.get(), 30)
        await asyncio.sleep(0.1)
        return heard.qsize()

    before = signal.getsignal(signal.SIGUSR1)
    try:
        assert asyncio.run(live()) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_handler_cannot_be_interrupted_by_the_next_signal():
    """Seen: HUPs in a tight loop, each in the handler of the one before, and a RecursionError in the end.

    A storm that is fast enough to show it on every machine would stop slow ones
    altogether. What holds it off is that the handler has no Python frame.
    """

    async def live() -> None:
        listen(signal.SIGUSR1, lambda: None)
        assert inspect.isbuiltin(signal.getsignal(signal.SIGUSR1))

    before = signal.getsignal(signal.SIGUSR1)
    try:
        asyncio.run(live())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_storm_of_hang_ups_leaves_the_daemon_alive_and_its_files_read(daemon):
    live = daemon('[jobs.old]\ncommand = "true"\n').start()
    live.config.write_text('[jobs.new]\ncommand = "true"\n')
    for _ in range(5_000):
        live.signal(signal.SIGHUP)
    until(lambda: "new" in live.cli("list").stdout, "the reload")
    assert "RecursionError" not in live.log()
    assert live.stop() == 0


def test_many_alarms_are_one_look():
    async def live() -> int:
        alarm = Alarm(lambda where: None, lambda where, after: after + 10**12)
        alarm.start()
        loop = asyncio.get_running_loop()
        calls = []
        call = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **more: (calls.append(1), call(*args, **more))[1]
        for number in range(1_000):
            alarm.arm((f"job{number}", "every 1s"))
        await asyncio.sleep(0)
        alarm.stop()
        return len(calls)

    assert asyncio.run(live()) < 10


@pytest.mark.slow
def test_a_term_right_after_a_large_reload_stops_the_daemon(daemon):
    """Seen to be lost: the reload of 2,000 jobs had filled the pipe."""
    jobs = "".join(f'[jobs.j{number}]\ncron = "0 0 1 1 *"\ncommand = "true"\n' for number in range(2_000))
    live = daemon(jobs).start()
    live.config.write_text(jobs + '[jobs.new]\ncron = "0 0 1 1 *"\ncommand = "true"\n')
    live.client.call("reload", dry_run=False)
    live.signal(signal.SIGTERM)
    until(lambda: live.process.poll() is not None, "the daemon to stop")
    assert live.process.returncode == 0
