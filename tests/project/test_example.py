"""The example file is right, teaches what it should, and fits the schema it names."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "jobs.example.toml"
TEXT = EXAMPLE.read_text("utf-8")


def jobrun(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobrun", "--config", str(EXAMPLE), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_example_has_no_problem():
    done = jobrun("check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_names_its_schema_and_fits_it():
    first = TEXT.splitlines()[0]
    assert first.startswith("#:schema ")
    checked_in = json.loads((ROOT / first.removeprefix("#:schema ")).read_text("utf-8"))
    printed = json.loads(jobrun("schema").stdout)
    assert checked_in == printed
    # Date-times are TOML's own type; editors show them to the schema as text.
    plain = json.loads(json.dumps(tomllib.loads(TEXT), default=str))
    jsonschema.validate(plain, printed)


def test_the_example_shows_every_kind_of_job():
    told = tomllib.loads(TEXT)
    keys = {key for job in told["jobs"].values() for key in job}
    keys |= {key for template in told["templates"].values() for key in template}
    wanted = {"cron", "every", "after", "at", "schedules", "extends", "command", "python", "args", "kwargs"}
    wanted |= {
        "retry_on",
        "no_retry_on",
        "attempts",
        "timeout",
        "soft_timeout",
        "grace",
        "overlap",
        "catch_up",
    }
    wanted |= {
        "env",
        "tags",
        "cwd",
        "umask",
        "limits",
        "output",
        "enabled",
        "spread",
        "random_delay",
        "queue",
    }
    assert wanted - keys == set()
    assert "@reboot" in TEXT
    # The values that queue systems usually have.
    assert told["defaults"] == {
        "attempts": 3,
        "backoff": "exponential",
        "delay": "2s",
        "max_delay": "10m",
        "jitter": 0.2,
        "timeout": "300s",
        "soft_timeout": "240s",
    }
