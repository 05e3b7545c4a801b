"""Finding discoveries, files and titles: there are few of them beside turns, so they are looked through as they are."""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from kioku.reports.search import postings, snippets
from kioku.reports.search.asking import Word
from kioku.reports.search.wanted import DISCOVERY, END, FILE, START, Hit, Query, command
from kioku.store.discoveries import evidence_in
from kioku.words import counted

_MOST: Final = 2_000  # discoveries, and paths, that are weighed
_SHORT: Final = 3  # letters of a word that may be the beginning of another
_LATER: Final = {"proposed": 0.9, "superseded": 0.7, "rejected": 0.5}  # what a state is worth beside "accepted"


class Match(NamedTuple):
    """A discovery with some of the words, as it is stored."""

    id: str
    type: str
    content: str
    module: str | None
    state: str
    session: str | None
    at: int
    evidence: object

    @property
    def said(self) -> list[tuple[str | None, int]]:
        """Return in which sessions it was said, and when."""
        found = [(part.session or self.session, part.at) for part in evidence_in(self.evidence) if part.at is not None]
        return found or [(self.session, self.at)]


def discoveries(db: apsw.Connection, words: Sequence[Word], wanted: Query, ids: Collection[str] | None) -> list[Hit]:
    """Return the discoveries that have the most of the words, in every state; with `ids`, said in these sessions only.

    The date of one is when it was said: it may have been found long after, when the conversation was imported.
    """
    stems = _stems(db, words)
    sought, values = _any_of("content || ' ' || ifnull(module, '')", stems)
    if wanted.module is not None:
        sought = f"({sought}) AND module = ?"
        values.append(wanted.module)
    rows = db.execute(
        f"""SELECT id, type, content, module, state, session_id, created_at, evidence FROM discoveries
            WHERE typeof(content) = 'text' AND typeof(id) = 'text' AND typeof(created_at) = 'integer' AND ({sought})
            ORDER BY created_at DESC""",
        values,
    )
    needs_session = wanted.client is not None or wanted.branch is not None or wanted.folder is not None
    scored = []
    for match in map(Match._make, rows):
        fitting = [
            at
            for session, at in match.said
            if (wanted.since is None or at >= wanted.since)
            and (wanted.until is None or at < wanted.until)
            and not (needs_session and (ids is None or session not in ids))
        ]
        if fitting:
            share = _share(stems, f"{match.content} {match.module or ''}")
            scored.append((share * _LATER.get(match.state, 1.0), share, max(fitting), match))
        if len(scored) >= _MOST:
            break
    scored.sort(key=lambda one: (-one[0], -one[2], one[3].id))
    best = [one for one in scored[: wanted.limit] if one[1] >= _least(len(stems))]
    told = snippets.mark(words, [match.content for *_, match in best])
    return [
        Hit(
            kind=DISCOVERY, id=match.id, session_id=match.session, at=at, title=f"{match.type}, {match.state}",
            state=match.state, snippet=snippet.text, score=score, parts={"words": share, "state": score - share},
            why=_why(snippet.matched) + (f"; module {match.module}" if match.module else ""),
            opens=command("discoveries", "show", match.id),
        )
        for (score, share, at, match), snippet in zip(best, told, strict=True)
    ]  # fmt: skip


def files(
    db: apsw.Connection, words: Sequence[Word], wanted: Query, seqs: Collection[int] | None,
    module_of: Callable[[str], str | None] | None,
) -> list[Hit]:  # fmt: skip
    """Return the paths that have the most of the words, of files that sessions touched; of these sessions only."""
    sought = [word.text.casefold() for word in words]
    conditions, values = _any_of("text", sought)
    shares = {}
    for number, path in db.execute(f"SELECT id, text FROM names WHERE {conditions} LIMIT 50000", values):
        if isinstance(path, str):
            shares[number] = (_path_share(sought, path, wanted.text), path)
    kept = {number: told for number, told in shares.items() if told[0] >= _least(len(sought))}
    best = dict(sorted(kept.items(), key=lambda one: (-one[1][0], len(one[1][1])))[:_MOST])
    if not best:
        return []
    query = """SELECT f.path, f.session, s.id, f.reads, f.edits, f.last_at
               FROM touched f JOIN sessions s ON s.seq = f.session
               WHERE f.path IN (SELECT value FROM json_each(?)) ORDER BY f.last_at"""
    last: dict[int, tuple[Any, ...]] = {}
    totals: dict[int, list[int]] = {}
    for path, seq, id, reads, edits, at in db.execute(query, (msgspec.json.encode(list(best)).decode(),)):
        if seqs is not None and seq not in seqs:
            continue
        last[path] = (id, at)
        sums = totals.setdefault(path, [0, 0, 0])
        for place, number in enumerate((1, reads, edits)):
            sums[place] += number
    found = []
    for number in sorted(last, key=lambda number: (-best[number][0], -totals[number][2], -last[number][1])):
        share, path = best[number]
        if wanted.module is not None and (module_of is None or module_of(path) != wanted.module):
            continue
        (id, at), (sessions, reads, edits) = last[number], totals[number]
        why = f"its path; {counted(reads, 'read')} and {counted(edits, 'edit')} in {counted(sessions, 'session')}"
        found.append(
            Hit(
                kind=FILE, title=path, path=path, session_id=id, at=at, snippet=_marked_path(path, sought), why=why,
                parts={"path": share}, score=share, opens=path,
            )
        )  # fmt: skip
        if len(found) >= wanted.limit:
            break
    return found


