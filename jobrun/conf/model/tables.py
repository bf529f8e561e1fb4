"""The job file as a whole: its six kinds of tables."""

from pydantic import Field

from jobrun.conf.model import values as v
from jobrun.conf.model.options import DefaultsTable, JobTable, RunOptions, Table, option


class SettingsTable(Table):
    """[jobrun]: settings of the daemon."""

    timezone: v.Zone | None = option(
        "The zone of every schedule that names none.", "Europe/Berlin", default="the host's"
    )
    shutdown_timeout: v.Span | None = option(
        "How long a stopping daemon waits for running jobs before it stops them.", "5m", "duration"
    )
    on_stop: v.OnStopWord | None = option(
        "What a stopping daemon does with running jobs: wait for them (drain), let them run on for the next "
        "daemon (leave), or stop them at once (kill). A stopped run gets its attempt back. When systemd "
        "takes the host down, leave means kill: nothing could run on.",
        "leave",
    )
    watch: v.Flag | None = option("Whether the daemon reads the files anew when they change.", True)


class QueueTable(Table):
    """[queues.NAME]"""

    concurrency: v.Concurrency | None = option(
        'How many runs of this queue may be under way at once; "cpus" is the number of processors.',
        4,
        default="no limit",
    )
    defaults: RunOptions | None = option(
        "Keys for every job of this queue, over those of [defaults].", {"timeout": "5m"}
    )


class PoolTable(Table):
    """[pools.NAME]: the warm workers of Python jobs."""

    min: v.Few | None = option("How many workers are there even when nothing is to do.", 1)
    max: v.Concurrency | None = option(
        'How many workers there are at most; "cpus" is the number of processors, and at least `min`.',
        4,
        default='"cpus"',
    )
    idle: v.Span | None = option(
        "How long a worker above `min` waits for a call before it ends.", "5m", "duration"
    )
    max_runs_per_worker: v.Some | None = option("Replaces a worker after so many calls.", 10_000)
    max_memory_per_worker: v.MemorySize | None = option(
        "Replaces a worker that has more memory than this after a call.", "200M", "size", "none"
    )
    hard_memory_per_worker: v.MemorySize | None = option(
        "Kills a worker that has more memory than this during a call; the run's cause is oom.",
        "1G",
        "size",
        "none",
    )
    max_age: v.RealSpan | None = option(
        "Replaces a worker that is older than this, after its call.", "12h", "duration", "none"
    )
    on_worker_start: v.Function | None = option(
        "A function each worker calls before its first call: to load a model, to open a connection. A worker "
        "that is not ready after 10 min is killed.",
        "app.tasks:warm_up",
    )
    on_worker_stop: v.Function | None = option(
        "A function each worker calls before it ends, in 10 s at most.", "app.tasks:close_all"
    )
    prefetch: v.Few | None = option(
        "How many calls may wait in a worker behind the one it makes; three times as many are admitted and "
        "wait in the daemon. 0: none is handed over before a worker is free.",
        4,
    )
    autoscaler: v.Function | None = option(
        "A function that says how many workers there should be, in the place of the built-in rule. It is "
        "called with backlog, busy, min and max.",
        "app.scaling:policy",
    )
    stalled_after: v.Seconds | None = option(
        "A worker that does nothing with a call for this long counts as stalled: that is reported.",
        "1m",
        "duration",
    )


class JobFileTables(Table):
    """The job file of jobrun. Files in jobs.d hold [jobs.NAME] and [templates.NAME] alone."""

    jobrun: SettingsTable | None = Field(default=None, description="Settings of the daemon.")
    defaults: DefaultsTable | None = Field(default=None, description="Keys for every job.")
    queues: dict[v.Name, QueueTable] | None = Field(default=None, description="Queues by name.")
    pools: dict[v.Name, PoolTable] | None = Field(default=None, description="Pools of warm workers by name.")
    templates: dict[v.Name, JobTable] | None = Field(
        default=None, description="Keys for the jobs that name the template with `extends`."
    )
    jobs: dict[v.Name, JobTable] | None = Field(default=None, description="Jobs by name.")
