"""The store's schema, as numbered migrations.

Each runs in one transaction together with its `user_version`, and is never edited once released; `schema` holds a store
to what they make. Nothing is newer than SQLite 3.31 but the full-text index, and `sessions` has no trigger, check or
function that a person's own SQL could trip over.
"""

import apsw

from kioku.store.search_tables import SEARCH, VECTORS

# What a projection wrote into the columns that a person may edit by SQL, as one text. The partial index below holds
# just the rows where it no longer fits, so finding a person's edits costs nothing however many sessions there are.
PROJECTED = (
    "started_at || ' ' || ifnull(ended_at, '-') || ' ' || status || ' ' || ifnull('=' || title, '-') || ' ' || topics"
)
EDITED = f"projected IS NOT ({PROJECTED})"

_FIRST = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL);

CREATE TABLE owners (
  token TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_token TEXT, boot_id TEXT, pid_namespace TEXT,
  started_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE streams (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL, owner TEXT,
  client TEXT, client_version TEXT, created_at INTEGER NOT NULL
);

CREATE TABLE timeouts (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, since)
) WITHOUT ROWID;

CREATE TABLE reports (
  stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, key INTEGER NOT NULL, source INTEGER NOT NULL,
  took INTEGER, kind INTEGER NOT NULL, tool INTEGER, path INTEGER, branch INTEGER, ok INTEGER, detail TEXT,
  PRIMARY KEY (stream, at, key, source)
) WITHOUT ROWID;
CREATE UNIQUE INDEX reports_by_key ON reports (key, source);

CREATE TABLE quarantine (
  key INTEGER NOT NULL, source INTEGER NOT NULL, stream_key TEXT NOT NULL, at INTEGER NOT NULL, report TEXT NOT NULL,
  PRIMARY KEY (key, source)
) WITHOUT ROWID;
CREATE INDEX quarantine_by_time ON quarantine (at);

