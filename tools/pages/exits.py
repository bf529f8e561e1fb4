"""Facts that several pages tell: exit codes, variables, places."""

EXIT_CODES = (
    ("0", "All is well."),
    ("1", "The run or the check failed, or the host is in trouble."),
    ("2", "The command line is wrong."),
    ("3", "No daemon is reachable, and the command needs one."),
    ("4", "The job file is invalid; every problem is named."),
    ("5", "The job, run or queue does not exist, or the request contradicts its state."),
    ("70", "A bug in jobrun. With JOBRUN_DEBUG=1 the traceback is printed."),
    ("130", "Interrupted by Ctrl-C."),
)

ENVIRONMENT = (
    ("JOBRUN_CONFIG", "The job file, as --config."),
    ("JOBRUN_STATE_DIR", "The state directory, as --state-dir. The control socket is then inside it."),
    ("JOBRUN_DEBUG", "If set, an error prints its traceback."),
    ("NO_COLOR", "If set to anything, no colours are used."),
    ("TZ", "The zone in which times are shown and read, unless --utc is given."),
)

FILES = (
    ("/etc/jobrun/jobs.toml, ~/.config/jobrun/jobs.toml", "The job file of root and of other users."),
    ("jobs.d/*.toml beside it", "Read too, in the order of their names; jobrun add writes here."),
    ("/var/lib/jobrun, ~/.local/state/jobrun", "The store, logs and attempts."),
    ("/run/jobrun, $XDG_RUNTIME_DIR/jobrun", "The control socket; the state directory has a link to it."),
)
