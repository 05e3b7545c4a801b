"""Exports of the tests' stores, and everything that must be the same in two stores."""

from pathlib import Path
from typing import Any

import apsw

from kioku.capture.restoring import Outcome, Restorer
from kioku.reports.export import lines
from kioku.reports.export.chosen import Chosen
from kioku.sessions import settling
from kioku.store import portable
from tests.sessions.stage import Stage, unknown

_NAMES = "LEFT JOIN names {0} ON {0}.id = r.{1}"
TABLES = {
    "streams": "SELECT key, owner, client, client_version, created_at, claim, folder, stale FROM streams",
    "timeouts": "SELECT s.key, since, timeout_ms FROM timeouts t JOIN streams s ON s.id = t.stream",
    "reports": f"""SELECT s.key, at, r.key, source, took, k.text, t.text, p.text, b.text, ok, detail, o.key, hidden
                   FROM reports r JOIN streams s ON s.id = r.stream LEFT JOIN streams o ON o.id = r.origin
                   {_NAMES.format("k", "kind")} {_NAMES.format("t", "tool")} {_NAMES.format("p", "path")}
                   {_NAMES.format("b", "branch")}""",
    "turns": f"""SELECT s.key, at, r.key, source, role, r.text, m.text FROM turns r
                 JOIN streams s ON s.id = r.stream {_NAMES.format("m", "model")}""",
    "usage": f"""SELECT s.key, at, r.key, input, output, cache_read, cache_write, m.text FROM usage r
                 JOIN streams s ON s.id = r.stream {_NAMES.format("m", "model")}""",
    "anchors": "SELECT a.id, s.key, a.key, a.created_at FROM anchors a LEFT JOIN streams s ON s.id = a.stream",
    "amendments": "SELECT made_at, kind, session_id, data FROM amendments ORDER BY id",
    "quarantine": "SELECT key, source, stream_key, at, report FROM quarantine",
    "sightings": "SELECT process, s.key, since, until, succeeds FROM sightings g JOIN streams s ON s.id = g.stream",
    "stream_spans": """SELECT s.key, since, c.key FROM stream_spans p JOIN streams s ON s.id = p.stream
                       LEFT JOIN streams c ON c.id = p.conversation""",
    "archived": "SELECT s.id, a.gap_before FROM archived a JOIN sessions s ON s.seq = a.session",
    "archived_runs": """SELECT x.key, r.since, r.until, s.id, r.told FROM archived_runs r
                        JOIN streams x ON x.id = r.stream JOIN sessions s ON s.seq = r.session""",
    "folded": "SELECT f.key, s.id FROM folded f LEFT JOIN sessions s ON s.seq = f.session",
    "clocks": "SELECT s.id, c.clock, c.since, c.until FROM clocks c JOIN sessions s ON s.seq = c.session",
    "counts": f"""SELECT s.id, r.slot, r.kind, n.text, r.number FROM counts r JOIN sessions s ON s.seq = r.session
                  {_NAMES.format("n", "name")}""",
    "branches": f"""SELECT s.id, r.since, n.text FROM branches r JOIN sessions s ON s.seq = r.session
                    {_NAMES.format("n", "branch")}""",
    "session_days": "SELECT s.id, d.day FROM session_days d JOIN sessions s ON s.seq = d.session",
    "days": "SELECT day, hex(slots), hex(lengths), hex(gaps) FROM days",
    "merged_sessions": """SELECT m.id, into_id, x.key, started_at, ended_at, status, active_ms, merged_at
                          FROM merged_sessions m JOIN streams x ON x.id = m.stream""",
    "merge_groups": "SELECT id, held, merged_at FROM merge_groups",
    "discoveries": "SELECT * FROM discoveries",
    "successions": "SELECT * FROM successions",
    "unvouched": "SELECT s.key FROM unvouched x JOIN streams s ON s.id = x.stream",
    "refinements": """SELECT session_id, model, hex(digest), asked_at, input_tokens, output_tokens, found, dropped
                      FROM refinements""",
    "context_items": "SELECT * FROM context_items",
}  # fmt: skip


def state(stage: Stage) -> dict[str, list[Any]]:
    """Return all that is true in a store and all that follows, once it is settled, with streams and names by text."""
    settling.settle(stage.store)

    def work(db: apsw.Connection) -> dict[str, list[Any]]:
        found = {name: list(db.execute(query)) for name, query in TABLES.items()}
        return {name: rows if name == "amendments" else sorted(rows, key=repr) for name, rows in found.items()}

    found = stage.store.read(work)
    keys = stage.store.read(lambda db: dict(db.execute("SELECT id, key FROM streams")))
    # The project's id is the store's that a session is in.
    found["sessions"] = [{**row, "stream": keys.get(row["stream"]), "project_id": None} for row in stage.whole_rows()]
    files = {id: row[-1] for id, row in stage.projection().items()}
    found["files"] = sorted(files.items())
    return found


def export(stage: Stage, path: Path, now: int, chosen: Chosen | None = None) -> list[bytes]:
    """Write an export of a store; return its lines."""
    head = portable.Head(
        format=portable.FORMAT, version=portable.VERSION, exported_at=now, kioku="0",
        project=portable.Project(id=stage.store.project_id, name="project"),
        part=None if chosen is None else portable.Part(ids=list(chosen.ids or ())),
    )  # fmt: skip
    found = stage.store.read(lambda db: list(lines.lines(db, head, chosen, now=now, judge=unknown)))
    path.write_bytes(b"".join(found))
    return found


def restore(stage: Stage, path: Path, now: int, *, trusted: bool = True) -> Outcome:
    """Read an export into a store, by default one of the person's own, and sweep it as every command does."""
    outcome = Restorer(stage.store, "project", trusted=trusted, now=lambda: now).take(str(path))
    stage.sweep(now)
    return outcome
