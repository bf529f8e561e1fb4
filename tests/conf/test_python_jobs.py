"""What a file says about Python jobs: where they are called, with what, and what stays of them."""

from collections.abc import Callable

import pytest
from conf.folder import Folder

from jobrun.domain.instants import HOUR, MINUTE, SECOND
from jobrun.domain.job import Checkpoint, Isolation, Job, Plan, Pool, PythonCall

Read = Callable[..., Job]
Faults = Callable[..., list[str]]
PYTHON = 'python = "app:run"\n'


def call_of(job: Job) -> PythonCall:
    assert isinstance(job.body, PythonCall)
    return job.body


def test_a_python_job_is_warm_in_the_default_pool_unless_some_level_says_otherwise(job: Read) -> None:
    assert (call_of(job(PYTHON)).isolation, call_of(job(PYTHON)).pool) == (Isolation.WARM, "default")
    above = '[defaults]\nisolation = "fresh"\n[queues.default.defaults]\npool = "models"\n'
    assert call_of(job(PYTHON, above)).isolation is Isolation.FRESH
    assert call_of(job(f'{PYTHON}isolation = "warm"', above)).pool == "models"
    assert job('command = "x"', above).body == job('command = "x"').body


def test_a_script_counts_from_the_files_folder_and_its_arguments_are_texts(folder: Folder) -> None:
    folder.write('[jobs.one]\npython = "jobs/nightly.py"\nargs = ["--day", 3, 0.5]\n')
    call = call_of(folder.file().plan.jobs["one"])
    assert call == PythonCall(f"{folder.path}/jobs/nightly.py", ("--day", "3", "0.5"))
    assert call.is_script
    for text, expected in (
        ("/srv/a.py", "/srv/a.py"),
        ("~/a.py", "${HOME}/a.py"),
        ("${APP}/a.py", "${APP}/a.py"),
    ):
        assert (
            call_of(folder.write(f'[jobs.one]\npython = "{text}"').file().plan.jobs["one"]).target == expected
        )


def test_a_method_that_is_called_py_is_no_script(job: Read) -> None:
    assert not call_of(job('python = "app:Tool.py"')).is_script


def test_data_is_the_same_text_however_it_is_written(job: Read) -> None:
    expected = '{"limit":3,"tables":["a","ü"]}'
    assert job(PYTHON + 'data = { tables = ["a", "ü"], limit = 3 }').data == expected
    assert job(f"{PYTHON}data.limit = 3\ndata.tables = ['a', 'ü']").data == expected
    assert job(f"{PYTHON}data = 7").data == "7"
    assert job(f'{PYTHON}data = "seven"').data == '"seven"'
    assert job(PYTHON).data is None


def test_data_goes_with_the_job_and_not_with_what_it_runs(job: Read) -> None:
    above = '[templates.t]\npython = "app:old"\nargs = [1]\ndata = { table = "a" }\n'
    inherited = job('extends = "t"\ncommand = "x"', above)
    assert inherited.data == '{"table":"a"}'
    assert job('extends = "t"\ndata = { limit = 1 }', above).data == '{"limit":1}'


def test_no_more_data_than_a_megabyte(faults: Faults) -> None:
    (fault,) = faults(f'{PYTHON}data = "{"x" * (1 << 20)}"')
    assert fault.startswith("data: the data is larger than 1MB")


@pytest.mark.parametrize(
    ("keys", "above", "expected"),
    [
        ("", "", None),
        ("checkpoint = true", "", Checkpoint()),
        ("checkpoint = false", "", None),
        ("checkpoint = {}", "", Checkpoint()),
        ("checkpoint.keep = 5\ncheckpoint.resume = false", "", Checkpoint(keep=5, resume=False)),
        ("", "checkpoint = true", Checkpoint()),
        ("checkpoint = false", "checkpoint.keep = 5", None),
        ("checkpoint = true", "checkpoint.keep = 5", Checkpoint(keep=5)),
        ("checkpoint.interval = 1", "checkpoint.keep = 5", Checkpoint(keep=5, interval=1)),
        ("checkpoint.interval = 1", "checkpoint = false", Checkpoint(interval=1)),
    ],
)
def test_checkpoints_are_joined_over_the_levels_and_switched(
    job: Read, keys: str, above: str, expected: Checkpoint | None
) -> None:
    assert job(f'command = "x"\n{keys}', f"[defaults]\n{above}").checkpoint == expected


def test_what_is_switched_off_on_the_way_does_not_come_back(job: Read) -> None:
    above = "[defaults]\ncheckpoint.keep = 5\n[templates.t]\ncheckpoint = false\n"
    assert job('extends = "t"\ncommand = "x"\ncheckpoint = true', above).checkpoint == Checkpoint()


