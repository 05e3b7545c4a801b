-- 101 tables, views, indexes and triggers

-- view activities, of activities
CREATE VIEW activities AS
SELECT (SELECT s.id FROM runs u JOIN sessions s ON s.seq = u.session WHERE u.stream = r.stream AND u.since <= r.at
        ORDER BY u.since DESC LIMIT 1) AS session_id,
       r.at AS at, r.took AS took_ms, k.text AS kind, t.text AS tool, p.text AS path, b.text AS branch,
       CASE r.source WHEN 1 THEN 'transcript' WHEN 2 THEN 'server' WHEN 3 THEN 'hook' ELSE 'sweep' END AS source,
       r.ok AS ok, r.detail AS detail
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
LEFT JOIN names b ON b.id = r.branch
WHERE r.hidden IS NULL AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source);

-- table amendments, of amendments
CREATE TABLE amendments (
  id INTEGER PRIMARY KEY, made_at INTEGER NOT NULL, kind TEXT NOT NULL, session_id TEXT NOT NULL, data TEXT NOT NULL
);

-- index amendments_by_session, of amendments
CREATE INDEX amendments_by_session ON amendments (session_id);

-- table anchors, of anchors
CREATE TABLE anchors (
  id TEXT PRIMARY KEY, stream INTEGER REFERENCES streams(id), key INTEGER, created_at INTEGER NOT NULL
) WITHOUT ROWID;

-- index anchors_by_stream, of anchors
CREATE INDEX anchors_by_stream ON anchors (stream);

-- table archived, of archived
CREATE TABLE archived (
  session INTEGER PRIMARY KEY REFERENCES sessions(seq) ON DELETE CASCADE, gap_before INTEGER
);

-- table archived_runs, of archived_runs
CREATE TABLE archived_runs (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, until INTEGER NOT NULL,
  session INTEGER NOT NULL REFERENCES archived(session) ON DELETE CASCADE, told INTEGER NOT NULL,
  PRIMARY KEY (stream, since, session)
) WITHOUT ROWID;

-- index archived_runs_by_session, of archived_runs
CREATE INDEX archived_runs_by_session ON archived_runs (session);

-- table branches, of branches
CREATE TABLE branches (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, since INTEGER NOT NULL, branch INTEGER NOT NULL,
  PRIMARY KEY (session, since)
) WITHOUT ROWID;

-- table clocks, of clocks
CREATE TABLE clocks (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, clock INTEGER NOT NULL, since INTEGER NOT NULL,
  until INTEGER NOT NULL, PRIMARY KEY (session, clock, since)
) WITHOUT ROWID;

-- table context_items, of context_items
CREATE TABLE context_items (
  id TEXT PRIMARY KEY, type TEXT NOT NULL, content TEXT NOT NULL, metadata_json TEXT NOT NULL DEFAULT '{}',
  score REAL, recency_factor REAL, access_factor REAL, last_accessed_at INTEGER, access_count INTEGER,
  tokens INTEGER, status TEXT NOT NULL DEFAULT 'active', created_at INTEGER, updated_at INTEGER
);

-- table counters, of counters
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

-- table counts, of counts
CREATE TABLE counts (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, slot INTEGER NOT NULL, kind INTEGER NOT NULL,
  name INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (session, slot, kind, name)
) WITHOUT ROWID;

-- table cuts, of cuts
CREATE TABLE cuts (id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (id, at)) WITHOUT ROWID;

-- table day_files, of day_files
CREATE TABLE day_files (
  day INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (day, path)
) WITHOUT ROWID;

-- table day_shares, of day_shares
CREATE TABLE day_shares (
  kind INTEGER NOT NULL, day INTEGER NOT NULL, name INTEGER NOT NULL, active_ms INTEGER, sessions INTEGER NOT NULL,
  calls INTEGER NOT NULL, reads INTEGER NOT NULL, edits INTEGER NOT NULL, PRIMARY KEY (kind, day, name)
) WITHOUT ROWID;

