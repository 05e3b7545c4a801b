"""What hooks told against what transcripts know of the same conversations, read only."""

from collections.abc import Mapping

import apsw
import msgspec

from kioku.models import HOOK, TRANSCRIPT


class Heard(msgspec.Struct, frozen=True):
    """Tool calls in one client's conversations, while hooks listened: by hook, and by transcript."""

    hook: int
    transcript: int

    @property
    def missed(self) -> int:
        """Return how many calls the hooks did not tell of."""
        return max(0, self.transcript - self.hook)


def heard(db: apsw.Connection, since: int, connected: Mapping[str, int]) -> dict[str, Heard]:
    """Return, by client, the tool calls since an instant (ms) in conversations of which hooks told, or should have.

    Of the former those count that are between a hook's first event and its last. `connected` says for a client since
    when (ms) its hooks should tell: of a conversation that began later and of which they told nothing, all calls count.
    """
    rows = db.execute(
        """WITH listened AS (
             SELECT r.stream AS stream, s.key AS key, min(r.at) AS first, max(r.at) AS last
             FROM reports r JOIN streams s ON s.id = r.stream WHERE r.source = ?1 AND r.at >= ?3 GROUP BY r.stream
           )
           SELECT substr(l.key, 1, instr(l.key, ':') - 1), sum(r.source = ?1), sum(r.source = ?2)
           FROM listened l JOIN reports r ON r.stream = l.stream AND r.at BETWEEN l.first AND l.last
           WHERE r.tool IS NOT NULL
             AND EXISTS (SELECT 1 FROM reports t WHERE t.stream = l.stream AND t.source = ?2)
           GROUP BY 1""",
        (HOOK, TRANSCRIPT, since),
    )
    found = {str(client): Heard(int(hook or 0), int(transcript or 0)) for client, hook, transcript in rows}
    for client, begun in connected.items():
        known = found.get(client, Heard(0, 0))
        found[client] = Heard(known.hook, known.transcript + _unheard(db, client, max(since, begun)))
    return found


def _unheard(db: apsw.Connection, client: str, since: int) -> int:
    row = db.execute(
        """SELECT sum(calls) FROM (
             SELECT sum(r.source = ?2 AND r.tool IS NOT NULL) AS calls
             FROM reports r JOIN streams s ON s.id = r.stream WHERE substr(s.key, 1, length(?3)) = ?3
             GROUP BY r.stream HAVING min(r.at) >= ?4 AND max(r.source = ?1) = 0
           )""",
        (HOOK, TRANSCRIPT, f"{client}:", since),
    ).fetchone()
    return 0 if row is None else int(row[0] or 0)