def test_a_checkpoint_directory_counts_from_the_files_folder(folder: Folder) -> None:
    folder.write('[jobs.one]\ncommand = "x"\ncheckpoint.dir = "models/${JOBRUN_JOB}"')
    checkpoint = folder.file().plan.jobs["one"].checkpoint
    assert checkpoint == Checkpoint(dir=f"{folder.path}/models/${{JOBRUN_JOB}}")


def test_a_pool_has_every_word_of_its_table(folder: Folder) -> None:
    folder.write(
        """
        [pools.default]
        [pools.cpus]
        max = "cpus"
        [pools.models]
        min = 2
        max = 4
        idle = "5m"
        max_runs_per_worker = 500
        max_memory_per_worker = "1M"
        hard_memory_per_worker = "2M"
        max_age = "12h"
        on_worker_start = "app.models:load"
        on_worker_stop = "app.models:close"
        prefetch = 0
        autoscaler = "app.scaling:policy"
        stalled_after = "1m"
        """
    )
    plan = folder.file().plan
    assert plan.pools["default"] == Pool(name="default")
    assert plan.pools["cpus"].max is None
    assert plan.pools["models"] == Pool(
        name="models",
        min=2,
        max=4,
        idle=5 * MINUTE,
        max_runs=500,
        max_memory=1 << 20,
        hard_memory=2 << 20,
        max_age=12 * HOUR,
        on_start="app.models:load",
        on_stop="app.models:close",
        prefetch=0,
        autoscaler="app.scaling:policy",
        stalled_after=MINUTE,
    )


def test_a_pool_that_is_only_named_is_as_pools_are() -> None:
    assert Plan().pool("gpu") == Pool(name="gpu")
    assert Plan(pools={"gpu": Pool(name="gpu", max=1)}).pool("gpu").max == 1
    assert Pool(name="x").idle == 30 * SECOND


def test_a_pool_of_another_name_needs_no_declaration(folder: Folder) -> None:
    folder.write(f'[pools.gpu1]\nmax = 1\n[jobs.one]\n{PYTHON}pool = "gpu2"\n[jobs.two]\n{PYTHON}pool = "io"')
    assert folder.problems() == []


def test_the_same_table_may_hold_both_bounds_equal(folder: Folder) -> None:
    folder.write('[pools.p]\nmin = 2\nmax = 2\nmax_memory_per_worker = "1G"\nhard_memory_per_worker = "1G"')
    assert folder.problems() == []


def test_more_workers_than_processors_may_always_be_there(folder: Folder) -> None:
    """A file that was valid on a larger host stays valid when the host shrinks."""
    pool = folder.write('[pools.p]\nmin = 900\nmax = "cpus"').file().plan.pools["p"]
    assert pool.most(2) == 900
    assert Pool(name="p").most(2) == 2
    assert Pool(name="p", max=3).most(2) == 3


def test_exceptions_are_conditions_by_their_names(job: Read) -> None:
    policy = job(
        f'{PYTHON}retry_on = ["ConnectionError", "socket.gaierror", "app.Busy", "Busy", "timed_out"]'
    ).retry
    assert policy.retry_on == ("ConnectionError", "socket.gaierror", "app.Busy", "Busy", "timed_out")


def test_exceptions_for_all_jobs_do_not_disturb_commands(job: Read) -> None:
    assert job('command = "x"', '[defaults]\nretry_on = ["ConnectionError"]').retry.retry_on == (
        "ConnectionError",
    )


def test_origins_of_checkpoints_are_told_key_by_key(folder: Folder) -> None:
    folder.write(
        '[defaults]\ncheckpoint.keep = 5\n[jobs.one]\ncommand = "x"\ncheckpoint = true\n'
        '[jobs.two]\ncommand = "x"\ncheckpoint = false\n[jobs.three]\npython = "a:b"\ndata.n = [1]\n'
    )
    file = folder.file()
    one = file.origins("one")
    assert one["checkpoint"][0] == "true"
    assert one["checkpoint.keep"][0] == "5"
    assert one["checkpoint.keep"][1].startswith("[defaults]")
    assert one["checkpoint.interval"] == ("10", "built-in")
    two = file.origins("two")
    assert two["checkpoint"][0] == "false"
    three = file.origins("three")
    assert (three["data"][0], three["isolation"]) == ("{ n = [1] }", ('"warm"', "built-in"))


def test_a_submitted_call_may_have_all_of_it(folder: Folder) -> None:
    file = folder.write("").file()
    job = file.adhoc("submit:x", {"python": "a:b", "data": {"x": None}, "pool": "p", "checkpoint": True})
    assert (job.data, job.checkpoint, call_of(job).pool) == ('{"x":null}', Checkpoint(), "p")
