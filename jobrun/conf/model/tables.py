"""The job file as a whole: its five kinds of tables."""

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


class JobFileTables(Table):
    """The job file of jobrun. Files in jobs.d hold [jobs.NAME] and [templates.NAME] alone."""

    jobrun: SettingsTable | None = Field(default=None, description="Settings of the daemon.")
    defaults: DefaultsTable | None = Field(default=None, description="Keys for every job.")
    queues: dict[v.Name, QueueTable] | None = Field(default=None, description="Queues by name.")
    templates: dict[v.Name, JobTable] | None = Field(
        default=None, description="Keys for the jobs that name the template with `extends`."
    )
    jobs: dict[v.Name, JobTable] | None = Field(default=None, description="Jobs by name.")
