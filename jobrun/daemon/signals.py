"""Signals of the daemon: none is lost, however busy the loop is.

asyncio hears of a signal by one byte in the pipe that wakes its loop. The same
pipe takes a byte for every `call_soon_threadsafe`; a few hundred of them while
the loop is busy fill it, and then the signal's byte is dropped without a word
(seen: a TERM right after a reload of 2,000 jobs). So the byte only wakes the
loop here, for which any byte will do; what the signal asks for is called from
Python's own handler, which the interpreter never forgets.
"""

import asyncio
import signal
from collections.abc import Callable


def listen(number: signal.Signals, call: Callable[[], None]) -> None:
    """Have `call` called in the running loop for each such signal. From the main thread only."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, _only_wake)
    # A full pipe wakes the loop as well, so nothing needs to be said about it.
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
    signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(call))


def _only_wake() -> None:
    """What asyncio calls; the handler above has done it."""
