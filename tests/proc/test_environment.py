"""The environment of a job is a list, not whatever the daemon happened to have."""

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobrun.domain.instants import from_datetime
from jobrun.domain.run import Slot
from jobrun.proc.environment import expand, read_env_file
from jobrun.proc.refusal import SpawnRefused
from tests.proc.support import Rig


def env_of(rig: Rig, run: object = None, **fields: object) -> dict[str, str]:
    _, output = rig.finish(rig.job(["env", "-0"], **fields), run)  # type: ignore[arg-type]
    pairs = (item.split("=", 1) for item in output.decode("utf-8", "surrogateescape").split("\0") if item)
    return {name: value for name, value in pairs if name not in ("PWD", "_", "SHLVL", "OLDPWD")}


def test_the_whole_list(rig: Rig) -> None:
    moment = from_datetime(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    run = rig.run(attempt=2, charged=2, max_attempts=3, queue="gpu", slot=Slot("daily", moment))
    rig.base = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TZ": "Europe/Berlin",
        "TMPDIR": "/var/tmp",
        "SECRET": "not for jobs",
        "SSH_AUTH_SOCK": "/tmp/x",
        "JOBRUN_STATE_DIR": "/srv/state",
        "USER": "somebody",
    }
    env = env_of(rig, run)
    assert env.pop("LOGNAME")
    assert env == {
        "PATH": "/usr/bin:/bin",
        "HOME": str(rig.home),
        "USER": "somebody",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TZ": "Europe/Berlin",
        "TMPDIR": "/var/tmp",
        "JOBRUN_STATE_DIR": "/srv/state",
        "JOBRUN_RUN_ID": str(run.id),
        "JOBRUN_STORE_ID": "rig",
        "JOBRUN_JOB": "job",
        "JOBRUN_ATTEMPT": "2",
        "JOBRUN_MAX_ATTEMPTS": "3",
        "JOBRUN_QUEUE": "gpu",
        "JOBRUN_SCHEDULED_AT": "2026-10-25T01:30:00+00:00",
        "JOBRUN_RESULT": str(rig.path("state") / "attempts" / f"{run.id}.2.result"),
        "JOBRUN_NOTES": str(rig.path("state") / "attempts" / f"{run.id}.2.notes"),
    }


def test_a_manual_run_has_no_scheduled_time(rig: Rig) -> None:
    assert "JOBRUN_SCHEDULED_AT" not in env_of(rig)


def test_precedence_and_expansion(rig: Rig) -> None:
    rig.path("a.env").write_text("A=file\nB=file\nJOBRUN_RUN_ID=99\n")
    rig.base["TOKEN"] = "from the daemon"
    run = rig.run()
    env = env_of(
        rig,
        run,
        env_file=("${HOME}/a.env",),
        env={"B": "env", "PATH": "/opt/bin:${PATH}", "C": "${A}+${B}", "T": "${TOKEN}", "L": "$${A} $A $$"},
    )
    assert (env["A"], env["B"], env["C"]) == ("file", "env", "file+env")
    assert env["PATH"].startswith("/opt/bin:/")
    assert env["T"] == "from the daemon"
    assert env["L"] == "${A} $A $$"
    assert "TOKEN" not in env
    assert env["JOBRUN_RUN_ID"] == str(run.id)


def test_an_unset_name_is_refused() -> None:
    with pytest.raises(SpawnRefused, match=r"env.X uses \$\{NOPE\}, which is not set"):
        expand("a${NOPE}b", {}, {}, "env.X")


def test_names_a_shell_cannot_write_arrive(rig: Rig) -> None:
    """dash drops such variables from its environment; array commands must not lose them for our sh."""
    env = env_of(rig, env={"my.prop": "a b", "X-Y": "'", "PLAIN": "1"})
    assert (env["my.prop"], env["X-Y"], env["PLAIN"]) == ("a b", "'", "1")


def test_env_file_syntax(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(
        b'\xef\xbb\xbf# comment\n\nA=1\n export B = two words \nC=\'sin$gle \\n\'\nD="dou\\"ble\\nline"\n'
        b'E=\nF=a=b#c\nG=\xff\n  # more\nH=""\nLAST=no newline'
    )
    assert read_env_file("x.env", str(tmp_path)) == {
        "A": "1",
        "B": "two words",
        "C": "sin$gle \\n",
        "D": 'dou"ble\nline',
        "E": "",
        "F": "a=b#c",
        "G": "\udcff",
        "H": "",
        "LAST": "no newline",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A=1\nnonsense\n", "line 2: expected NAME=value"),
        ("1A=x", "line 1: expected NAME=value"),
        ("A='x", "line 1: the quote is not closed"),
        ('A="', "line 1: the quote is not closed"),
    ],
)
def test_bad_env_files_are_refused_with_their_line(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "x.env").write_text(text)
    with pytest.raises(SpawnRefused, match=sentence) as caught:
        read_env_file("x.env", str(tmp_path))
    assert caught.value.errno == errno.EINVAL


def test_a_huge_env_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.env").open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(SpawnRefused, match="larger than 1 MiB"):
        read_env_file("x.env", str(tmp_path))
