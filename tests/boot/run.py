#!/usr/bin/env python3
"""Boot a real systemd and show, claim by claim, what jobrun's units do under it.

    python tests/boot/run.py                    # Debian 13, systemd 257
    python tests/boot/run.py --suite bookworm   # Debian 12, systemd 252

Needs root, Debian's mirror, mmdebstrap, e2fsprogs and qemu-system-x86 (no
hardware help: the processor is emulated), and some minutes. Prints a line for
each claim; exits 1 if one does not hold.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from boot import claims_groups, claims_power, claims_unit, claims_user
from boot.guest import Guest
from boot.image import PYTHONS, make, missing
from boot.machine import Machine, Unwell

CLAIMS = (*claims_unit.CLAIMS, *claims_groups.CLAIMS, *claims_power.CLAIMS, *claims_user.CLAIMS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--suite", choices=sorted(PYTHONS), default="trixie")
    parser.add_argument("--mirror", help="a Debian mirror; default: the one that mmdebstrap knows")
    parser.add_argument("--directory", type=Path, help="where images are made and kept; default: a new one")
    parser.add_argument("--only", default="", help="only claims whose name has this in it")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("This needs root: it makes a file system.")
    if lacking := missing():
        sys.exit(f"Not found: {', '.join(lacking)}. apt-get install mmdebstrap e2fsprogs qemu-system-x86")
    directory = args.directory or Path(tempfile.mkdtemp(prefix="boot."))
    directory.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    machine = Machine(make(args.suite, directory, args.mirror), directory)
    print(f"disk of {args.suite} made in {time.monotonic() - began:.0f} s, in {directory}", flush=True)
    try:
        machine.power_on()
        about = machine.do("uname -r; systemctl --version | head -1; cat /sys/fs/cgroup/cgroup.controllers")
        print(f"booted: {', '.join(about.splitlines())}", flush=True)
        guest = Guest(machine)
        results = [holds(claim, guest) for claim in CLAIMS if args.only in claim.__name__]
    finally:
        machine.power_cut()
    failed = results.count(False)
    print(f"{args.suite}: {len(results)} claims, {failed} failed; {time.monotonic() - began:.0f} s")
    return 1 if failed or not results else 0


def holds(claim: Callable[[Guest], str], guest: Guest) -> bool:
    """Try one claim and print its line."""
    name = claim.__name__.replace("_", " ")
    try:
        print(f"ok      {name}: {claim(guest)}", flush=True)
    except (AssertionError, Unwell, OSError, LookupError, ValueError, TypeError):
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        log = guest.run("journalctl -u jobrun -n 40 -o cat --no-pager").out
        print(f"the journal's end:\n{log}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
