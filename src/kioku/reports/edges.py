"""Shares of a part of a UTC day: what the rules in `sessions.rollup` make of its sessions' digests, asked for in SQL.

A range of local days begins and ends within UTC days, so every report has two of these; they must cost little.
"""

from bisect import bisect_right
from typing import Final

import apsw

from kioku.store.names import Names
from kioku.summaries import BRANCH, CALL, CLIENT, COUNTED_AS, EDIT, FILE, NO_NAME, SLOT, TOOL, Share, Shares

# The digested sessions with activity that have anything in a day.
_SESSIONS: Final = """
session_days d JOIN sessions s ON s.seq = d.session AND s.digest IS NOT NULL AND s.empty = 0"""

_COUNTED: Final = f"""
SELECT c.kind, c.name, sum(c.number) FROM {_SESSIONS} JOIN counts c ON c.session = d.session
WHERE d.day = ?1 AND c.slot >= ?2 AND c.slot < ?3 GROUP BY c.kind, c.name"""
_BY_CLIENT: Final = f"""
SELECT s.client, c.kind, sum(c.number) FROM {_SESSIONS} JOIN counts c ON c.session = d.session
WHERE d.day = ?1 AND c.slot >= ?2 AND c.slot < ?3 AND c.kind <= {EDIT} GROUP BY s.client, c.kind"""
_HAD: Final = f"""
SELECT CASE c.kind WHEN {CALL} THEN {TOOL} ELSE {FILE} END AS sort, c.name, count(DISTINCT c.session)
FROM {_SESSIONS} JOIN counts c ON c.session = d.session AND c.kind <= {EDIT}
WHERE d.day = ?1 AND s.started_at >= ?2 AND s.started_at < ?3 GROUP BY sort, c.name"""
_TIMES: Final = f"""
SELECT s.seq, s.client, s.started_at, s.active_ms IS NOT NULL FROM {_SESSIONS} WHERE d.day = ?1"""
_BRANCHES: Final = f"""
SELECT b.session, b.since, b.branch FROM {_SESSIONS} JOIN branches b ON b.session = d.session
WHERE d.day = ?1 ORDER BY b.session, b.since"""
_ACTIVE: Final = f"""
SELECT c.session, c.since, c.until FROM {_SESSIONS} JOIN clocks c ON c.session = d.session AND c.clock = 1
WHERE d.day = ?1 AND c.since < ?3 AND c.until > ?2"""


def shares(db: apsw.Connection, day: int, since: int, until: int, names: Names) -> Shares:
    """Return what each client, branch, tool and file has of a part of a UTC day that begins and ends with slots."""
    found: Shares = {}

    def of(kind: int, name: str) -> Share:
        return found.setdefault((kind, name), Share())

    slots = (day, since // SLOT, until // SLOT)
    counted: list[tuple[int, int, int]] = list(db.execute(_COUNTED, slots))
    names.load(name for _, name, _ in counted)
    for kind, name, number in counted:
        if kind in COUNTED_AS:
            sort, column = COUNTED_AS[kind]
            share = of(sort, names[name])
            setattr(share, column, getattr(share, column) + number)
    for client, kind, number in db.execute(_BY_CLIENT, slots):
        share = of(CLIENT, client or NO_NAME)
        column = COUNTED_AS[kind][1]
        setattr(share, column, getattr(share, column) + number)
    for sort, name, sessions in db.execute(_HAD, (day, since, until)):
        of(sort, names[name]).sessions += sessions
    _add_time(db, day, since, until, names, found)
    return found


def _add_time(db: apsw.Connection, day: int, since: int, until: int, names: Names, found: Shares) -> None:
    """Add the active time of clients and branches, and how many sessions of theirs began."""
    branches: dict[int, list[tuple[int, str]]] = {}
    for seq, at, branch in db.execute(_BRANCHES, (day,)):
        branches.setdefault(seq, []).append((at, names[branch]))
    clients: dict[int, str] = {}
    for seq, client, started_at, is_timed in db.execute(_TIMES, (day,)):
        clients[seq] = client or NO_NAME
        begins = int(since <= started_at < until)
        found.setdefault((CLIENT, clients[seq]), Share()).add(Share(0 if is_timed else None, begins))
        if is_timed:
            for name in {name for _, name in branches.get(seq, [(0, NO_NAME)])}:
                found.setdefault((BRANCH, name), Share()).add(Share(0, begins))
    for seq, begin, end in db.execute(_ACTIVE, (day, since, until)):
        known = branches.get(seq, [(0, NO_NAME)])
        at, over = max(begin, since), min(end, until)
        found[CLIENT, clients[seq]].add(Share(max(0, over - at)))
        while at < over:
            index = max(0, bisect_right(known, at, key=lambda change: change[0]) - 1)
            change = min([over, *(since for since, _ in known[index + 1 : index + 2])])
            found.setdefault((BRANCH, known[index][1]), Share()).add(Share(change - at))
            at = change
