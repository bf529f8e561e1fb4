"""Precedence: [defaults] < [queues.Q.defaults] < [templates.T] < [jobs.J], and where a value comes from."""

import pytest
from conf.folder import Folder

from jobrun.conf.read import read_job_file
from jobrun.domain.errors import JobFileInvalid, NotFound, UsageError
from jobrun.domain.instants import MINUTE, SECOND
from jobrun.domain.job import ArgvCommand, PythonCall, ShellCommand

LEVELS = """\
[defaults]
timeout = "1m"
grace = "1s"
delay = "1s"
nice = 1
env = { A = "defaults", B = "defaults", C = "defaults", D = "defaults" }
[queues.gpu.defaults]
grace = "2s"
delay = "2s"
nice = 2
env = { B = "queue", C = "queue", D = "queue" }
[templates.base]
delay = "3s"
nice = 3
queue = "gpu"
env.C = "base"
[templates.top]
extends = "base"
nice = 4
[jobs.one]
extends = "top"
command = "x"
env.D = "job"
[jobs.two]
command = "x"
"""


def test_the_deeper_level_wins(folder: Folder) -> None:
    job = folder.write(LEVELS).file().plan.jobs["one"]
    assert job.timeout == MINUTE
    assert job.grace == 2 * SECOND
    assert job.retry.delay == 3 * SECOND
    assert job.nice == 4
    assert job.queue == "gpu"
    assert job.env == {"A": "defaults", "B": "queue", "C": "base", "D": "job"}


def test_another_job_sees_nothing_of_queue_and_template(folder: Folder) -> None:
    job = folder.write(LEVELS).file().plan.jobs["two"]
    assert (job.queue, job.nice, job.grace) == ("default", 1, SECOND)


def test_origins_name_the_table_and_the_line(folder: Folder) -> None:
    job_file = folder.write(LEVELS).file()
    origins = {
        key: (value, origin.replace(f"{folder.path}/", ""))
        for key, (value, origin) in job_file.origins("one").items()
    }
    assert origins["timeout"] == ('"1m"', "[defaults] (jobs.toml:2)")
    assert origins["grace"] == ('"2s"', "[queues.gpu.defaults] (jobs.toml:8)")
    assert origins["delay"] == ('"3s"', "[templates.base] (jobs.toml:13)")
    assert origins["nice"] == ("4", "[templates.top] (jobs.toml:19)")
    assert origins["env.C"] == ('"base"', "[templates.base] (jobs.toml:16)")
    assert origins["env.D"] == ('"job"', "[jobs.one] (jobs.toml:23)")
    assert origins["overlap"] == ('"skip"', "built-in")
    assert origins["timezone"] == ('"Europe/Berlin"', "the host's")
    assert origins["attempts"] == ("1", "built-in")
    assert "retries" not in origins
    with pytest.raises(NotFound):
        job_file.origins("nobody")


def test_defaults_may_name_the_queue(folder: Folder) -> None:
    job = (
        folder.write("""
        [defaults]
        queue = "slow"
        [queues.slow.defaults]
        nice = 9
        [jobs.one]
        command = "x"
        """)
        .file()
        .plan.jobs["one"]
    )
    assert (job.queue, job.nice) == ("slow", 9)


def test_attempts_and_retries_replace_each_other_across_levels(folder: Folder) -> None:
    jobs = (
        folder.write("""
        [defaults]
        attempts = 5
        [templates.t]
        retries = 1
        [jobs.a]
        command = "x"
        [jobs.b]
        command = "x"
        extends = "t"
        [jobs.c]
        command = "x"
        extends = "t"
        attempts = 7
        """)
        .file()
        .plan.jobs
    )
    assert [jobs[name].retry.attempts for name in "abc"] == [5, 2, 7]


def test_what_to_run_is_replaced_as_a_whole(folder: Folder) -> None:
    jobs = (
        folder.write("""
        [templates.call]
        python = "a:b"
        args = [1]
        kwargs = { x = 1, y = 1 }
        interpreter = "python3"
        [templates.shell]
        command = "x"
        [jobs.joined]
        extends = "call"
        kwargs = { y = 2 }
        [jobs.other_call]
        extends = "call"
        python = "c:d"
        [jobs.command]
        extends = "call"
        command = ["x"]
        [jobs.call]
        extends = "shell"
        python = "e:f"
        """)
        .file()
        .plan.jobs
    )
    assert jobs["joined"].body == PythonCall("a:b", (1,), {"x": 1, "y": 2}, "python3")
    assert jobs["other_call"].body == PythonCall("c:d", interpreter="python3")
    assert jobs["command"].body == ArgvCommand(("x",))
    assert jobs["call"].body == PythonCall("e:f")


