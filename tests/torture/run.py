#!/usr/bin/env python3
"""Kill the daemon again and again while it works, and compare its history with a witness after each round.

    python tests/torture/run.py --rounds 300 --seed 7

A seed reproduces the jobs, the requests and when and how each round ends. What
is compared is in judge.py. Exits 1 on any discrepancy.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from torture.arena import Round, torture


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--seed", default=str(time.time_ns() % 1_000_000), help="any text; default: a new one"
    )
    parser.add_argument("--plan", action="store_true", help="only print what the rounds would do")
    parser.add_argument("--keep", action="store_true", help="keep the directory, discrepancies or not")
    parser.add_argument("--quiet", action="store_true", help="only the summary")
    args = parser.parse_args()
    if args.plan:
        print(*(Round.of(args.seed, number) for number in range(args.rounds)), sep="\n")
        return 0
    directory = Path(tempfile.mkdtemp(prefix="torture."))
    print(f"seed {args.seed}, {args.rounds} rounds, in {directory}", flush=True)
    began = time.monotonic()
    tally = torture(
        directory,
        args.seed,
        args.rounds,
        (lambda text: None) if args.quiet else lambda text: print(text, flush=True),
    )
    for text in tally.discrepancies:
        print(f"DISCREPANCY {text}")
    print(f"seed {args.seed}: {tally}; {time.monotonic() - began:.0f} s")
    if tally.discrepancies or args.keep:
        print(f"everything is kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if tally.discrepancies else 0


if __name__ == "__main__":
    sys.exit(main())
