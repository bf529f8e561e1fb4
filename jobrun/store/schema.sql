-- The readable truth about the store. Migrations lead here; a test proves both equal.
-- Instants are microseconds since 1970-01-01T00:00:00Z, spans are microseconds, sizes are bytes.

PRAGMA auto_vacuum = INCREMENTAL;    -- pruning gives space back, a few pages at a time
PRAGMA application_id = 0x6a6f6272;  -- "jobr": no other program's file is taken for ours
PRAGMA user_version = 2;             -- the schema's version; migrations.py has the steps

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,          -- store_id, created_at, boot_id (last seen), clock_pass, ended:JOB
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Every version of every job's definition that a run was ever decided under.
CREATE TABLE definitions (
    id      INTEGER PRIMARY KEY,
    job     TEXT NOT NULL,
    digest  TEXT NOT NULL,           -- of body
    body    TEXT NOT NULL,           -- JSON
    seen_at INTEGER NOT NULL,
    UNIQUE (job, digest)
);

-- The plan as the daemon last read it, so that readers need neither files nor calendar.
CREATE TABLE jobs (
    name          TEXT PRIMARY KEY,
    definition_id INTEGER NOT NULL REFERENCES definitions (id),
    source        TEXT NOT NULL,     -- file:line
    enabled       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_definition ON jobs (definition_id);

CREATE TABLE queues (
    name        TEXT PRIMARY KEY,
    concurrency INTEGER              -- NULL: no limit
) WITHOUT ROWID;

CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    min  INTEGER NOT NULL,           -- workers
    max  INTEGER                     -- NULL: the number of processors
) WITHOUT ROWID;

CREATE TABLE schedules (
    job           TEXT NOT NULL,
    schedule      TEXT NOT NULL,     -- the schedule's key within its job
    anchor        INTEGER NOT NULL,  -- interval slots are anchor + n * period
    decided_until INTEGER NOT NULL,  -- every slot up to here has its row
    next_at       INTEGER,
    PRIMARY KEY (job, schedule)
) WITHOUT ROWID;

CREATE TABLE pauses (
    kind   TEXT NOT NULL,            -- job | queue
    name   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    job           TEXT NOT NULL,
    queue         TEXT NOT NULL,
    definition_id INTEGER NOT NULL REFERENCES definitions (id),
    trigger       TEXT NOT NULL,     -- schedule | catch_up | manual | submit | retry
    schedule      TEXT,              -- the slot: NULL for runs that no schedule brought about
    scheduled_at  INTEGER,
    clock_pass    INTEGER,           -- > 0: the clock was set back over this moment
    slot_last     INTEGER,           -- a missed stretch: its last slot …
    slot_count    INTEGER,           -- … and how many
    state         TEXT NOT NULL,     -- delayed | queued | starting | running | stopping | done
    state_since   INTEGER NOT NULL,  -- delayed: until when; queued, starting, stopping: since; running: started; done: ended
    state_reason  TEXT,              -- delayed: why; stopping and done: cause
    attempt       INTEGER NOT NULL,  -- number of the current or last one, 0 before the first
    charged       INTEGER NOT NULL,  -- attempts used up; an interrupted one is given back
    lost          INTEGER NOT NULL,  -- attempts lost to the host
    max_attempts  INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    retry_of      INTEGER,
    requested_by  TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    pid           INTEGER,           -- running and stopping: the process
    start_ticks   INTEGER,
    boot_id       TEXT,
    started_at    INTEGER,           -- of the current or last attempt
    mark_at       INTEGER,           -- running: soft signal sent; stopping: killed
    outcome       TEXT,              -- done
    exit_code     INTEGER,
    signal        INTEGER,
    detail        TEXT,
    data          TEXT,              -- JSON handed to this run instead of its job's
    resume_from   TEXT               -- a checkpoint to go on from
);
CREATE UNIQUE INDEX runs_slot ON runs (job, schedule, scheduled_at, clock_pass) WHERE schedule IS NOT NULL;
CREATE INDEX runs_live ON runs (queue, state) WHERE state <> 'done';
-- Newest first is by id: the order in which things happened, whatever the clock said. Each index ends in it.
CREATE INDEX runs_job ON runs (job);
CREATE INDEX runs_queue ON runs (queue);
CREATE INDEX runs_outcome ON runs (outcome) WHERE outcome IS NOT NULL;
CREATE INDEX runs_job_outcome ON runs (job, outcome) WHERE outcome IS NOT NULL;
CREATE INDEX runs_cause ON runs (state_reason) WHERE state = 'done' AND state_reason IS NOT NULL;
CREATE INDEX runs_definition ON runs (definition_id);

-- Between two of these ids created_at never falls back by more than a minute, so that a moment
-- is found among the ids by bisection: the first run after the clock was set back.
CREATE TABLE clock_turns (
    run_id INTEGER PRIMARY KEY
);

CREATE TABLE attempts (
    run_id      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL,
    pid         INTEGER,
    started_at  INTEGER,
    ended_at    INTEGER,
    outcome     TEXT,
    cause       TEXT,
    detail      TEXT,
    exit_code   INTEGER,
    signal      INTEGER,
    user_time   INTEGER,
    system_time INTEGER,
    max_rss     INTEGER,
    left_behind INTEGER,
    killed      INTEGER,
    PRIMARY KEY (run_id, number)
) WITHOUT ROWID;

CREATE TABLE outputs (
    run_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    stream  TEXT NOT NULL,           -- out | err
    size    INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    body    BLOB,                    -- small outputs live here
    path    TEXT,                    -- larger ones in a file, relative to the state directory
    PRIMARY KEY (run_id, attempt, stream),
    FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number) ON DELETE CASCADE
);

-- What an attempt said about itself. Most say nothing, most results are a few bytes.
CREATE TABLE reports (
    run_id   INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    result   TEXT,                   -- JSON
    progress TEXT,                   -- JSON: at, percent, state, meta
    error    TEXT,                   -- JSON: type, bases, message, traceback
    PRIMARY KEY (run_id, attempt),
    FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE host_events (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    detail TEXT NOT NULL             -- JSON
);
CREATE INDEX host_events_at ON host_events (at);
