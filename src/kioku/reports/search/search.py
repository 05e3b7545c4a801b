"""Search: sessions, turns, discoveries and files that are about what a person asks, each kind by itself.

Only what is indexed is found: see `store.indexing`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import apsw
import msgspec

from kioku.reports import said as saying
from kioku.reports.search import asking, others, snippets
from kioku.reports.search.asking import Word
from kioku.reports.search.meaning import Meant
from kioku.reports.search.ranking import WHOLE, Passage, Ranked, normal, rank
from kioku.reports.search.wanted import DISCOVERY, FILE, SESSION, TURN, Hit, Query, Session, command
from kioku.words import counted

_TITLE: Final = 0.1  # what a title or a topic with all the words is worth beside the best passages
_MOST: Final = 1 + WHOLE + _TITLE  # the best score before it is made a part of 1
_NEAR: Final = "; near in meaning"


def search(
    db: apsw.Connection,
    wanted: Query,
    *,
    module_of: Callable[[str], str | None] | None = None,
    meant: Meant | None = None,
) -> list[Hit]:
    """Return what fits best, by kind and then the best first, at most `limit` of each kind. Any text is a query.

    `module_of` names the module of a path; it is needed where a module is asked for. `meant` is the vector of what is
    asked, where a model took part.
    """
    words = asking.words(wanted.text)
    if not words:
        return []
    sessions = _fitting(db, wanted, module_of) if wanted.is_filtered else None
    hits: list[Hit] = []
    if SESSION in wanted.kinds or TURN in wanted.kinds:
        ranked = rank(db, words, sessions, asking.names(wanted.text), meant)
        named: dict[int, str] = {}
        if SESSION in wanted.kinds:
            hits += _session_hits(db, words, ranked, sessions, wanted.limit, named)
        if TURN in wanted.kinds:
            hits += _turn_hits(db, words, ranked, wanted.limit, named)
    if DISCOVERY in wanted.kinds:
        hits += others.discoveries(db, words, wanted, None if sessions is None else _ids(db, sessions))
    if FILE in wanted.kinds:
        hits += others.files(db, words, wanted, sessions, module_of)
    return hits


def _session_hits(
    db: apsw.Connection, words: Sequence[Word], ranked: Ranked, sessions: Collection[int] | None, limit: int,
    named: dict[int, str],
) -> list[Hit]:  # fmt: skip
    titles = others.titles(db, words, sessions)
    best = ranked.best_of()
    parts = {
        seq: {
            "passages": (ranked.sums.get(seq, 0.0) - ranked.near.get(seq, 0.0)) / _MOST,
            **_near(ranked.near.get(seq, 0.0) / _MOST),
            "whole": WHOLE * ranked.wholes.get(seq, 0.0) / _MOST,
            "title": _TITLE * titles.get(seq, 0.0) / _MOST,
        }
        for seq in {*ranked.sums, *ranked.wholes, *titles}
    }
    first = sorted(parts, key=lambda seq: (-sum(parts[seq].values()), -seq))[:limit]
    told = _sessions(db, first)
    _name(db, told, named)
    said = snippets.of_passages(db, words, [best[seq][0] for seq in first if seq in best])
    untold = [seq for seq in first if seq in told and (seq not in best or best[seq][0].id not in said)]
    headings = dict(zip(untold, snippets.mark(words, [told[seq].heading for seq in untold]), strict=True))
    hits = []
    for seq in first:
        if seq not in told:
            continue
        snippet = headings[seq] if seq in headings else said[best[seq][0].id]
        count = len(best.get(seq, ()))
        why = _why(
            snippet.matched,
            f"{counted(count, 'passage')} of it fit{'s' if count == 1 else ''}" if count else "its title or topics",
        )
        why += _NEAR if parts[seq].get("meaning", 0.0) > 0 else ""
        hits.append(
            Hit(
                kind=SESSION, id=told[seq].id, session_id=told[seq].id, at=told[seq].started_at,
                title=named[seq], snippet=snippet.text, why=why, parts=parts[seq],
                score=sum(parts[seq].values()), opens=command("sessions", "show", told[seq].id),
            )
        )  # fmt: skip
    return hits


def _turn_hits(
    db: apsw.Connection, words: Sequence[Word], ranked: Ranked, limit: int, named: dict[int, str]
) -> list[Hit]:
    by_words = normal({passage.id: passage.by_words for passage in ranked.passages})
    top = max((passage.by_words for passage in ranked.passages), default=0.0) or 1.0
    wholes = ranked.wholes
    scored: list[tuple[float, Passage]] = sorted(
        ((by_words[passage.id] + WHOLE * wholes.get(passage.session, 0.0), passage) for passage in ranked.passages),
        key=lambda one: (-one[0], -one[1].at, one[1].id),
    )
    first: dict[int, tuple[float, Passage]] = {}
    for score, passage in scored:  # of a long turn, the best piece
        if len(first) >= limit:
            break
        first.setdefault(passage.turn, (score, passage))
    told = _sessions(db, {passage.session for _, passage in first.values()})
    _name(db, told, named)
    said = snippets.of_passages(db, words, [passage for _, passage in first.values()])
    hits = []
    for score, passage in first.values():
        if passage.id not in said or passage.session not in told:
            continue
        session, snippet = told[passage.session], said[passage.id]
        why = _why(snippet.matched, f"said by {saying.WHO.get(snippet.role, 'somebody')}")
        near = passage.near_words / top / (1 + WHOLE)
        parts = {"words": by_words[passage.id] / (1 + WHOLE) - near, **_near(near)}
        parts["session"] = score / (1 + WHOLE) - by_words[passage.id] / (1 + WHOLE)
        hits.append(
            Hit(
                kind=TURN, id=str(passage.turn), session_id=session.id, at=passage.at, snippet=snippet.text,
                title=named[session.seq], why=why + (_NEAR if near > 0 else ""), parts=parts,
                score=score / (1 + WHOLE),
                opens=command("sessions", "show", session.id, "--turn", str(passage.turn)),
            )
        )  # fmt: skip
    return hits


def _name(db: apsw.Connection, told: Mapping[int, Session], named: dict[int, str]) -> None:
    """Note what sessions are called: by their title, or by what the person asked first."""
    new = [seq for seq in told if seq not in named]
    asked = saying.asked_first(db, [seq for seq in new if not told[seq].title])
    named.update((seq, told[seq].title or asked.get(seq, "")) for seq in new)


def _why(matched: list[str], where: str) -> str:
    if not matched:
        return f"{where}; its words stand near by, in its date or within longer ones"
    return f"{where}; {', '.join(matched[:6])}"


def _near(share: float) -> dict[str, float]:
    return {"meaning": share} if share else {}


def _sessions(db: apsw.Connection, seqs: Collection[int]) -> dict[int, Session]:
    query = """SELECT seq, id, started_at, title, topics FROM sessions
               WHERE seq IN (SELECT value FROM json_each(?))"""
    rows = db.execute(query, (msgspec.json.encode(list(seqs)).decode(),))
    return {row[0]: Session(*row[:3], *(text if isinstance(text, str) else None for text in row[3:])) for row in rows}


def _ids(db: apsw.Connection, seqs: Collection[int]) -> set[str]:
    query = "SELECT id FROM sessions WHERE seq IN (SELECT value FROM json_each(?))"
    return {row[0] for row in db.execute(query, (msgspec.json.encode(list(seqs)).decode(),))}


_CONDITIONS: Final = {
    "since": "s.started_at >= :since",
    "until": "s.started_at < :until",
    "client": "s.client = :client",
    "branch": "s.branch = :branch",
    "folder": """EXISTS (SELECT 1 FROM runs u JOIN streams x ON x.id = u.stream WHERE u.session = s.seq
                 AND (x.folder = :folder OR substr(x.folder, 1, length(:folder) + 1) = :folder || '/'))""",
}


def _fitting(db: apsw.Connection, wanted: Query, module_of: Callable[[str], str | None] | None) -> set[int]:
    """Return the sessions, by row number, for which every filter holds."""
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    where = " AND ".join(_CONDITIONS[name] for name in given) or "1"
    found = {row[0] for row in db.execute(f"SELECT s.seq FROM sessions s WHERE {where}", given)}
    if wanted.module is None:
        return found
    query = "SELECT f.session, n.text FROM touched f JOIN names n ON n.id = f.path"
    known: dict[str, bool] = {}
    fitting = set()
    for seq, path in db.execute(query):
        if seq in found and seq not in fitting and isinstance(path, str):
            if path not in known:
                known[path] = module_of is not None and module_of(path) == wanted.module
            if known[path]:
                fitting.add(seq)
    return fitting
