"""Runs inside the machine, as a service: takes commands from the host over a virtio port and answers them.

Standard library only. A line of JSON each way: `{"number": …, "shell": …,
"timeout": …}` is answered by `{"number": …, "code": …, "out": …, "err": …}`; the first line after a start is
`{"boot": …}`, the kernel's boot id, so that the host knows when a new boot
has come.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PORT = "/dev/virtio-ports/jobrun.boot"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one shell text to its end."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", request["shell"]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=request["timeout"],
            stdin=subprocess.DEVNULL,
            cwd="/root",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return {"code": -1, "out": str(error.stdout or ""), "err": f"not done after {request['timeout']} s"}
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def main() -> None:
    port = os.open(PORT, os.O_RDWR)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    os.write(port, json.dumps({"boot": boot}).encode() + b"\n")
    with os.fdopen(port, "rb", buffering=0, closefd=False) as lines:
        pending = b""
        while True:
            pending += lines.read(65536) or sys.exit("the host has hung up")
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                request = json.loads(line)
                reply = json.dumps({"number": request["number"], **answer(request)}).encode() + b"\n"
                while reply:
                    reply = reply[os.write(port, reply) :]


if __name__ == "__main__":
    main()
