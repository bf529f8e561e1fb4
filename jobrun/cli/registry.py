"""Every command by name, with its group and one line about it, and no import of any of them.

`jobrun --help` is printed from this table alone. A test compares each line
with the first line of the command's own description. Plain classes here and
in `render`, no dataclasses: each of those costs every command half a
millisecond at its start.
"""

GROUPS: dict[str, str] = {
    "files": "Job files",
    "jobs": "Jobs",
    "runs": "Runs",
    "inside": "Inside a job",
    "host": "Daemon and shell",
}


class Entry:
    """One command: its name, its group, and what it does in one line."""

    __slots__ = ("group", "name", "summary")

    def __init__(self, name: str, group: str, summary: str) -> None:
        self.name = name
        self.group = group
        self.summary = summary

    @property
    def module(self) -> str:
        """The module that holds the command."""
        return f"jobrun.cli.commands.{self.name.replace('-', '_')}"


COMMANDS: dict[str, Entry] = {
    name: Entry(name, group, summary)
    for group, name, summary in (
        ("files", "init", "Write an example job file to start from."),
        ("files", "check", "Check the job file and name every problem."),
        ("files", "schema", "Print the JSON schema of the job file, for editors."),
        ("jobs", "add", "Add a job."),
        ("jobs", "remove", "Remove a job that `add` wrote."),
        ("jobs", "list", "List the jobs."),
        ("jobs", "show", "Show everything about a job or a run."),
        ("jobs", "next", "Show when jobs are due next."),
        ("jobs", "explain", "Say in words what a cron expression means."),
        ("jobs", "why", "Say why a job ran at a moment, did not run, or will."),
        ("jobs", "pause", "Pause a job or a queue."),
        ("jobs", "resume", "Resume a paused job or queue."),
        ("runs", "status", "Show what is going on: the daemon, live runs, every job."),
        ("runs", "history", "List runs, newest first."),
        ("runs", "logs", "Print what a run printed."),
        ("runs", "result", "Print the result of a run."),
        ("runs", "run", "Start a job now, or at a later moment."),
        ("runs", "submit", "Run a command once, supervised and recorded."),
        ("runs", "wait", "Wait until runs have ended."),
        ("runs", "cancel", "Cancel runs: waiting ones at once, running ones by TERM, then KILL."),
        ("runs", "retry", "Run failed runs again, as new runs."),
        ("inside", "progress", "Say how far the run is."),
        ("inside", "checkpoint", "Keep files to go on from, or find them again."),
        ("inside", "retry-me", "Ask for another try of the run after a time."),
        ("host", "daemon", "Run the daemon in the foreground."),
        ("host", "workers", "List the warm workers of Python jobs."),
        ("host", "reload", "Make the daemon read its job file again."),
        ("host", "stop", "Stop the daemon."),
        ("host", "doctor", "Show what this host offers and what is wrong."),
        ("host", "completion", "Print the shell completion script."),
    )
}
