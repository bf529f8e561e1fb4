"""The keys of a job: what each is called, means, and looks like in a file.

`RunOptions` are the keys that may stand at every level of precedence;
`JobTable` adds what only a job or a template can say. A key that is absent is
None here: defaults are the domain's, and are filled in when levels are merged.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WrapValidator
from pydantic.config import JsonDict

from jobrun.conf.model import values as v
from jobrun.conf.model.checks import kind_of
from jobrun.conf.problems import Fault

Unit = Literal["", "duration", "size"]


def option(description: str, example: Any, unit: Unit = "", default: str = "") -> Any:
    """A key's entry in the schema and the reference.

    `default` is only for what the domain's values cannot say ("the host's").
    """
    extra: JsonDict = {key: text for key, text in (("unit", unit), ("default_text", default)) if text}
    return Field(default=None, description=description, examples=[example], json_schema_extra=extra)


class Table(BaseModel):
    """A TOML table of which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


class LimitsTable(Table):
    """Limits of one attempt."""

    memory: v.MemorySize | None = option(
        "Memory. A process that asks for more is refused it; an attempt whose whole process tree uses more "
        "is killed, and its cause is oom.",
        "512M",
        "size",
    )
    cpu_time: v.Seconds | None = option("CPU time of each process, in whole seconds.", "10m", "duration")
    open_files: v.OpenFiles | None = option("Open files of each process.", 256)
    processes: v.Processes | None = option(
        "Processes of the whole process tree, threads included. In a delegated control group the kernel "
        "refuses the next one; elsewhere an attempt that has more is killed; its cause is processes.",
        64,
    )


class CheckpointTable(Table):
    """How a job's attempts hand on where they stopped."""

    dir: v.Filled | None = option(
        "Where checkpoints are kept. A relative path counts from the job file's folder; ${VAR} is replaced. "
        "A directory named here is never deleted; one of the run's own goes with its run.",
        "/srv/models/${JOBRUN_JOB}",
        default="one for each run",
    )
    keep: v.Some | None = option("How many of the newest checkpoints are kept; older files are deleted.", 5)
    interval: v.Some | None = option(
        "A checkpoint is due every so many steps, for a job that asks (checkpoint.due).", 100
    )
    resume: v.Flag | None = option(
        "Whether a further attempt is given the newest checkpoint of the attempts before it. If not, each "
        "begins anew: what earlier attempts and runs have kept is not found as the latest, though kept.",
        False,
    )


def _flag_or_table(value: object, as_table: Callable[[object], Any]) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict | BaseModel):
        raise Fault(f"expected true, false or a table, not {kind_of(value)}")
    return as_table(value)


CheckpointWish = Annotated[
    CheckpointTable | None, WrapValidator(_flag_or_table, json_schema_input_type=bool | CheckpointTable)
]


class ScheduleOptions(Table):
    """What may be said about any schedule."""

    timezone: v.Zone | None = option(
        "The zone of cron text, by its name in the time zone database.",
        "Europe/Berlin",
        default="[jobrun] timezone",
    )
    spread: v.Span | None = option(
        "Starts the run up to this much after its slot. The shift is the same every time for one host, "
        "job and schedule, so that many jobs of one minute do not start together.",
        "10m",
        "duration",
    )
    random_delay: v.Span | None = option(
        "Starts the run up to this much after its slot, drawn anew each time.", "5m", "duration"
    )
    not_before: v.Moment | None = option(
        "No slot before this moment counts. An offset is required.", "2026-01-01T00:00:00+01:00"
    )
    expires: v.Moment | None = option(
        "No slot after this moment counts. An offset is required.", "2026-12-31T23:59:59+01:00"
    )


class ScheduleKinds(Table):
    """The four ways to say when; a schedule has exactly one."""

    cron: v.CronText | None = option(
        "Due when this cron text says so: five fields as in Debian's cron, six with seconds first, "
        "a word such as @daily, or @reboot (once per boot of the host).",
        "0 3 * * *",
    )
    every: v.Period | None = option(
        "Due at fixed intervals, from slot to slot. A restart neither loses nor shifts them.",
        "30s",
        "duration",
    )
    after: v.Period | None = option(
        "Due this long after the end of the last run. It must be the job's only schedule.", "30s", "duration"
    )
    at: v.Moment | None = option(
        "Due once, at this moment. An offset is required.", "2026-12-01T02:00:00+01:00"
    )


