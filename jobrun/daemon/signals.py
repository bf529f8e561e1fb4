"""Signals of the daemon: none is lost, however busy the loop is, and a storm of them is one.

asyncio hears of a signal by one byte in the pipe that wakes its loop. The same
pipe takes a byte for every `call_soon_threadsafe`; a few hundred of them while
the loop is busy fill it, and then the signal's byte is dropped without a word
(seen: a TERM right after a reload of 2,000 jobs). So the byte only wakes the
loop here; that a signal came is noted by Python's own handler, which the
interpreter never forgets, and whose note is looked for once a second besides.

That handler has no Python frame. One that has is interrupted by the next signal
before its first line, and a tight loop of HUPs nests them until the interpreter
gives up (seen: RecursionError after some 2,000).
"""

import asyncio
import signal
from collections.abc import Callable


def listen(number: signal.Signals, call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called in the running loop after such a signal; many at once may be one.

    From the main thread only. Whoever lives by the second calls the answer: it
    finds a signal whose byte was dropped.
    """
    loop = asyncio.get_running_loop()
    came: dict[int, object] = {}

    def look() -> None:
        if came:
            came.clear()
            call()

    loop.add_signal_handler(number, look)
    # A full pipe wakes the loop as well, so nothing needs to be said about it.
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
    signal.signal(number, came.setdefault)
    return look
