"""Keeping what reports read: digests of settled sessions, and rollups by UTC day and month.

All of it can be made again from the reports and amendments. A session without a digest is not in the rollups as it is
now; the days that its old digest was part of are noted as outdated. Every function works inside the caller's
transaction; text is told by number.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import apsw

from kioku.redaction import Redacted
from kioku.store.names import Names, intern
from kioku.store.values import FARTHEST, text, whole
from kioku.summaries import (
    ACTIVE_CLOCK,
    AT,
    BRANCH,
    CLIENT,
    COLUMNS,
    FILE,
    NO_NAME,
    SLOTS,
    TOOL,
    Day,
    Digest,
    Part,
    Share,
    Shares,
    Stretch,
    Tally,
)

# --- digests ----------------------------------------------------------------------------------------------------------


def has_unsettled(db: apsw.Connection) -> bool:
    """Tell whether any session that is over has no digest, or any day is outdated."""
    query = """SELECT EXISTS (SELECT 1 FROM sessions INDEXED BY sessions_undigested
                              WHERE digest IS NULL AND status <> 'active')
               OR EXISTS (SELECT 1 FROM outdated_days)"""
    return bool(db.execute(query).fetchall()[0][0])


def checksum_of(db: apsw.Connection, seq: int) -> bytes | None:
    """Return the checksum of what a session's digest was made from, None if it has none."""
    row = db.execute("SELECT digest FROM sessions WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row is not None and isinstance(row[0], bytes) else None


def outdate(db: apsw.Connection, seq: int) -> None:
    """Note that a session is no longer what its digest says, or is about to be removed."""
    db.execute("INSERT OR IGNORE INTO outdated_days SELECT day FROM session_days WHERE session = ?", (seq,))
    db.execute(
        """UPDATE sessions SET digest = NULL WHERE seq = ?1 AND digest IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM archived WHERE session = ?1)""",
        (seq,),
    )


def is_outdated(db: apsw.Connection, seq: int) -> bool:
    """Tell whether any day of a session is outdated."""
    query = "SELECT 1 FROM session_days d JOIN outdated_days o ON o.day = d.day WHERE d.session = ? LIMIT 1"
    return db.execute(query, (seq,)).fetchone() is not None


def outdate_stream(db: apsw.Connection, stream: int) -> None:
    """Note so of every session of a stream."""
    for seq in [row[0] for row in db.execute("SELECT session FROM runs WHERE stream = ?", (stream,))]:
        outdate(db, seq)


def put_digest(db: apsw.Connection, part: Part, checksum: bytes) -> None:
    """Keep the digest of a session in the place of an older one."""
    seq = part.seq
    db.execute("INSERT OR IGNORE INTO outdated_days SELECT day FROM session_days WHERE session = ?", (seq,))
    for table in ("clocks", "counts", "branches", "session_days"):
        db.execute(f"DELETE FROM {table} WHERE session = ?", (seq,))
    db.executemany("INSERT INTO clocks VALUES (?, ?, ?, ?)", ((seq, *stretch) for stretch in part.digest.stretches))
    db.executemany(
        "INSERT INTO counts VALUES (?, ?, ?, ?, ?)",
        ((seq, t.slot, t.kind, _number(db, t.name), number) for t, number in part.digest.counts.items()),
    )
    db.executemany(
        "INSERT INTO branches VALUES (?, ?, ?)", ((seq, at, _number(db, name)) for at, name in part.digest.branches)
    )
    if not part.empty:
        db.executemany("INSERT INTO session_days VALUES (?, ?)", ((seq, day) for day in part.days))
        db.executemany("INSERT OR IGNORE INTO outdated_days VALUES (?)", ((day,) for day in part.days))
    db.execute("UPDATE sessions SET digest = ? WHERE seq = ?", (checksum, seq))


def _number(db: apsw.Connection, name: str) -> int:
    """Return the number of a name; it was redacted when it was first stored. No name has the number 0."""
    return intern(db, Redacted(name)) or 0 if name else 0


def part_facts(db: apsw.Connection, seq: int) -> dict[str, Any] | None:
    """Return what a `Part` says of a session beside its digest."""
    row = db.execute(
        """SELECT s.started_at, s.first_activity_at, s.last_start_at, s.last_activity_at, s.client, s.empty,
                  s.active_ms, s.agent_ms,
                  CASE WHEN a.session IS NULL THEN s.first_activity_at - (
                    SELECT max(until) FROM (
                      SELECT * FROM (SELECT ifnull(m.last_activity_at, c.last_activity_at) AS until
                        FROM runs u JOIN sessions c ON c.seq = u.session
                        LEFT JOIN merged_sessions m ON m.stream = u.stream AND m.first_activity_at = u.since
                        WHERE u.stream = s.stream AND u.since < s.first_activity_at AND c.empty = 0
                        ORDER BY u.since DESC LIMIT 1)
                      UNION ALL
                      SELECT * FROM (SELECT r.until FROM archived_runs r JOIN sessions c ON c.seq = r.session
                        WHERE r.stream = s.stream AND r.since < s.first_activity_at AND c.empty = 0
                        ORDER BY r.since DESC LIMIT 1)))
                  ELSE a.gap_before END
           FROM sessions s LEFT JOIN archived a ON a.session = s.seq WHERE s.seq = ?""",
        (seq,),
    ).fetchone()
    if row is None:
        return None
    numbers = dict(zip(("started_at", "first_at", "last_start_at", "until"), map(whole, row), strict=False))
    # What is no instant is taken from one that is, so that no session reaches back to 1970 for a person's slip.
    known = next((n for n in (numbers["first_at"], numbers["started_at"], numbers["until"]) if n is not None), 0)
    instants = {name: known if number is None else number for name, number in numbers.items()}
    return {
        "seq": seq, **instants, "client": text(row[4]),
        "empty": bool(row[5]), "active_ms": whole(row[6]), "agent_ms": whole(row[7]), "gap_before": whole(row[8]),
    }  # fmt: skip


def digest_of(db: apsw.Connection, seq: int, names: Names) -> Digest:
    """Return a session's digest as it is kept."""
    stretches = db.execute("SELECT clock, since, until FROM clocks WHERE session = ? ORDER BY clock, since", (seq,))
    counts = db.execute("SELECT slot, kind, name, number FROM counts WHERE session = ? ORDER BY slot, kind", (seq,))
    branches = db.execute("SELECT since, branch FROM branches WHERE session = ? ORDER BY since", (seq,))
    return Digest(
        [Stretch(*row) for row in stretches],
        {Tally(slot, kind, names[name]): number for slot, kind, name, number in counts},
        [(at, names[branch]) for at, branch in branches],
    )


def undigested_within(db: apsw.Connection, since: int, until: int) -> list[int]:
    """Return the sessions without a digest that have anything in a stretch of time, stream by stream."""
    query = """SELECT seq FROM sessions INDEXED BY sessions_undigested
               WHERE digest IS NULL AND started_at < ? AND last_activity_at >= ? ORDER BY stream, seq"""
    return [row[0] for row in db.execute(query, (until, since))]


def parts_of_day(db: apsw.Connection, day: int, names: Names) -> Iterator[Part]:
    """Return the digested sessions that have anything in a UTC day."""
    found = db.execute(
        """SELECT s.seq FROM session_days d JOIN sessions s ON s.seq = d.session
           WHERE d.day = ? AND s.digest IS NOT NULL ORDER BY s.seq""",
        (day,),
    )
    for seq in [row[0] for row in found]:
        facts = part_facts(db, seq)
        if facts is not None:
            yield Part(**facts, digest=digest_of(db, seq, names))


def active_in(db: apsw.Connection, day: int) -> list[Stretch]:
    """Return the active stretches of the digested sessions that have anything in a UTC day."""
    query = """SELECT c.clock, c.since, c.until FROM session_days d
               JOIN sessions s ON s.seq = d.session AND s.digest IS NOT NULL AND s.empty = 0
               JOIN clocks c ON c.session = d.session AND c.clock = ? WHERE d.day = ?"""
    return [Stretch(*row) for row in db.execute(query, (ACTIVE_CLOCK, day))]


def clear(db: apsw.Connection) -> None:
    """Forget every digest and rollup: all of them are made again, but for the digests of archived sessions."""
    db.execute("UPDATE sessions SET digest = NULL WHERE seq NOT IN (SELECT session FROM archived)")
    for table in ("clocks", "counts", "branches", "session_days"):
        db.execute(f"DELETE FROM {table} WHERE session NOT IN (SELECT session FROM archived)")
    for table in ("outdated_days", "days", "day_shares", "day_files", "month_gaps", "month_files", "year_files"):
        db.execute(f"DELETE FROM {table}")
    db.execute("INSERT OR IGNORE INTO outdated_days SELECT day FROM session_days")


# --- rollups ----------------------------------------------------------------------------------------------------------


def outdated(db: apsw.Connection) -> list[int]:
    """Return the UTC days whose rollup is outdated."""
    return [row[0] for row in db.execute("SELECT day FROM outdated_days ORDER BY day")]


def put_day(db: apsw.Connection, day: Day, shares: Shares) -> None:
    """Keep the rollup of a UTC day; months and years are `put_gaps`'s and `put_files`'s."""
    number = day.day
    for table in ("days", "day_shares", "day_files", "outdated_days"):
        db.execute(f"DELETE FROM {table} WHERE day = ?", (number,))
    if not any(day.slots) and not shares:
        return
    packed = [_pack(numbers) for numbers in (day.slots, day.lengths, day.gaps)]
    db.execute("INSERT INTO days VALUES (?, ?, ?, ?)", (number, *packed))
    for (kind, name), share in sorted(shares.items()):
        told = _number(db, name)
        if kind == FILE:
            file = (number, told, share.sessions, share.reads, share.edits)
            db.execute("INSERT INTO day_files VALUES (?, ?, ?, ?, ?)", file)
        else:
            row = (kind, number, told, share.active_ms, share.sessions, share.calls, share.reads, share.edits)
            db.execute("INSERT INTO day_shares VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def put_gaps(db: apsw.Connection, month: int, first: int, last: int) -> None:
    """Keep what a month's UTC days, from the first to the last, have of active time and of gaps."""
    db.execute("DELETE FROM month_gaps WHERE month = ?", (month,))
    active_ms, gaps = 0, array("Q")
    for day in days(db, first, last):
        active_ms += sum(day.slots[AT["active"] : AT["active"] + SLOTS])
        gaps.extend(day.gaps[1::2].tolist())
    if active_ms or gaps:
        row = (month, active_ms, _pack(array("Q", sorted(gaps))))
        db.execute("INSERT INTO month_gaps VALUES (?, ?, ?)", row)


def gaps(db: apsw.Connection) -> Iterator[tuple[int, int, "array[int]"]]:
    """Return the months in which anybody was active: each with its active time and its gaps, in ms, in order."""
    for month, active_ms, packed in db.execute("SELECT month, active_ms, gaps FROM month_gaps ORDER BY month"):
        yield month, whole(active_ms) or 0, _numbers(packed)


def put_files(db: apsw.Connection, unit: str, number: int, of: str, first: int, last: int) -> None:
    """Add up the files of a month out of its UTC `day`s, or of a year out of its `month`s."""
    db.execute(f"DELETE FROM {unit}_files WHERE {unit} = ?", (number,))
    db.execute(
        f"""INSERT INTO {unit}_files SELECT ?, path, sum(sessions), sum(reads), sum(edits) FROM {of}_files
            WHERE {of} BETWEEN ? AND ? GROUP BY path""",
        (number, first, last),
    )


def days(db: apsw.Connection, first: int, last: int) -> Iterator[Day]:
    """Return the rollups of the UTC days from the first to the last, of those that have one."""
    query = "SELECT day, slots, lengths, gaps FROM days WHERE day BETWEEN ? AND ? ORDER BY day"
    for number, packed, lengths, gaps in db.execute(query, (first, last)):
        slots = _numbers(packed)
        if len(slots) != SLOTS * len(COLUMNS):
            slots = array("Q", bytes(8 * SLOTS * len(COLUMNS)))
        yield Day(day=number, slots=slots, lengths=_pairs(lengths), gaps=_pairs(gaps))


def shares(db: apsw.Connection, first: int, last: int, without: Iterable[int], names: Names) -> Shares:
    """Add up the shares of clients, branches and tools over the UTC days from the first to the last."""
    found: Shares = {}
    for kind in (CLIENT, BRANCH, TOOL):
        # A sum for all days, less those few that are left out, spares a condition on each row.
        for sign, chosen in ((1, [(first, last)]), (-1, [(day, day) for day in without if first <= day <= last])):
            for since, until in chosen:
                for name, ms, sessions, calls, reads, edits in db.execute(
                    """SELECT name, sum(active_ms), sum(sessions), sum(calls), sum(reads), sum(edits) FROM day_shares
                       WHERE kind = ? AND day BETWEEN ? AND ? GROUP BY name""",
                    (kind, since, until),
                ):
                    part = Share(
                        None if ms is None else sign * ms, sign * sessions, sign * calls, sign * reads, sign * edits
                    )
                    found.setdefault((kind, names[name]), Share()).add(part)
    return found


def files(db: apsw.Connection, spans: Sequence[tuple[str, int, int, int]], without: Iterable[int]) -> Shares:
    """Add up the files of several spans of time, (`year`, `month` or `day`, first, last, sign), less some UTC days."""
    terms = [f"SELECT path, {_NEGATIVE} FROM day_files WHERE day IN (SELECT value FROM json_each(?))"]
    for unit, _, _, sign in spans:
        columns = "sessions, reads, edits" if sign > 0 else _NEGATIVE
        terms.append(f"SELECT path, {columns} FROM {unit}_files WHERE {unit} BETWEEN ? AND ?")
    query = f"""SELECT n.text, f.sessions, f.reads, f.edits FROM (
                  SELECT path, sum(sessions) AS sessions, sum(reads) AS reads, sum(edits) AS edits
                  FROM ({" UNION ALL ".join(terms)}) GROUP BY path) f LEFT JOIN names n ON n.id = f.path
                WHERE f.sessions <> 0 OR f.reads <> 0 OR f.edits <> 0"""
    borders = [border for _, first, last, _ in spans for border in (first, last)]
    return {
        (FILE, text(name) or NO_NAME): Share(None, sessions, 0, reads, edits)
        for name, sessions, reads, edits in db.execute(query, (str(list(without)), *borders))
    }


_NEGATIVE: Final = "-sessions AS sessions, -reads AS reads, -edits AS edits"


def weighted_files(
    db: apsw.Connection, weights: Mapping[int, float], read: int, edit: int, names: Names
) -> dict[str, float]:
    """Add up the readings and edits of each file, weighted by kind and by UTC day."""
    if not weights:
        return {}
    first = min(weights)
    factors = [weights.get(day, 0.0) for day in range(first, max(weights) + 1)]
    sums: dict[int, float] = {}
    query = """SELECT day, path, ?1 * reads + ?2 * edits AS weighs FROM day_files
               WHERE day BETWEEN ?3 AND ?4 AND weighs BETWEEN 0 AND ?5"""
    for day, path, weighs in db.execute(query, (read, edit, first, max(weights), FARTHEST)):
        if touches := weighs * factors[day - first]:
            sums[path] = sums.get(path, 0.0) + touches
    names.load(sums)
    return {names[path]: total for path, total in sums.items()}


def _pack(numbers: "array[int]") -> bytes:
    """Write numbers in 4 bytes each, or in 8 where one needs them."""
    if not numbers:
        return b""
    packed = array("I" if max(numbers) < 1 << 32 else "Q", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return bytes([packed.itemsize]) + packed.tobytes()


def _numbers(packed: object) -> "array[int]":
    """Read what `_pack` wrote; of what is no longer ours, nothing."""
    if not isinstance(packed, bytes) or not packed:
        return array("Q")
    found: array[int] = array("Q" if packed[0] == 8 else "I")
    try:
        found.frombytes(packed[1:])
    except ValueError:
        return array("Q")
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _pairs(packed: object) -> "array[int]":
    found = _numbers(packed)
    return found if len(found) % 2 == 0 else array("Q")
