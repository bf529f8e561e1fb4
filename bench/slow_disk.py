"""A disk that takes its time to flush, the same for everybody who is measured.

What durability costs depends on the disk. A virtual one may say within 60 µs
that everything is written; one that has written it needs 0.2 to 10 ms. Here a
few lines of C are put before fsync and fdatasync of all processes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("slow_flush.c")
_WAIT = "BENCH_FLUSH_US"


def slow_down(milliseconds: float) -> None:
    """Have every flush from here on take so much longer: this program starts anew, once."""
    microseconds = str(round(milliseconds * 1000))
    if not milliseconds or os.environ.get(_WAIT) == microseconds:
        return
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("--flush needs a C compiler: apt install gcc libc6-dev")
    library = Path(tempfile.gettempdir(), f"slow_flush.{os.geteuid()}.so")
    build = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(build, check=True)
    environ = {**os.environ, _WAIT: microseconds, "LD_PRELOAD": str(library)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environ)