CREATE TABLE forgotten (hash BLOB PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE anchors (
  id TEXT PRIMARY KEY, stream INTEGER REFERENCES streams(id), key INTEGER, created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX anchors_by_stream ON anchors (stream);

CREATE TABLE amendments (
  id INTEGER PRIMARY KEY, made_at INTEGER NOT NULL, kind TEXT NOT NULL, session_id TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX amendments_by_session ON amendments (session_id);

CREATE TABLE sessions (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL,
  started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT NOT NULL DEFAULT 'active',
  topics TEXT NOT NULL DEFAULT '[]', metadata TEXT NOT NULL DEFAULT '{{}}',
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  last_activity_at INTEGER NOT NULL, end_reason TEXT, title TEXT, continues TEXT,
  stream INTEGER, owner TEXT, client TEXT, client_version TEXT, branch TEXT, branch_at INTEGER,
  timeout_ms INTEGER NOT NULL,
  activities INTEGER NOT NULL DEFAULT 0, tool_calls INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
  active_ms INTEGER, agent_ms INTEGER, waiting_ms INTEGER, empty INTEGER NOT NULL DEFAULT 1,
  first_activity_at INTEGER NOT NULL, last_start_at INTEGER NOT NULL, block_start_at INTEGER NOT NULL,
  amended INTEGER NOT NULL DEFAULT 0, projected TEXT
);
CREATE INDEX sessions_by_start ON sessions (started_at);
CREATE INDEX sessions_by_stream ON sessions (stream, first_activity_at);
CREATE INDEX sessions_active ON sessions (owner, started_at) WHERE status = 'active';
CREATE INDEX sessions_silent ON sessions (last_activity_at + timeout_ms) WHERE end_reason = 'idle';
CREATE INDEX sessions_edited ON sessions (seq) WHERE {EDITED};

CREATE TABLE touched (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, path INTEGER NOT NULL,
  reads INTEGER NOT NULL, edits INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (session, path)
) WITHOUT ROWID;

CREATE VIEW session_files AS
SELECT s.id AS session_id, n.text AS path, t.reads AS reads, t.edits AS edits,
       t.first_at AS first_at, t.last_at AS last_at
FROM touched t JOIN sessions s ON s.seq = t.session JOIN names n ON n.id = t.path;

CREATE VIEW activities AS
SELECT (SELECT s.id FROM sessions s WHERE s.stream = r.stream AND s.first_activity_at <= r.at
        ORDER BY s.first_activity_at DESC LIMIT 1) AS session_id,
       r.at AS at, r.took AS took_ms, k.text AS kind, t.text AS tool, p.text AS path, b.text AS branch,
       CASE r.source WHEN 1 THEN 'transcript' WHEN 2 THEN 'server' WHEN 3 THEN 'hook' ELSE 'sweep' END AS source,
       r.ok AS ok, r.detail AS detail
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
LEFT JOIN names b ON b.id = r.branch
WHERE NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source);

CREATE TABLE discoveries (
  id TEXT PRIMARY KEY, session_id TEXT, type TEXT NOT NULL, content TEXT NOT NULL, module TEXT, confidence REAL,
  state TEXT NOT NULL DEFAULT 'proposed', provenance TEXT NOT NULL, evidence TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX discoveries_by_session ON discoveries (session_id);

CREATE TABLE context_items (
  id TEXT PRIMARY KEY, type TEXT NOT NULL, content TEXT NOT NULL, metadata_json TEXT NOT NULL DEFAULT '{{}}',
  score REAL, recency_factor REAL, access_factor REAL, last_accessed_at INTEGER, access_count INTEGER,
  tokens INTEGER, status TEXT NOT NULL DEFAULT 'active', created_at INTEGER, updated_at INTEGER
);
"""

# Capture: clients' conversations beside servers' lives. A report that a server told is kept in the stream of the
# conversation that it served, with its `origin`; `stream_spans` says which that is, and `sightings` and `claim` why.
# `hidden` marks the believed report of a thing that another thing's stands for. A stream is `stale` while its sessions
# have yet to be derived from all of its reports.
_CAPTURE = """
ALTER TABLE streams ADD COLUMN claim TEXT;
ALTER TABLE streams ADD COLUMN folder TEXT;
ALTER TABLE streams ADD COLUMN stale INTEGER;
CREATE INDEX streams_stale ON streams (id) WHERE stale IS NOT NULL;
ALTER TABLE reports ADD COLUMN origin INTEGER;
ALTER TABLE reports ADD COLUMN hidden INTEGER;
ALTER TABLE sessions ADD COLUMN phase TEXT;

CREATE TABLE sightings (
  process TEXT NOT NULL, stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, until INTEGER,
  succeeds INTEGER, PRIMARY KEY (process, stream)
) WITHOUT ROWID;
CREATE INDEX sightings_by_stream ON sightings (stream);

CREATE TABLE stream_spans (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, conversation INTEGER REFERENCES streams(id),
  PRIMARY KEY (stream, since)
) WITHOUT ROWID;
CREATE INDEX stream_spans_by_conversation ON stream_spans (conversation);

CREATE TABLE turns (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, key INTEGER NOT NULL,
  source INTEGER NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL, model INTEGER
);
CREATE UNIQUE INDEX turns_by_key ON turns (key, source);
CREATE INDEX turns_by_stream ON turns (stream, at);

CREATE TABLE usage (
  key INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, model INTEGER,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL
);
CREATE INDEX usage_by_stream ON usage (stream, at);

CREATE TABLE sources (
  path TEXT PRIMARY KEY, client TEXT NOT NULL, identity TEXT NOT NULL, size INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, position INTEGER NOT NULL, lines INTEGER NOT NULL,
  state TEXT NOT NULL, stores TEXT NOT NULL, conversations TEXT NOT NULL, read_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE drained (batch TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

DROP VIEW activities;
CREATE VIEW activities AS
SELECT (SELECT s.id FROM sessions s WHERE s.stream = r.stream AND s.first_activity_at <= r.at
        ORDER BY s.first_activity_at DESC LIMIT 1) AS session_id,
       r.at AS at, r.took AS took_ms, k.text AS kind, t.text AS tool, p.text AS path, b.text AS branch,
       CASE r.source WHEN 1 THEN 'transcript' WHEN 2 THEN 'server' WHEN 3 THEN 'hook' ELSE 'sweep' END AS source,
       r.ok AS ok, r.detail AS detail
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
LEFT JOIN names b ON b.id = r.branch
WHERE r.hidden IS NULL AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source);

CREATE VIEW session_turns AS
SELECT (SELECT s.id FROM sessions s WHERE s.stream = t.stream AND s.first_activity_at <= t.at
        ORDER BY s.first_activity_at DESC LIMIT 1) AS session_id,
       t.at AS at, t.role AS role, t.text AS text, m.text AS model
FROM turns t LEFT JOIN names m ON m.id = t.model
WHERE NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source);
"""

# Understanding: what was made of a settled session for reports (`clocks`, `counts`, `branches`), and rollups of that.
# `digest` is the checksum of what they were made from, NULL while they are not (any more) what the session says.
# `runs` tells which session each run of a stream's is part of. Slots are quarters of an hour in UTC, days 96 of them.
# `merge_groups` and `cuts` are what is in force of merges and splits that were decided, by the ids that they name;
# `merged_sessions` has what a merged session is made of. A session that is `tied` is not brought up to date by itself.
_UNDERSTANDING = """
ALTER TABLE sessions ADD COLUMN digest BLOB;
ALTER TABLE sessions ADD COLUMN tied INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_undigested ON sessions (seq) WHERE digest IS NULL;
CREATE INDEX sessions_empty ON sessions (started_at) WHERE empty = 1;

CREATE TABLE runs (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL,
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, PRIMARY KEY (stream, since)
) WITHOUT ROWID;
CREATE INDEX runs_by_session ON runs (session);
INSERT OR REPLACE INTO runs SELECT stream, first_activity_at, seq FROM sessions WHERE stream IS NOT NULL;

CREATE TABLE merge_groups (id TEXT PRIMARY KEY, held TEXT NOT NULL, merged_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX merge_groups_by_name ON merge_groups (held);
CREATE TABLE cuts (id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (id, at)) WITHOUT ROWID;
CREATE TABLE merged_sessions (
  stream INTEGER NOT NULL REFERENCES streams(id), first_activity_at INTEGER NOT NULL,
  id TEXT NOT NULL, into_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT NOT NULL, end_reason TEXT,
  last_activity_at INTEGER NOT NULL, timeout_ms INTEGER NOT NULL, title TEXT, owner TEXT, client TEXT, branch TEXT,
  active_ms INTEGER, activities INTEGER NOT NULL, tool_calls INTEGER NOT NULL, files INTEGER NOT NULL,
  merged_at INTEGER NOT NULL, PRIMARY KEY (stream, first_activity_at)
) WITHOUT ROWID;
CREATE INDEX merged_sessions_by_session ON merged_sessions (into_id);
CREATE INDEX merged_sessions_active ON merged_sessions (owner) WHERE status = 'active';
CREATE INDEX merged_sessions_silent ON merged_sessions (last_activity_at + timeout_ms) WHERE end_reason = 'idle';

CREATE TABLE clocks (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, clock INTEGER NOT NULL, since INTEGER NOT NULL,
  until INTEGER NOT NULL, PRIMARY KEY (session, clock, since)
) WITHOUT ROWID;
CREATE TABLE counts (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, slot INTEGER NOT NULL, kind INTEGER NOT NULL,
  name INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (session, slot, kind, name)
) WITHOUT ROWID;
CREATE TABLE branches (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, since INTEGER NOT NULL, branch INTEGER NOT NULL,
  PRIMARY KEY (session, since)
) WITHOUT ROWID;

CREATE TABLE session_days (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, day INTEGER NOT NULL,
  PRIMARY KEY (session, day)
) WITHOUT ROWID;
CREATE INDEX session_days_by_day ON session_days (day);
CREATE TABLE outdated_days (day INTEGER PRIMARY KEY);
CREATE TABLE days (
  day INTEGER PRIMARY KEY, slots BLOB NOT NULL, lengths BLOB NOT NULL, gaps BLOB NOT NULL
);
CREATE TABLE day_shares (
  kind INTEGER NOT NULL, day INTEGER NOT NULL, name INTEGER NOT NULL, active_ms INTEGER, sessions INTEGER NOT NULL,
  calls INTEGER NOT NULL, reads INTEGER NOT NULL, edits INTEGER NOT NULL, PRIMARY KEY (kind, day, name)
) WITHOUT ROWID;
CREATE TABLE day_files (
  day INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (day, path)
) WITHOUT ROWID;
CREATE TABLE month_files (
  month INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (month, path)
) WITHOUT ROWID;
CREATE TABLE year_files (
  year INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (year, path)
) WITHOUT ROWID;

DROP VIEW activities;
CREATE VIEW activities AS
SELECT (SELECT s.id FROM runs u JOIN sessions s ON s.seq = u.session WHERE u.stream = r.stream AND u.since <= r.at
        ORDER BY u.since DESC LIMIT 1) AS session_id,
       r.at AS at, r.took AS took_ms, k.text AS kind, t.text AS tool, p.text AS path, b.text AS branch,
       CASE r.source WHEN 1 THEN 'transcript' WHEN 2 THEN 'server' WHEN 3 THEN 'hook' ELSE 'sweep' END AS source,
       r.ok AS ok, r.detail AS detail
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
LEFT JOIN names b ON b.id = r.branch
WHERE r.hidden IS NULL AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source);

DROP VIEW session_turns;
CREATE VIEW session_turns AS
SELECT (SELECT s.id FROM runs u JOIN sessions s ON s.seq = u.session WHERE u.stream = t.stream AND u.since <= t.at
        ORDER BY u.since DESC LIMIT 1) AS session_id,
       t.at AS at, t.role AS role, t.text AS text, m.text AS model
FROM turns t LEFT JOIN names m ON m.id = t.model
WHERE NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source);
"""

# Keeping less. An archived session has a stream of its own, in which its turns are and no reports: of those the keys
# are in `folded`. `archived_runs` says where its time was: `told` has a bit for the transcript, and for each sort of
# thing that a hook told of without an id. What was deleted is `forgotten`: salted hashes, of which some count only for
# what is dated no later than `until`.
_RETENTION = """
CREATE TABLE folded (key INTEGER PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE archived (
  session INTEGER PRIMARY KEY REFERENCES sessions(seq) ON DELETE CASCADE, gap_before INTEGER
);
CREATE TABLE archived_runs (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, until INTEGER NOT NULL,
  session INTEGER NOT NULL REFERENCES archived(session) ON DELETE CASCADE, told INTEGER NOT NULL,
  PRIMARY KEY (stream, since, session)
) WITHOUT ROWID;
CREATE INDEX archived_runs_by_session ON archived_runs (session);
ALTER TABLE forgotten ADD COLUMN until INTEGER;
"""

# Whose the keys of archived reports are, so that they go where their session goes. Of those that were kept before,
# nobody knows it.
_FOLDED = """
ALTER TABLE folded ADD COLUMN session INTEGER;
CREATE INDEX folded_by_session ON folded (session);
"""

# What conversations taught. `learned` is the digest that a session had when it was looked at; `successions` says which
# discovery another is to take the place of, and since when that is decided. `discoveries` stays as it was released.
_LEARNING = """
ALTER TABLE sessions ADD COLUMN learned BLOB;
CREATE INDEX sessions_unlearned ON sessions (seq)
  WHERE digest IS NOT NULL AND status <> 'active' AND learned IS NOT digest;
CREATE TABLE successions (
  id TEXT NOT NULL, superseded_by TEXT NOT NULL, decided_at INTEGER, PRIMARY KEY (id, superseded_by)
) WITHOUT ROWID;
"""

# What a model was asked: about a session as it was with that digest, and what it cost.
_REFINING = """
CREATE TABLE refinements (
  session_id TEXT NOT NULL, model TEXT NOT NULL, digest BLOB NOT NULL, asked_at INTEGER NOT NULL, input_tokens INTEGER,
  output_tokens INTEGER, found INTEGER NOT NULL, dropped INTEGER NOT NULL, PRIMARY KEY (session_id, model)
) WITHOUT ROWID;
"""

# Streams of which a file tells that the person does not vouch for: what was said there has nobody's authority.
_VOUCHING = """
CREATE TABLE unvouched (stream INTEGER PRIMARY KEY REFERENCES streams(id) ON DELETE CASCADE);
"""

# What a month has of active time and of gaps, the shortest gap first. A day of each month that there is counts as
# outdated, so that its month is made.
_GAPS = """
CREATE TABLE month_gaps (month INTEGER PRIMARY KEY, active_ms INTEGER NOT NULL, gaps BLOB NOT NULL);
INSERT OR IGNORE INTO outdated_days
  SELECT max(day) FROM days GROUP BY strftime('%Y-%m', day * 86400, 'unixepoch'), day > 0;
"""

MIGRATIONS: tuple[str, ...] = (
    _FIRST, _CAPTURE, _UNDERSTANDING + _RETENTION, _FOLDED, _LEARNING, _REFINING, _VOUCHING, SEARCH, _GAPS, VECTORS,
)  # fmt: skip
VERSION = len(MIGRATIONS)


def migrate(db: apsw.Connection, to: int = VERSION) -> None:
    """Bring the schema up to a version. Call it inside a write transaction; does nothing when it is there already."""
    version = user_version(db)
    for number, statements in enumerate(MIGRATIONS[version:to], version + 1):
        db.execute(statements)
        db.pragma("user_version", number)


def user_version(db: apsw.Connection) -> int:
    """Return the number of the last migration that this file has seen."""
    return int(db.pragma("user_version"))


def is_empty(db: apsw.Connection) -> bool:
    """Tell whether a file holds nothing at all."""
    return db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
