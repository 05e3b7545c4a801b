"""What hooks told against what transcripts know of the same conversations, read only."""

import apsw
import msgspec

from kioku.models import HOOK, TRANSCRIPT


class Heard(msgspec.Struct, frozen=True):
    """Tool calls in one client's conversations, from a hook's first event to its last: by hook, and by transcript."""

    hook: int
    transcript: int

    @property
    def missed(self) -> int:
        """Return how many calls the hooks did not tell of."""
        return max(0, self.transcript - self.hook)


def heard(db: apsw.Connection, since: int) -> dict[str, Heard]:
    """Return, by client, the tool calls since an instant (ms) in conversations of which both sources told."""
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
    return {str(client): Heard(int(hook or 0), int(transcript or 0)) for client, hook, transcript in rows}
