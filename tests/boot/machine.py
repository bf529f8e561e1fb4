"""The machine: a Debian with systemd as pid 1, in qemu without hardware help, spoken to through one port.

A real kernel of its own, so that a reboot has a new boot id, control groups
are the second version with every controller, and a power cut (`power_cut`)
loses what the guest had not written out.
"""

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boot.image import Image

BOOT_PATIENCE = 900.0
SPARE = 15.0  # seconds beyond a command's own time limit


class Unwell(Exception):
    """The machine does not answer, or a command in it was expected to do well and did not."""


@dataclass(frozen=True)
class Answer:
    """What a command in the machine came to."""

    code: int
    out: str
    err: str


class Machine:
    """One virtual machine over one disk."""

    def __init__(self, image: Image, place: Path) -> None:
        self._image = image
        self._place = place
        self._qemu: subprocess.Popen[bytes] | None = None
        self._port: socket.socket | None = None
        self._pending = b""
        self._asked = 0
        self.boot = ""
        self._witness = place / "witness"

    def power_on(self) -> None:
        """Start it and wait until its agent speaks."""
        path = self._place / "port"
        path.unlink(missing_ok=True)
        console = (self._place / "console.log").open("ab")
        self._qemu = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
                *("-smp", "2", "-m", "1024"),
                *("-display", "none", "-nodefaults", "-no-user-config", "-net", "none"),
                *("-serial", "stdio", "-serial", f"file:{self._witness}"),
                *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd)),
                *("-append", "root=/dev/vda rw console=ttyS0 panic=-1 quiet"),
                *("-drive", f"file={self._image.disk},if=virtio,format=raw"),
                *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
                *("-chardev", f"socket,id=port,path={path},server=on,wait=off"),
                *("-device", "virtserialport,chardev=port,name=jobrun.boot"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
        console.close()
        self._until(path.exists)
        self._port = socket.socket(socket.AF_UNIX)
        self._port.connect(str(path))
        self._pending = b""
        self.hello()

    def hello(self) -> str:
        """Wait for the next boot; its boot id."""
        while "boot" not in (message := self._receive(BOOT_PATIENCE)):
            pass
        self.boot = message["boot"]
        return self.boot

    def run(self, shell: str, timeout: float = 120.0) -> Answer:
        """Run a shell text in it, as root."""
        number = self.tell(shell, timeout)
        while True:
            message = self._receive(timeout + SPARE)
            if "boot" in message:
                raise Unwell(f"it has booted while it was asked for {shell!r}")
            # Another number is a late answer to what was given up.
            if message.pop("number") == number:
                return Answer(**message)

    def do(self, shell: str, timeout: float = 120.0) -> str:
        """The same, for what has to do well; its output. Raises Unwell."""
        answer = self.run(shell, timeout)
        if answer.code != 0:
            raise Unwell(f"{shell!r} ended with {answer.code}: {answer.out}{answer.err}")
        return answer.out

    def tell(self, shell: str, timeout: float = BOOT_PATIENCE) -> int:
        """Send a command and do not wait for its answer; the number that the answer would have."""
        assert self._port is not None
        self._asked += 1
        request = {"number": self._asked, "shell": shell, "timeout": timeout}
        self._port.sendall(json.dumps(request).encode() + b"\n")
        return self._asked

    def heard(self) -> str:
        """What was written to the second serial port since the power came on."""
        return self._witness.read_bytes().decode("ascii", "replace").replace("\r", "")

    def reboot(self) -> None:
        """An orderly reboot; returns when the next boot's agent speaks."""
        self.tell("systemctl reboot")
        self.hello()

    def power_cut(self) -> None:
        """The machine is gone in the same instant, with everything it had not written to its disk."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        if self._port is not None:
            self._port.close()
        self._qemu = self._port = None

    def _receive(self, patience: float) -> dict[str, Any]:
        assert self._port is not None
        deadline = time.monotonic() + patience
        while b"\n" not in self._pending:
            self._port.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                data = self._port.recv(65536)
            except TimeoutError:
                raise Unwell(f"no answer in {patience:.0f} s; see {self._place}/console.log") from None
            if not data:
                raise Unwell(f"the machine is gone; see {self._place}/console.log")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def _until(self, condition: Any) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            if time.monotonic() > deadline or self._qemu is None or self._qemu.poll() is not None:
                raise Unwell(f"qemu did not start; see {self._place}/console.log")
            time.sleep(0.05)
