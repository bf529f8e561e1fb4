-- A store of schema version 2, as its first release left it. Never changed: it must open for ever.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 0x6a6f6272;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
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
INSERT INTO "attempts" VALUES(1,1,1767150000000000,4000,1767150000000010,1767150002000000,'failed','exit_code','exit code 1',1,NULL,900,800,3600000,NULL,NULL);
INSERT INTO "attempts" VALUES(1,2,1767150004999000,4000,1767150005000000,1767150009000000,'failed','exit_code','exit code 1',1,NULL,900,800,3600000,1,1);
INSERT INTO "attempts" VALUES(3,1,1767236400000010,4711,1767236400000020,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(4,1,1767236399999991,4000,1767236399999992,1767236399999998,'succeeded',NULL,NULL,0,NULL,900,800,3600000,NULL,NULL);
CREATE TABLE clock_turns (
    run_id INTEGER PRIMARY KEY
);
INSERT INTO "clock_turns" VALUES(4);
CREATE TABLE definitions (
    id      INTEGER PRIMARY KEY,
    job     TEXT NOT NULL,
    digest  TEXT NOT NULL,           -- of body
    body    TEXT NOT NULL,           -- JSON
    seen_at INTEGER NOT NULL,
    UNIQUE (job, digest)
);
INSERT INTO "definitions" VALUES(1,'backup','aaaaaaaaaaaa','{"body":{"kind":"shell","shell":"/bin/sh","text":"true"},"name":"backup"}',1764644400000000);
INSERT INTO "definitions" VALUES(2,'poll','bbbbbbbbbbbb','{"body":{"argv":["true"],"kind":"argv"},"name":"poll"}',1764644400000000);
CREATE TABLE host_events (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    detail TEXT NOT NULL             -- JSON
);
INSERT INTO "host_events" VALUES(1,1764644400000000,'stopped','{}');
INSERT INTO "host_events" VALUES(2,1767236399999994,'started','{"pid": 812}');
CREATE TABLE jobs (
    name          TEXT PRIMARY KEY,
    definition_id INTEGER NOT NULL REFERENCES definitions (id),
    source        TEXT NOT NULL,     -- file:line
    enabled       INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "jobs" VALUES('backup',1,'jobs.toml:3',1);
INSERT INTO "jobs" VALUES('poll',2,'jobs.d/poll.toml:1',0);
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,          -- store_id, created_at, boot_id (last seen), clock_pass
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "meta" VALUES('created_at','1764644400000000');
INSERT INTO "meta" VALUES('store_id','00112233445566aa');
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
INSERT INTO "outputs" VALUES(1,1,'out',16,0,X'6E6F207370616365206C6566740AFF00',NULL);
INSERT INTO "outputs" VALUES(1,2,'out',20000000,9000000,NULL,'logs/2025-12-31/1.2.out');
CREATE TABLE pauses (
    kind   TEXT NOT NULL,            -- job | queue
    name   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
INSERT INTO "pauses" VALUES('job','poll',1767236399999995,'uid 1000','maintenance');
CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    min  INTEGER NOT NULL,           -- workers
    max  INTEGER                     -- NULL: the number of processors
) WITHOUT ROWID;
INSERT INTO "pools" VALUES('default',0,NULL);
INSERT INTO "pools" VALUES('models',1,2);
CREATE TABLE queues (
    name        TEXT PRIMARY KEY,
    concurrency INTEGER              -- NULL: no limit
) WITHOUT ROWID;
INSERT INTO "queues" VALUES('default',4);
INSERT INTO "queues" VALUES('free',NULL);
CREATE TABLE reports (
    run_id   INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    result   TEXT,                   -- JSON
    progress TEXT,                   -- JSON: at, percent, state, meta
    error    TEXT,                   -- JSON: type, bases, message, traceback
    PRIMARY KEY (run_id, attempt),
    FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO "reports" VALUES(1,2,NULL,'{"at":1767150008000000,"percent":40.0,"state":"copying","meta":{"table":"orders"}}','{"type":"builtins.OSError","bases":["OSError","builtins.OSError","Exception","builtins.Exception"],"message":"no space left","traceback":"Traceback (most recent call last):\n  ...\nOSError: no space left","retry_in":null,"final":false}');
INSERT INTO "reports" VALUES(4,1,'{"rows":3}',NULL,NULL);
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    job           TEXT NOT NULL,
    queue         TEXT NOT NULL,
    definition_id INTEGER NOT NULL REFERENCES definitions (id),
    trigger       TEXT NOT NULL,     -- schedule | catch_up | manual | submit | retry
    schedule      TEXT,              -- the slot: NULL for runs that no schedule brought about
    scheduled_at  INTEGER,
    clock_pass    INTEGER,           -- > 0: the clock was set back over this moment
    slot_last     INTEGER,           -- a missed stretch: its last slot ...
    slot_count    INTEGER,           -- ... and how many
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
INSERT INTO "runs" VALUES(1,'backup','default',1,'schedule','0 3 * * *',1767150000000000,0,NULL,NULL,'done',1767150009000000,'exit_code',2,2,0,2,0,NULL,'',1767150000000000,NULL,NULL,NULL,1767150005000000,NULL,'failed',1,NULL,'exit code 1',NULL,NULL);
INSERT INTO "runs" VALUES(2,'poll','default',2,'schedule','every 30s',1767150000000000,0,1767151800000000,61,'done',1767236399999995,'missed',0,0,0,2,0,NULL,'',1767236399999995,NULL,NULL,NULL,NULL,NULL,'skipped',NULL,NULL,'no daemon was there at its time; catch_up is none',NULL,NULL);
INSERT INTO "runs" VALUES(3,'backup','default',1,'schedule','0 3 * * *',1767236400000000,0,NULL,NULL,'running',1767236400000020,NULL,1,1,0,2,0,NULL,'',1767236400000000,4711,123456,'0d7f5b7c-9f0c-4a53-9d3b-2f4a4a1f6c11',1767236400000020,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(4,'backup','default',1,'manual',NULL,NULL,NULL,NULL,NULL,'done',1767236399999998,NULL,1,1,0,2,0,NULL,'uid 0',1767236399999991,NULL,NULL,NULL,1767236399999992,NULL,'succeeded',0,NULL,NULL,'{"limit":3}','/var/lib/jobrun/checkpoints/backup/1/epoch_7.bin');
CREATE TABLE schedules (
    job           TEXT NOT NULL,
    schedule      TEXT NOT NULL,     -- the schedule's key within its job
    anchor        INTEGER NOT NULL,  -- interval slots are anchor + n * period
    decided_until INTEGER NOT NULL,  -- every slot up to here has its row
    next_at       INTEGER,
    PRIMARY KEY (job, schedule)
) WITHOUT ROWID;
INSERT INTO "schedules" VALUES('backup','0 3 * * *',1764644400000000,1767236400000000,1767322800000000);
INSERT INTO "schedules" VALUES('poll','every 30s',1764644400000000,1767236400000000,NULL);
CREATE INDEX jobs_definition ON jobs (definition_id);
CREATE UNIQUE INDEX runs_slot ON runs (job, schedule, scheduled_at, clock_pass) WHERE schedule IS NOT NULL;
CREATE INDEX runs_live ON runs (queue, state) WHERE state <> 'done';
CREATE INDEX runs_job ON runs (job);
CREATE INDEX runs_queue ON runs (queue);
CREATE INDEX runs_outcome ON runs (outcome) WHERE outcome IS NOT NULL;
CREATE INDEX runs_job_outcome ON runs (job, outcome) WHERE outcome IS NOT NULL;
CREATE INDEX runs_cause ON runs (state_reason) WHERE state = 'done' AND state_reason IS NOT NULL;
CREATE INDEX runs_definition ON runs (definition_id);
CREATE INDEX host_events_at ON host_events (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',4);
COMMIT;