class ScheduleTable(ScheduleKinds, ScheduleOptions):
    """One of several schedules of a job."""

    name: v.Name | None = option(
        "The schedule's name in the history; without one its own text is used.",
        "nightly",
        default="its own text",
    )


class RunOptions(ScheduleOptions):
    """What may be said in [defaults], a queue's defaults, a template and a job."""

    tags: v.Texts | None = option("Words to find jobs by.", ["backup", "db"])
    timeout: v.RealSpan | None = option(
        "Stops an attempt that runs longer: TERM to its whole process tree, KILL after `grace`.",
        "2h",
        "duration",
        "none",
    )
    soft_timeout: v.RealSpan | None = option(
        "Sends `soft_signal` to an attempt that runs longer, so that it can end by itself; in a Python "
        "function it raises SoftTimeout. Shorter than `timeout`.",
        "110m",
        "duration",
        "none",
    )
    soft_signal: v.Signal | None = option(
        "The signal of `soft_timeout`. A Python job gets SIGUSR1 in the place of SIGTERM, which stops it.",
        "SIGUSR1",
    )
    grace: v.Span | None = option("Time between TERM and KILL when an attempt is stopped.", "30s", "duration")
    env: dict[v.Variable, v.Text] | None = option(
        "Environment variables. Tables of several levels are joined. ${VAR} in a value is replaced.",
        {"PGHOST": "db1", "LOG": "${HOME}/backup.log"},
    )
    env_file: v.Texts | None = option(
        "Files with NAME=value lines, read before each attempt, under `env`. A relative path counts from "
        "the job file's folder; ${VAR} is replaced.",
        ["/etc/backup.env"],
    )
    cwd: v.Filled | None = option(
        "The working directory. A relative path counts from the job file's folder; ~/ is the home "
        "directory; ${VAR} is replaced.",
        "/srv/app",
        default="the home directory",
    )
    shell: v.Filled | None = option(
        "The shell of a command that is text; it is called with -c.", "/bin/bash", default='"/bin/sh"'
    )
    interpreter: v.Filled | None = option(
        "The Python that calls `python` functions.",
        "/srv/app/.venv/bin/python",
        default="the daemon's own",
    )
    python_path: v.Texts | None = option(
        "Folders in which `python` modules are looked for first. A relative path counts from the job "
        "file's folder.",
        ["/srv/app/src"],
    )
    isolation: v.IsolationWord | None = option(
        "Where a `python` function is called: in a worker that has imported its code and stays (warm), or in "
        "a new process for each attempt (fresh).",
        "fresh",
    )
    pool: v.Name | None = option(
        "The pool of warm workers that call the `python` function. A pool exists as soon as a job names it.",
        "models",
    )
    umask: v.Umask | None = option("The umask, as octal text.", "027", default="the daemon's")
    nice: v.Nice | None = option("The nice value; below 0 only for root.", 10, default="the daemon's")
    user: v.Filled | None = option(
        "The user to run as, with all its groups (root's daemon only).", "backup", default="the daemon's"
    )
    group: v.Filled | None = option(
        "The group to run as (root's daemon only).", "backup", default="the user's"
    )
    overlap: v.OverlapWord | None = option(
        "What happens to a slot while an earlier run is unfinished: skip it, keep one waiting (queue_one), "
        "keep all waiting (queue_all), stop the earlier run (replace), or run both (allow).",
        "queue_one",
    )
    catch_up: v.CatchUpWord | None = option(
        "Which slots run afterwards that were missed because no daemon ran or the host slept: "
        "none, the latest one, or all.",
        "latest",
    )
    catch_up_window: v.Span | None = option("How old a slot may be to be caught up.", "1d", "duration")
    catch_up_max: v.Count | None = option("How many slots of a schedule are caught up at most.", 10)
    catch_up_spread: v.Span | None = option(
        "Spreads the caught-up runs over this time, instead of starting all at once.", "5m", "duration"
    )
    deadline: v.RealSpan | None = option(
        "A slot that cannot start within this time is skipped, with cause deadline.",
        "15m",
        "duration",
        "none",
    )
    attempts: v.Tries | None = option("How often to try, the first time included.", 3)
    retries: v.Extra | None = option(
        "How often to try again after the first time: attempts - 1. Write one of the two.", 2
    )
    backoff: v.BackoffWord | None = option(
        "How the wait before the next attempt grows after n tries: fixed delay; linear delay * n; "
        "exponential delay * 2^(n-1); polynomial delay * n^power.",
        "linear",
    )
    delay: v.Span | None = option("The wait after the first try.", "10s", "duration")
    max_delay: v.Span | None = option("The longest wait.", "1h", "duration")
    jitter: v.Jitter | None = option(
        'Shifts each wait at random: 0.2 by up to 20 % either way, "full" draws it between zero and the '
        "whole wait.",
        0.2,
    )
    power: v.Power | None = option("The exponent of the polynomial backoff.", 2)
    retry_on: v.Conditions | None = option(
        "Tries again only after these: exit codes (75), ranges (exit:64-78), signals (signal:KILL), "
        "timed_out, lost, spawn, and exceptions of `python` jobs by their name or that of a base, with or "
        "without module.",
        [75, "exit:64-78", "signal:KILL", "timed_out", "ConnectionError"],
        default="every failure",
    )
    no_retry_on: v.Conditions | None = option("Never tries again after these.", [2, "signal:TERM"])
    checkpoint: CheckpointWish = option(
        "Gives the attempts of a run a directory for checkpoints, $JOBRUN_CHECKPOINT_DIR, that outlives "
        "them. Tables of several levels are joined; true is the table with nothing in it, false none.",
        True,
    )
    on_lost: v.OnLostWord | None = option(
        "What becomes of a run that the host's crash ended: fail, or retry without using up an attempt.",
        "retry",
    )
    max_lost: v.Count | None = option('How often `on_lost = "retry"` tries again.', 1)
    leave_children: v.Flag | None = option(
        "Leaves processes alone that an attempt started and left behind. Otherwise they are killed "
        "and counted.",
        True,
    )
    limits: LimitsTable | None = option(
        "Limits of one attempt. Tables of several levels are joined.", {"memory": "512M", "open_files": 256}
    )
    output: v.OutputWord | None = option(
        "Whether stdout and stderr go into one log (merged) or two (split).", "split"
    )
    log_max: v.LogSize | None = option(
        "How much output of an attempt is kept: its head and its tail; the dropped bytes are counted.",
        "1M",
        "size",
    )
    keep_for: v.Span | None = option("How long finished runs stay in the history.", "90d", "duration")
    keep_succeeded: v.Count | None = option("How many succeeded runs stay in the history.", 20)
    keep_failed: v.Count | None = option("How many failed runs stay in the history.", 100)