def test_schedules_are_replaced_as_a_whole(folder: Folder) -> None:
    jobs = (
        folder.write("""
        [templates.t]
        command = "x"
        cron = "@daily"
        spread = "1m"
        [jobs.same]
        extends = "t"
        [jobs.other]
        extends = "t"
        every = "1h"
        [jobs.none]
        extends = "t"
        schedules = []
        [jobs.list]
        extends = "t"
        schedules = [{ cron = "@weekly" }, { every = "1m", spread = 0 }]
        """)
        .file()
        .plan.jobs
    )
    keys = {name: [(s.key, s.spread) for s in job.schedules] for name, job in jobs.items()}
    assert keys == {
        "same": [("@daily", MINUTE)],
        "other": [("every 1h", MINUTE)],
        "none": [],
        "list": [("@weekly", MINUTE), ("every 1m", 0)],
    }


def test_limits_are_joined(folder: Folder) -> None:
    job = (
        folder.write("""
        [defaults]
        limits = { memory = "1G", open_files = 100 }
        [jobs.one]
        command = "x"
        limits.memory = "2G"
        """)
        .file()
        .plan.jobs["one"]
    )
    assert (job.limits.memory, job.limits.open_files) == (2 << 30, 100)


def test_a_wrong_value_does_not_let_the_level_below_through(folder: Folder) -> None:
    """A typo in the job must not be told as a conflict between the job and its defaults."""
    folder.write("""\
        [defaults]
        timeout = "1m"
        [jobs.one]
        command = "x"
        timeout = "2 hours"
        soft_timeout = "90m"
        """)
    (problem,) = folder.problems()
    assert problem.startswith('jobs.toml:5: jobs.one.timeout: "2 hours" is not a duration')


def test_a_fault_of_a_shared_level_is_told_once(folder: Folder) -> None:
    folder.write("""\
        [defaults]
        soft_timeout = "5m"
        timeout = "1m"
        [jobs.a]
        command = "x"
        [jobs.b]
        command = "x"
        """)
    assert folder.problems() == [
        "jobs.toml:2: defaults.soft_timeout: soft_timeout (5m) must be shorter than timeout (1m)"
    ]


# jobs.d


def test_jobs_d_is_read_in_name_order(folder: Folder) -> None:
    folder.write('[templates.t]\ntimeout = "1m"\n')
    folder.add("20.toml", '[jobs.b]\nextends = "u"\n')
    folder.add("10.toml", '[jobs.a]\ncommand = "x"\nextends = "t"\n[templates.u]\ncommand = "y"\n')
    folder.add("README", "not toml")
    folder.add("old.toml.bak", "not toml")
    folder.add(".hidden.toml", "not toml")
    plan = folder.file().plan
    assert [name.rpartition("/")[2] for name in plan.files] == ["jobs.toml", "10.toml", "20.toml"]
    assert plan.jobs["a"].timeout == MINUTE
    assert plan.jobs["b"].body == ShellCommand("y")
    assert (plan.sources["b"].file, plan.sources["b"].line) == (str(folder.jobs_d / "20.toml"), 1)


def test_a_job_defined_in_two_files_names_both_places(folder: Folder) -> None:
    folder.write('\n[jobs.a]\ncommand = "x"\n[templates.t]\n')
    folder.add("a.toml", '[jobs.a]\ncommand = "y"\n[templates.t]\n')
    hint = "\n    Remove or rename one of them."
    assert folder.problems() == [
        f"jobs.d/a.toml:1: jobs.a: is defined twice; the first time at jobs.toml:2{hint}",
        f"jobs.d/a.toml:3: templates.t: is defined twice; the first time at jobs.toml:4{hint}",
    ]


def test_jobs_d_holds_jobs_and_templates_only(folder: Folder) -> None:
    folder.write("")
    folder.add("a.toml", '[defaults]\nnice = 1\n[jobrun]\n[queues.q]\n[jobs.a]\ncommand = "x"\n')
    said = folder.problems()
    assert [text.partition(": a file in jobs.d holds")[0] for text in said] == [
        "jobs.d/a.toml:1: defaults",
        "jobs.d/a.toml:3: jobrun",
        "jobs.d/a.toml:4: queues",
    ]


