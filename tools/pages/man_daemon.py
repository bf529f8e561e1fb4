"""jobrun-daemon(8): running the daemon."""

from jobrun.cli.manual import describe
from jobrun.cli.tree import build
from tools.pages.exits import FILES
from tools.pages.roff import header, item, page_text, paragraph, section

_SIGNALS = (
    (
        "TERM, INT",
        "Stop: nothing new starts, and running jobs get the job file's shutdown_timeout. A second one ends "
        "them now, by TERM and after their grace KILL; a third one kills them.",
    ),
    ("HUP", "Read the job file again, as jobrun reload does."),
)

_VARIABLES = (
    ("JOBRUN_RUN_ID", "The number of the run."),
    ("JOBRUN_JOB", "The job's name."),
    ("JOBRUN_QUEUE", "The queue it runs in."),
    (
        "JOBRUN_ATTEMPT, JOBRUN_MAX_ATTEMPTS",
        "Which try this is, from 1, and how many there are: the last one if both are equal. An attempt that "
        "was lost to the host or given back is not counted; the numbers of jobrun show and jobrun logs "
        "count it.",
    ),
    ("JOBRUN_SCHEDULED_AT", "The due moment in ISO 8601; not set for a run that no schedule brought about."),
    ("JOBRUN_DATA", "A file with the run's data as JSON; not set without data."),
    ("JOBRUN_RESULT", "Where the job may write its result as JSON, for jobrun result."),
    ("JOBRUN_NOTES", "Where jobrun progress and jobrun retry-me write, and jobrun.task.progress."),
    (
        "JOBRUN_CHECKPOINT_DIR, JOBRUN_CHECKPOINT_KEEP, JOBRUN_CHECKPOINT_INTERVAL",
        "Of a job with checkpoints: their directory, how many are kept, and every how many steps one is due.",
    ),
    (
        "JOBRUN_CHECKPOINT_RESUME",
        "0 if each attempt begins anew (checkpoint.resume = false); else not set.",
    ),
    ("JOBRUN_RESUME_FROM", "The checkpoint to go on from; not set if there is none."),
    ("JOBRUN_STORE_ID", "The store that the run is recorded in."),
    ("JOBRUN_CONFIG, JOBRUN_STATE_DIR", "The daemon's places, so that jobrun in a job asks this daemon."),
)

_GUARANTEES = (
    "Every due moment of every job becomes one row of the history: it ran, or it was skipped for a stated "
    "reason. Intent is written down before it is acted on.",
    "A job outlives a daemon that dies. The next daemon finds it again by pid, start time and boot, or reads "
    "from its status file how it ended.",
    "A stop reaches the whole process tree: TERM, the job's grace, KILL, and then whatever still carries the "
    "run's number in its environment.",
    "If the store cannot be written (a full disk, a lock), nothing new starts; running jobs stay supervised, "
    "and their ends are recorded once it can be written again.",
)


def page() -> str:
    """The page's source."""
    doc = describe(build("daemon"))
    lines = header("jobrun-daemon", 8, "start jobs at their times and supervise them")
    lines += [*section("Synopsis"), *paragraph(doc.usage), *section("Description")]
    lines += paragraph(doc.summary)
    for text in (*doc.paragraphs, *_GUARANTEES):
        lines += [".PP", *paragraph(text)]
    lines += section("Options")
    for option in doc.options:
        default = f" Default: {option.default}." if option.default else ""
        lines += item(option.spelling, option.help + default)
    lines += section("Signals")
    for name, meaning in _SIGNALS:
        lines += item(name, meaning)
    lines += section("Under systemd")
    lines += paragraph(
        "The unit files jobrun.service (for the host) and its counterpart for a user are of type notify: the "
        "daemon says when it is ready, while it reloads, and when it begins to stop. To restart the daemon "
        "and let running jobs run on, use --on-stop leave with KillMode=process."
    )
    lines += section("Environment of a job")
    lines += paragraph(
        "A job gets PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ and TMPDIR of the daemon, what its "
        "env_file and env say, and:"
    )
    for name, meaning in _VARIABLES:
        lines += item(name, meaning)
    lines += section("Files")
    for name, meaning in FILES:
        lines += item(name, meaning)
    lines += [*section("See also"), "\\fBjobrun\\fR(1), \\fBjobs.toml\\fR(5), \\fBsystemd.service\\fR(5)"]
    return page_text(lines)