-- table days, of days
CREATE TABLE days (
  day INTEGER PRIMARY KEY, slots BLOB NOT NULL, lengths BLOB NOT NULL, gaps BLOB NOT NULL
);

-- table discoveries, of discoveries
CREATE TABLE discoveries (
  id TEXT PRIMARY KEY, session_id TEXT, type TEXT NOT NULL, content TEXT NOT NULL, module TEXT, confidence REAL,
  state TEXT NOT NULL DEFAULT 'proposed', provenance TEXT NOT NULL, evidence TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);

-- index discoveries_by_session, of discoveries
CREATE INDEX discoveries_by_session ON discoveries (session_id);

-- table drained, of drained
CREATE TABLE drained (batch TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

-- table embedders, of embedders
CREATE TABLE embedders (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);

-- table folded, of folded
CREATE TABLE folded (key INTEGER PRIMARY KEY, session INTEGER) WITHOUT ROWID;

-- index folded_by_session, of folded
CREATE INDEX folded_by_session ON folded (session);

-- table forgotten, of forgotten
CREATE TABLE forgotten (hash BLOB PRIMARY KEY, until INTEGER) WITHOUT ROWID;

-- table indexed, of indexed
CREATE TABLE indexed (passages INTEGER NOT NULL, length INTEGER NOT NULL);

-- table merge_groups, of merge_groups
CREATE TABLE merge_groups (id TEXT PRIMARY KEY, held TEXT NOT NULL, merged_at INTEGER NOT NULL) WITHOUT ROWID;

-- index merge_groups_by_name, of merge_groups
CREATE INDEX merge_groups_by_name ON merge_groups (held);

-- table merged_sessions, of merged_sessions
CREATE TABLE merged_sessions (
  stream INTEGER NOT NULL REFERENCES streams(id), first_activity_at INTEGER NOT NULL,
  id TEXT NOT NULL, into_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT NOT NULL, end_reason TEXT,
  last_activity_at INTEGER NOT NULL, timeout_ms INTEGER NOT NULL, title TEXT, owner TEXT, client TEXT, branch TEXT,
  active_ms INTEGER, activities INTEGER NOT NULL, tool_calls INTEGER NOT NULL, files INTEGER NOT NULL,
  merged_at INTEGER NOT NULL, PRIMARY KEY (stream, first_activity_at)
) WITHOUT ROWID;

-- index merged_sessions_active, of merged_sessions
CREATE INDEX merged_sessions_active ON merged_sessions (owner) WHERE status = 'active';

-- index merged_sessions_by_session, of merged_sessions
CREATE INDEX merged_sessions_by_session ON merged_sessions (into_id);

-- index merged_sessions_silent, of merged_sessions
CREATE INDEX merged_sessions_silent ON merged_sessions (last_activity_at + timeout_ms) WHERE end_reason = 'idle';

-- table meta, of meta
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- table month_files, of month_files
CREATE TABLE month_files (
  month INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (month, path)
) WITHOUT ROWID;

-- table month_gaps, of month_gaps
CREATE TABLE month_gaps (month INTEGER PRIMARY KEY, active_ms INTEGER NOT NULL, gaps BLOB NOT NULL);

-- table names, of names
CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL);

-- table outdated_days, of outdated_days
CREATE TABLE outdated_days (day INTEGER PRIMARY KEY);

-- table owners, of owners
CREATE TABLE owners (
  token TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_token TEXT, boot_id TEXT, pid_namespace TEXT,
  started_at INTEGER NOT NULL
) WITHOUT ROWID;

-- table passage_words, of passage_words
CREATE VIRTUAL TABLE passage_words USING fts5(
  text, parts, date, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2'
);

-- table passage_words_config, of passage_words_config
CREATE TABLE 'passage_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;

-- table passage_words_data, of passage_words_data
CREATE TABLE 'passage_words_data'(id INTEGER PRIMARY KEY, block BLOB);