def test_problems_of_all_files_come_at_once_in_order(folder: Folder) -> None:
    folder.write('[jobs.z]\ncomand = "x"\n[defaults]\nnice = 99\n')
    folder.add("b.toml", "[jobs.b]\ncommand = \n")
    folder.add("a.toml", '[jobs.a]\ncommand = "x"\nextends = "b"\n')
    (folder.jobs_d / "c.toml").write_bytes(b"\xff")
    assert [text.partition(": ")[0] for text in folder.problems()] == [
        *("jobs.toml:2", "jobs.toml:4", "jobs.d/b.toml:2", "jobs.d/c.toml:1")
    ]


def test_a_name_is_not_missed_while_a_file_cannot_be_read(folder: Folder) -> None:
    """The template may stand in the file with the syntax error: only that one is told."""
    folder.write('[jobs.a]\nextends = "t"\n')
    folder.add("t.toml", "[templates.t]\ncommand =\n")
    assert [text.partition(": ")[0] for text in folder.problems()] == ["jobs.d/t.toml:2"]


def test_jobs_d_may_be_absent_but_not_a_file(folder: Folder) -> None:
    folder.write("")
    assert folder.file().plan.jobs == {}
    folder.jobs_d.write_text("")
    assert folder.problems() == ["jobs.d: cannot be read: not a directory"]


def test_a_vanished_main_file_is_not_an_empty_one(folder: Folder) -> None:
    folder.add("a.toml", '[jobs.a]\ncommand = "x"\n')
    (problem,) = folder.problems()
    assert problem.startswith("jobs.toml: there is no such file\n    Make one with `jobrun init`")


def test_reading_raises_with_every_problem(folder: Folder) -> None:
    folder.write('[jobs.a]\ncomand = "x"\nnice = 99\n')
    with pytest.raises(JobFileInvalid) as caught:
        read_job_file(folder.config, host_timezone="UTC")
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith(f"{folder.config}:2: jobs.a.comand: ")


# ad-hoc


def test_an_adhoc_table_has_the_levels_of_a_job(folder: Folder) -> None:
    job_file = folder.write(LEVELS).file()
    job = job_file.adhoc("submit:command", {"command": ["a", "b"], "extends": "top", "timeout": "3m"})
    assert (job.name, job.body) == ("submit:command", ArgvCommand(("a", "b")))
    assert (job.queue, job.grace, job.nice, job.timeout) == ("gpu", 2 * SECOND, 4, 3 * MINUTE)
    plain = job_file.adhoc("submit:command", {"command": "a", "queue": "gpu"})
    assert (plain.grace, plain.nice) == (2 * SECOND, 2)


def test_an_adhoc_table_takes_no_schedule_from_a_template(folder: Folder) -> None:
    job_file = folder.write('[templates.t]\ncommand = "x"\ncron = "@daily"\n').file()
    assert job_file.adhoc("submit:x", {"extends": "t"}).schedules == ()


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("submit:x", {}, "the job has nothing to run"),
        ("submit:x", {"command": "x", "every": "1m"}, "every: a submitted command has no schedule"),
        ("submit:x", {"comand": "x"}, 'comand: unknown key "comand"'),
        ("submit:x", {"command": "x", "timeout": "5 min", "nice": 99}, 'timeout: "5 min" is not a duration'),
        ("submit:x", {"command": "x", "extends": "tpo"}, 'extends: there is no template "tpo"'),
        ("submit:x", {"command": "x", "queue": "gpuu"}, 'queue: there is no queue "gpuu"'),
        ("submit:x y", {"command": "x"}, '"submit:x y" cannot be a name'),
        ("", {"command": "x"}, '"" cannot be a name'),
    ],
)
def test_a_wrong_adhoc_table_is_refused_in_one_sentence(
    folder: Folder, name: str, table: dict[str, object], said: str
) -> None:
    job_file = folder.write(LEVELS).file()
    with pytest.raises(UsageError) as caught:
        job_file.adhoc(name, table)
    assert said in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_queues_that_differ_in_their_number_are_different_queues(folder: Folder) -> None:
    """A queue exists by being named; only a name one slip away from a declared one is refused."""
    text = '[queues.worker1]\nconcurrency = 1\n[jobs.a]\ncommand = "x"\nqueue = "{queue}"\n'
    assert folder.write(text.format(queue="worker2")).file().plan.jobs["a"].queue == "worker2"
    assert folder.write(text.format(queue="mail")).file().plan.jobs["a"].queue == "mail"
    assert folder.write(text.format(queue="wroker1")).problems() == [
        'jobs.toml:5: jobs.a.queue: there is no queue "wroker1" in the file, but a very similar one\n'
        '    Did you mean "worker1"? If not, declare [queues.wroker1].'
    ]