def titles(db: apsw.Connection, words: Sequence[Word], seqs: Collection[int] | None) -> dict[int, float]:
    """Return of which sessions the title or topics have most of the words: the share of them that is there."""
    stems = _stems(db, words)
    if not stems:
        return {}
    text = "ifnull(title, '') || ' ' || topics"
    forms = [_forms(stem) for stem in stems]
    count = " + ".join(f"({' OR '.join(['instr(told, ?) > 0'] * len(same))})" for same in forms)
    query = f"""WITH t AS MATERIALIZED (SELECT seq, lower({text}) AS told FROM sessions
                WHERE empty = 0 AND (title IS NOT NULL OR topics <> '[]'))
                SELECT seq, told FROM t WHERE {count} >= ? ORDER BY seq DESC LIMIT ?"""
    found = {}
    for seq, told in db.execute(
        query, (*(form for same in forms for form in same), _least(len(stems)) * len(stems), _MOST)
    ):
        if (seqs is None or seq in seqs) and isinstance(told, str):
            share = _share(stems, told)
            if share >= _least(len(stems)):
                found[seq] = share
    return found


def _stems(db: apsw.Connection, words: Sequence[Word]) -> list[str]:
    """Return of each word what all its forms begin with."""
    found = []
    for word in words:
        told = postings.tokens(db, word.text)
        plain = word.text.casefold()
        stem = _beginning(plain, told[0]) if len(told) == 1 else plain
        found.append(stem if len(stem) > 1 else plain)
    return found


def _beginning(word: str, stem: str) -> str:
    """Return what both begin with: a stem may end otherwise, `histori` for `history`, and has no accents."""
    same = 0
    for mine, its in zip(map(_bare, word), stem, strict=False):
        if mine != its:
            break
        same += 1
    return word[:same]


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


def _any_of(text: str, sought: Sequence[str]) -> tuple[str, list[Any]]:
    """Return an SQL condition, that a text has any of some words, and its values."""
    values = [form for word in sought for form in _forms(word)]
    return " OR ".join([f"instr(lower({text}), ?)"] * len(values)) or "0", values


def _forms(word: str) -> list[str]:
    """Return a word as a text may have it of which SQLite has made ASCII's letters small, and no others."""
    large = "".join(letter if letter.isascii() else letter.upper() for letter in word)
    return list(dict.fromkeys([word, large[:1] + word[1:], large]))


def _share(sought: Sequence[str], text: str) -> float:
    """Return which part of the words a text has, each at the beginning of a word of its, or half if within one.

    One or two letters are a word only by themselves: every text has words that begin with a given letter.
    """
    plain = text.casefold()
    found = 0.0
    for word in sought:
        if len(word) < _SHORT and word.isascii():
            found += re.search(rf"(?<![a-z0-9]){word}(?![a-z0-9])", plain) is not None
            continue
        at = plain.find(word)
        while at > 0 and plain[at - 1].isalnum() and plain[at - 1].isascii():
            at = plain.find(word, at + 1)
        found += 1.0 if at >= 0 else 0.5 if word in plain else 0.0
    return found / len(sought)


def _path_share(sought: Sequence[str], path: str, text: str) -> float:
    """Return how well a path fits: the words that it has, most where all of it or its last part is what was typed."""
    typed = text.strip().casefold().replace("\\", "/")
    plain = path.casefold().replace("\\", "/")
    share = _share(sought, plain)
    if plain == typed or plain.endswith("/" + typed):
        return 1.0
    return share * (0.9 if typed and typed in plain else 0.8)


def _least(count: int) -> float:
    """Return which share of so many words must be there."""
    return 0.5 if count > 2 else 0.4


def _marked_path(path: str, sought: Sequence[str]) -> str:
    plain = path.replace(START, " ").replace(END, " ")
    low = plain.lower()
    if len(low) != len(plain):
        return plain
    marks = [False] * len(plain)
    for word in sought:
        at = low.find(word)
        while at >= 0 and word:
            marks[at : at + len(word)] = [True] * len(word)
            at = low.find(word, at + len(word))
    found, inside = [], False
    for character, is_marked in zip(plain, marks, strict=True):
        if is_marked != inside:
            found.append(START if is_marked else END)
            inside = is_marked
        found.append(character)
    return "".join(found) + (END if inside else "")


def _why(matched: Sequence[str]) -> str:
    return f"says {', '.join(matched[:6])}" if matched else "words like these"