-- table passage_words_docsize, of passage_words_docsize
CREATE TABLE 'passage_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);

-- table passage_words_idx, of passage_words_idx
CREATE TABLE 'passage_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

-- table passages, of passages
CREATE TABLE passages (
  id INTEGER PRIMARY KEY, turn INTEGER NOT NULL, at INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
  checksum INTEGER NOT NULL
);

-- trigger passages_removed, of passages
CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
  DELETE FROM vectors WHERE passage = old.id;
END;

-- table quarantine, of quarantine
CREATE TABLE quarantine (
  key INTEGER NOT NULL, source INTEGER NOT NULL, stream_key TEXT NOT NULL, at INTEGER NOT NULL, report TEXT NOT NULL,
  PRIMARY KEY (key, source)
) WITHOUT ROWID;

-- index quarantine_by_time, of quarantine
CREATE INDEX quarantine_by_time ON quarantine (at);

-- table refinements, of refinements
CREATE TABLE refinements (
  session_id TEXT NOT NULL, model TEXT NOT NULL, digest BLOB NOT NULL, asked_at INTEGER NOT NULL, input_tokens INTEGER,
  output_tokens INTEGER, found INTEGER NOT NULL, dropped INTEGER NOT NULL, PRIMARY KEY (session_id, model)
) WITHOUT ROWID;

-- table reports, of reports
CREATE TABLE reports (
  stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, key INTEGER NOT NULL, source INTEGER NOT NULL,
  took INTEGER, kind INTEGER NOT NULL, tool INTEGER, path INTEGER, branch INTEGER, ok INTEGER, detail TEXT, origin INTEGER, hidden INTEGER,
  PRIMARY KEY (stream, at, key, source)
) WITHOUT ROWID;

-- index reports_by_key, of reports
CREATE UNIQUE INDEX reports_by_key ON reports (key, source);

-- table runs, of runs
CREATE TABLE runs (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL,
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, PRIMARY KEY (stream, since)
) WITHOUT ROWID;

-- trigger runs_added, of runs
CREATE TRIGGER runs_added AFTER INSERT ON runs
WHEN EXISTS (SELECT 1 FROM turns WHERE stream = new.stream AND at >= new.since) BEGIN
  INSERT INTO unindexed VALUES (new.stream, new.since)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- index runs_by_session, of runs
CREATE INDEX runs_by_session ON runs (session);

-- trigger runs_removed, of runs
CREATE TRIGGER runs_removed AFTER DELETE ON runs
WHEN EXISTS (SELECT 1 FROM talks WHERE stream = old.stream AND since = old.since) BEGIN
  INSERT INTO unindexed VALUES (old.stream, old.since)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- table session_days, of session_days
CREATE TABLE session_days (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, day INTEGER NOT NULL,
  PRIMARY KEY (session, day)
) WITHOUT ROWID;

-- index session_days_by_day, of session_days
CREATE INDEX session_days_by_day ON session_days (day);

-- view session_files, of session_files
CREATE VIEW session_files AS
SELECT s.id AS session_id, n.text AS path, t.reads AS reads, t.edits AS edits,
       t.first_at AS first_at, t.last_at AS last_at
FROM touched t JOIN sessions s ON s.seq = t.session JOIN names n ON n.id = t.path;

-- view session_turns, of session_turns
CREATE VIEW session_turns AS
SELECT (SELECT s.id FROM runs u JOIN sessions s ON s.seq = u.session WHERE u.stream = t.stream AND u.since <= t.at
        ORDER BY u.since DESC LIMIT 1) AS session_id,
       t.at AS at, t.role AS role, t.text AS text, m.text AS model
FROM turns t LEFT JOIN names m ON m.id = t.model
WHERE NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source);

