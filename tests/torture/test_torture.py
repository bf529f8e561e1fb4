"""The torture itself, as a test: a few rounds always, hundreds with JOBRUN_TORTURE=long (`make torture`)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torture.arena import Round, torture

SEEDS = ("1", "2", "3", "4") if os.environ.get("JOBRUN_TORTURE") == "long" else ("5",)
ROUNDS = 100 if os.environ.get("JOBRUN_TORTURE") == "long" else 10


@pytest.mark.torture
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_killed_when_the_history_agrees_with_the_witness(tmp_path, seed, capsys):
    """TRAPS, Operation: a `forbid` that a restart forgets, or that blocks its job for ever after one."""
    tally = torture(tmp_path, seed, ROUNDS)
    with capsys.disabled():
        print(f"\nseed {seed}: {tally}")
    assert tally.discrepancies == []
    # Little enough for a machine with much else to do, and enough to have meant something.
    assert tally.starts > 2 * ROUNDS
    assert tally.acknowledged > 0
    assert {"succeeded", "failed", "skipped"} <= tally.outcomes.keys()


def test_a_seed_reproduces_the_rounds():
    command = [
        sys.executable,
        str(Path(__file__).parent / "run.py"),
        "--plan",
        "--rounds",
        "20",
        "--seed",
        "9",
    ]
    plans = {
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        for _ in range(2)
    }
    assert plans == {"".join(f"{Round.of('9', number)}\n" for number in range(20))}
