"""What search needs in a store: the migrations that make it, never edited once released.

A talk is what one run of a stream has of text; the passages of talk T are numbered from T << 20 in order of time, so
that neighbours are found by number. `unindexed` says from which instant on a stream may have text that is not, or no
longer, as it is indexed. Triggers note that, since turns are written in many places.

The index is contentless, and the one thing in a store that is newer than SQLite 3.31: a program with SQLite before 3.43
cannot read it, but everything else, and no trigger touches it.
"""

from typing import Final

SEARCH: Final = """
CREATE TABLE unindexed (stream INTEGER PRIMARY KEY, since INTEGER NOT NULL);
CREATE TABLE talks (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, since INTEGER NOT NULL, length INTEGER NOT NULL,
  UNIQUE (stream, since)
);
CREATE TABLE passages (
  id INTEGER PRIMARY KEY, turn INTEGER NOT NULL, at INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE TABLE indexed (passages INTEGER NOT NULL, length INTEGER NOT NULL);
INSERT INTO indexed VALUES (0, 0);
CREATE VIRTUAL TABLE passage_words USING fts5(
  text, parts, date, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE word_counts USING fts5vocab(passage_words, row);
CREATE VIRTUAL TABLE word_places USING fts5vocab(passage_words, instance);

CREATE TRIGGER turns_added AFTER INSERT ON turns BEGIN
  INSERT INTO unindexed SELECT stream, min(at) FROM turns WHERE key = new.key GROUP BY stream
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER turns_changed AFTER UPDATE OF stream, at, text ON turns BEGIN
  INSERT INTO unindexed VALUES (old.stream, min(old.at, new.at))
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
  INSERT INTO unindexed VALUES (new.stream, min(old.at, new.at))
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER turns_removed AFTER DELETE ON turns BEGIN
  INSERT INTO unindexed VALUES (old.stream, old.at)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
  INSERT INTO unindexed SELECT stream, min(at) FROM turns WHERE key = old.key GROUP BY stream
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER turns_hidden AFTER UPDATE OF hidden ON reports WHEN old.hidden IS NOT new.hidden BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = new.key AND source = new.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER turns_hidden_anew AFTER INSERT ON reports WHEN new.hidden IS NOT NULL BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = new.key AND source = new.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER turns_shown AFTER DELETE ON reports WHEN old.hidden IS NOT NULL BEGIN
  INSERT INTO unindexed SELECT stream, at FROM turns WHERE key = old.key AND source = old.source
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER runs_added AFTER INSERT ON runs
WHEN EXISTS (SELECT 1 FROM turns WHERE stream = new.stream AND at >= new.since) BEGIN
  INSERT INTO unindexed VALUES (new.stream, new.since)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
CREATE TRIGGER runs_removed AFTER DELETE ON runs
WHEN EXISTS (SELECT 1 FROM talks WHERE stream = old.stream AND since = old.since) BEGIN
  INSERT INTO unindexed VALUES (old.stream, old.since)
  ON CONFLICT (stream) DO UPDATE SET since = min(since, excluded.since);
END;
INSERT INTO unindexed SELECT stream, min(at) FROM turns GROUP BY stream;
"""

# What a model made of passages; `embedders` says which. They go with their passage: see `store.vectors`.
VECTORS: Final = """
CREATE TABLE embedders (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, embedder INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX vectors_by_embedder ON vectors (embedder);
CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
  DELETE FROM vectors WHERE passage = old.id;
END;
"""
