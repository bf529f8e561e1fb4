"""docs/json.md: the JSON shapes, each with the golden answer that the tests hold it to."""

from pathlib import Path

_INTRO = """\
<!-- Made by tools/generate.py; do not edit. -->
# JSON

Every command that reads takes `--json` and prints one JSON object in UTF-8 on standard output. Keys are only
ever added; ignore those you do not know. The exit code is the same as without `--json`; errors are words on
standard error.

- Moments are ISO 8601 with offset, in the host's zone, or in UTC with `--utc`. `next` and `explain` with an
  expression answer in the expression's zone.
- Spans (`duration`, `lateness`, `user_time`, `system_time`) are seconds, sizes are bytes.
- What is not known or does not apply is `null`.
- `definition` and `body` hold a job's definition as the store keeps it: only what differs from the built-in
  defaults, spans in microseconds, sizes in bytes.
- `status --watch --json` prints one object a line, whenever something has changed.

The words: `state` is one of `delayed`, `queued`, `starting`, `running`, `stopping`, `done`; `outcome` of a
run that is done is one of `succeeded`, `failed`, `timed_out`, `cancelled`, `skipped`, `lost`; `cause` says
why. `since` is when the run entered its state. `attempt` is the number of the current or last attempt. It
can be above `max_attempts`: an attempt that was lost to the host (`lost` counts those) or given back by a
stop of the daemon does not use one up.

The answers below are what the tests compare with.
"""

SHAPES: tuple[tuple[str, str, str], ...] = (
    (
        "status",
        "jobrun status --json",
        "The daemon, unfinished runs, every job and queue. `progress` of a running run is what it said last: "
        "`percent` (0 to 100) or null, `state` and `meta` as the job chose them, and when. Only here and in "
        "`show RUN`; elsewhere it is null.",
    ),
    ("status_job", "jobrun status JOB --json", "One job, its unfinished runs and its last five ended ones."),
    ("list", "jobrun list --json", "The jobs. `when` says the schedule in words."),
    ("show_job", "jobrun show JOB --json", "A job, as in `list`, with its whole definition."),
    ("history", "jobrun history --json", "Runs, newest first; also of `history JOB` and with any filter."),
    (
        "versions",
        "jobrun history JOB --versions --json",
        "The definitions of a job, newest first; `changes` are against the one before, `old` and `new` are "
        "TOML text. `in_plan` false: the job was not in the job file then, or only runs asked for had it.",
    ),
    (
        "why",
        "jobrun why JOB --json",
        "What became of the job in [`from`, `to`). `verdict` is that of the last of `slots`, else of `runs`: "
        "`ran`, `running`, `waiting`, `not_started`, `skipped`, `cancelled`, `undecided` (past, no daemon "
        "has looked since; `would` foretells), `no_record`, `will_run`, `paused`, `disabled`, `removed`, "
        "`not_due`, `unknown` (before its first definition). `slots` are at most the 12 newest, `slot_count` "
        "counts all. `late` goes with a start, `in_the_way` with the cause `overlap`; `outages` are times "
        "without a daemon, of suspends and of clock steps that have to do with it. Moments are in the job's "
        "zone.",
    ),
    (
        "show_run",
        "jobrun show RUN --json",
        "A run as in `history`, with its lateness, data, result, attempts, outputs and definition. "
        "`left_behind` counts processes found alive after the command's end and ended. `error` of an attempt "
        "is the exception that came out of it (`type`, `message`, `traceback`), its `progress` what it said "
        "last.",
    ),
    (
        "logs",
        "jobrun logs RUN --json",
        "What an attempt printed. `base64` is set if the bytes are not UTF-8; `text` then has U+FFFD in "
        "their place. `size` counts all bytes printed, `dropped` those that `log_max` cut out; both are null "
        "while the attempt runs.",
    ),
    (
        "result",
        "jobrun result RUN --json",
        "A run's result. Null if it has none; the exit code is then 5.",
    ),
    ("next", "jobrun next --json", "Coming slots, soonest first; also of `next JOB`."),
    ("next_expr", "jobrun next --expr EXPR --json", "The next dates of a cron text."),
    ("explain", "jobrun explain EXPR --json", "A cron text in words, with dates and remarks."),
    (
        "check",
        "jobrun check --json",
        "The job file's problems. With --imports, `imports` is a list of the same form: what Python jobs "
        "cannot import; else, or with problems, it is null.",
    ),
    (
        "doctor",
        "jobrun doctor --json",
        "What this host offers and what is wrong. `state` is `ok`, `note` or `problem`; `ok` is false if "
        "there is a problem. Checks may be added, and their words change.",
    ),
    (
        "workers",
        "jobrun workers --json",
        "The warm workers, and the pools of the job file and of jobs. `state` is `starting`, `idle`, `busy`, "
        "`stalled` or `retiring`; `run` and `job` are what it is at, `waiting` counts the calls that it has "
        "not begun. `age` and `cpu` are seconds. `jobs` counts the warm jobs of a pool; "
        "`max` null is the number of processors.",
    ),
    (
        "checkpoints",
        "jobrun checkpoint list RUN --json",
        "What a run has kept, oldest first. `checkpoint save` and `latest` print one `path`.",
    ),
    ("wait", "jobrun wait RUN --json", "How runs ended; also of `run --wait` and `submit --wait`."),
)

_OTHERS = """\
## Commands that act

- `jobrun run` and `submit`: `{"run": 41, "job": "backup", "state": "queued", "outcome": null}`; with `--wait`
  as `wait`. `jobrun run JOB --bulk FILE`: `{"job": "email", "runs": [41, 42], "skipped": [42]}`, `runs` in
  the order of the lines.
- `jobrun cancel`: `{"cancelled": [41], "already_done": [40]}`.
- `jobrun retry`: `{"retried": [{"run": 40, "new": 42, "job": "backup"}]}`.
- `jobrun reload`: `{"applied": true, "added": [{"job": "new", "next": null}], "changed": [{"job": "backup",
  "fields": ["schedules"], "next_before": null, "next_after": null}], "removed": ["old"], "kept": 3}`.
- `jobrun show JOB --resolved`: `{"job": "backup", "settings": {"timeout": {"value": "\\"2h\\"", "origin":
  "built-in"}}}`; values are TOML text.
- `jobrun schema`: a JSON schema, draft 2020-12.
"""


def page(golden: Path) -> str:
    """The page's source, with the golden answers in that directory."""
    out = [_INTRO]
    for name, words, meaning in SHAPES:
        answer = (golden / f"{name}.json").read_text("utf-8").rstrip("\n")
        out += [f"## {words}\n", f"{meaning}\n", f"```json\n{answer}\n```\n"]
    out.append(_OTHERS)
    return "\n".join(out)