-- table sessions, of sessions
CREATE TABLE sessions (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL,
  started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT NOT NULL DEFAULT 'active',
  topics TEXT NOT NULL DEFAULT '[]', metadata TEXT NOT NULL DEFAULT '{}',
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  last_activity_at INTEGER NOT NULL, end_reason TEXT, title TEXT, continues TEXT,
  stream INTEGER, owner TEXT, client TEXT, client_version TEXT, branch TEXT, branch_at INTEGER,
  timeout_ms INTEGER NOT NULL,
  activities INTEGER NOT NULL DEFAULT 0, tool_calls INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
  active_ms INTEGER, agent_ms INTEGER, waiting_ms INTEGER, empty INTEGER NOT NULL DEFAULT 1,
  first_activity_at INTEGER NOT NULL, last_start_at INTEGER NOT NULL, block_start_at INTEGER NOT NULL,
  amended INTEGER NOT NULL DEFAULT 0, projected TEXT
, phase TEXT, digest BLOB, tied INTEGER NOT NULL DEFAULT 0, learned BLOB);

-- index sessions_active, of sessions
CREATE INDEX sessions_active ON sessions (owner, started_at) WHERE status = 'active';

-- index sessions_by_start, of sessions
CREATE INDEX sessions_by_start ON sessions (started_at);

-- index sessions_by_stream, of sessions
CREATE INDEX sessions_by_stream ON sessions (stream, first_activity_at);

-- index sessions_edited, of sessions
CREATE INDEX sessions_edited ON sessions (seq) WHERE projected IS NOT (started_at || ' ' || ifnull(ended_at, '-') || ' ' || status || ' ' || ifnull('=' || title, '-') || ' ' || topics);

-- index sessions_empty, of sessions
CREATE INDEX sessions_empty ON sessions (started_at) WHERE empty = 1;

-- index sessions_silent, of sessions
CREATE INDEX sessions_silent ON sessions (last_activity_at + timeout_ms) WHERE end_reason = 'idle';

-- index sessions_undigested, of sessions
CREATE INDEX sessions_undigested ON sessions (seq) WHERE digest IS NULL;

-- index sessions_unlearned, of sessions
CREATE INDEX sessions_unlearned ON sessions (seq)
  WHERE digest IS NOT NULL AND status <> 'active' AND learned IS NOT digest;

-- table sightings, of sightings
CREATE TABLE sightings (
  process TEXT NOT NULL, stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, until INTEGER,
  succeeds INTEGER, PRIMARY KEY (process, stream)
) WITHOUT ROWID;

-- index sightings_by_stream, of sightings
CREATE INDEX sightings_by_stream ON sightings (stream);

-- table sources, of sources
CREATE TABLE sources (
  path TEXT PRIMARY KEY, client TEXT NOT NULL, identity TEXT NOT NULL, size INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, position INTEGER NOT NULL, lines INTEGER NOT NULL,
  state TEXT NOT NULL, stores TEXT NOT NULL, conversations TEXT NOT NULL, read_at INTEGER NOT NULL
) WITHOUT ROWID;

-- index sqlite_autoindex_context_items_1, of context_items
;

-- index sqlite_autoindex_discoveries_1, of discoveries
;

-- index sqlite_autoindex_embedders_1, of embedders
;

-- index sqlite_autoindex_sessions_1, of sessions
;

-- index sqlite_autoindex_streams_1, of streams
;

-- index sqlite_autoindex_talks_1, of talks
;

-- table stream_spans, of stream_spans
CREATE TABLE stream_spans (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, conversation INTEGER REFERENCES streams(id),
  PRIMARY KEY (stream, since)
) WITHOUT ROWID;

-- index stream_spans_by_conversation, of stream_spans
CREATE INDEX stream_spans_by_conversation ON stream_spans (conversation);

-- table streams, of streams
CREATE TABLE streams (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL, owner TEXT,
  client TEXT, client_version TEXT, created_at INTEGER NOT NULL
, claim TEXT, folder TEXT, stale INTEGER);

-- index streams_stale, of streams
CREATE INDEX streams_stale ON streams (id) WHERE stale IS NOT NULL;