class DefaultsTable(RunOptions):
    """[defaults]: what holds for every job that does not say otherwise."""

    queue: v.Name | None = option(
        "The queue the runs wait in. A queue exists as soon as a job names it, without a limit.", "gpu"
    )


class JobTable(ScheduleKinds, DefaultsTable):
    """[jobs.NAME], and [templates.NAME]."""

    extends: v.Name | None = option(
        "The template whose keys hold where this table has none of its own.", "nightly"
    )
    description: v.Text | None = option("What the job is for.", "Nightly dump of the database")
    enabled: v.Flag | None = option("Whether its schedules count. It can be run by hand anyway.", False)
    command: v.Command | None = option(
        "What to run: text for the shell, or an array of a program and its arguments, without a shell.",
        "pg_dump app | zstd > /backups/app.zst",
    )
    python: v.Target | None = option(
        "What to run: a Python function, called with `args` and `kwargs`; or a script, a file that ends in "
        ".py, whose relative path counts from the job file's folder.",
        "app.tasks:poll",
    )
    args: v.Args | None = option(
        "The arguments of the `python` function, or texts and numbers for the script.", [1, "two"]
    )
    kwargs: v.Kwargs | None = option(
        "The keyword arguments of the `python` function. Tables of several levels are joined.",
        {"limit": 100},
    )
    data: v.Data | None = option(
        "Data for the job: whatever JSON can hold. Every job finds it as JSON in the file that $JOBRUN_DATA "
        "names, a Python job in jobrun.task.context().data.",
        {"tables": ["orders", "items"]},
    )
    schedules: list[ScheduleTable] | None = option(
        "Several schedules, written as [[jobs.NAME.schedules]], instead of cron, every, after or at.",
        [{"cron": "0 3 * * *"}, {"cron": "0 12 * * Sun", "name": "sunday"}],
    )
