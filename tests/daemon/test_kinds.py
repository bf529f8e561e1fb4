"""Which kind of worker a definition's calls need, and under which number workers know what they share."""

import os
from dataclasses import replace
from pathlib import Path

from store.lives import queued

from jobrun.daemon.kinds import Kinds
from jobrun.domain.job import Job, PythonCall
from jobrun.domain.run import Run


def a_run(definition: int = 1) -> Run:
    return queued(7, "j", at=1, has_slot=False, definition_id=definition)


def test_a_number_stands_for_a_definition_until_its_environment_is_another_one(tmp_path: Path):
    """A path that names a variable is looked at for each run: the same kind keeps its number."""
    file = tmp_path / "env"
    file.write_text("A=1\n")
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WHERE": str(tmp_path)}
    plain = Job(name="j", body=PythonCall(target="os:getpid"), env_file=(str(file),))
    for job in (plain, replace(plain, env_file=("${WHERE}/env",))):
        kinds = Kinds(base)
        file.write_text("A=1\n")
        first, number = kinds.of_run(a_run(), job)
        again, same = kinds.of_run(a_run(), job)
        assert (again.key, same) == (first.key, number)
        file.write_text("A=another\n")
        changed, other = kinds.of_run(a_run(), job)
        assert (changed.key == first.key, other == number) == (False, False)
        assert kinds.of_run(a_run(definition=2), job)[1] not in (number, other)
        kinds.forget()
        assert kinds.of_run(a_run(), job)[1] not in (number, other)