-- table successions, of successions
CREATE TABLE successions (
  id TEXT NOT NULL, superseded_by TEXT NOT NULL, decided_at INTEGER, PRIMARY KEY (id, superseded_by)
) WITHOUT ROWID;

-- table talks, of talks
CREATE TABLE talks (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, since INTEGER NOT NULL, length INTEGER NOT NULL,
  UNIQUE (stream, since)
);

-- table timeouts, of timeouts
CREATE TABLE timeouts (
  stream INTEGER NOT NULL REFERENCES streams(id), since INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, since)
) WITHOUT ROWID;

-- table touched, of touched
CREATE TABLE touched (
  session INTEGER NOT NULL REFERENCES sessions(seq) ON DELETE CASCADE, path INTEGER NOT NULL,
  reads INTEGER NOT NULL, edits INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (session, path)
) WITHOUT ROWID;

-- table turns, of turns
CREATE TABLE turns (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, key INTEGER NOT NULL,
  source INTEGER NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL, model INTEGER
);

-- trigger turns_added, of turns
CREATE TRIGGER turns_added AFTER INSERT ON turns BEGIN
  INSERT INTO unindexed SELECT stream, min(at) FROM turns WHERE key = new.key GROUP BY stream
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- index turns_by_key, of turns
CREATE UNIQUE INDEX turns_by_key ON turns (key, source);

-- index turns_by_stream, of turns
CREATE INDEX turns_by_stream ON turns (stream, at);

-- trigger turns_changed, of turns
CREATE TRIGGER turns_changed AFTER UPDATE OF stream, at, text ON turns BEGIN
  INSERT INTO unindexed VALUES (old.stream, min(old.at, new.at))
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
  INSERT INTO unindexed VALUES (new.stream, min(old.at, new.at))
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- trigger turns_hidden, of reports
CREATE TRIGGER turns_hidden AFTER UPDATE OF hidden ON reports WHEN old.hidden IS NOT new.hidden BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = new.key AND source = new.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- trigger turns_hidden_anew, of reports
CREATE TRIGGER turns_hidden_anew AFTER INSERT ON reports WHEN new.hidden IS NOT NULL BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = new.key AND source = new.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- trigger turns_removed, of turns
CREATE TRIGGER turns_removed AFTER DELETE ON turns BEGIN
  INSERT INTO unindexed VALUES (old.stream, old.at)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
  INSERT INTO unindexed SELECT stream, min(at) FROM turns WHERE key = old.key GROUP BY stream
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- trigger turns_shown, of reports
CREATE TRIGGER turns_shown AFTER DELETE ON reports WHEN old.hidden IS NOT NULL BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = old.key AND source = old.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;

-- table unindexed, of unindexed
CREATE TABLE unindexed (stream INTEGER PRIMARY KEY, since INTEGER NOT NULL);

-- table unvouched, of unvouched
CREATE TABLE unvouched (stream INTEGER PRIMARY KEY REFERENCES streams(id) ON DELETE CASCADE);

-- table usage, of usage
CREATE TABLE usage (
  key INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id), at INTEGER NOT NULL, model INTEGER,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL
);

-- index usage_by_stream, of usage
CREATE INDEX usage_by_stream ON usage (stream, at);

-- table vectors, of vectors
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, embedder INTEGER NOT NULL, vector BLOB NOT NULL);

-- index vectors_by_embedder, of vectors
CREATE INDEX vectors_by_embedder ON vectors (embedder);

-- table word_counts, of word_counts
CREATE VIRTUAL TABLE word_counts USING fts5vocab(passage_words, row);

-- table word_places, of word_places
CREATE VIRTUAL TABLE word_places USING fts5vocab(passage_words, instance);

-- table year_files, of year_files
CREATE TABLE year_files (
  year INTEGER NOT NULL, path INTEGER NOT NULL, sessions INTEGER NOT NULL, reads INTEGER NOT NULL,
  edits INTEGER NOT NULL, PRIMARY KEY (year, path)
) WITHOUT ROWID;
