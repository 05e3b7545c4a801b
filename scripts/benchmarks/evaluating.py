"""How good search is: conversations and questions with known answers, beside plain full text, in one run.

    python -m scripts.benchmarks search FOLDER

The format of the folder is in docs/search.md. Conversations are recorded by the store's own functions, each as one
session, and indexed as always; the questions are asked as `kioku search` asks them.
"""

import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from kioku import project as places
from kioku.embedding import opened
from kioku.embedding.helper import Helper
from kioku.models import ANSWER, PROMPT, TRANSCRIPT, Report, key_of
from kioku.redaction import redact
from kioku.reports.search import asking
from kioku.reports.search.meaning import Meant
from kioku.reports.search.search import search
from kioku.reports.search.wanted import SESSION, TURN, Query
from kioku.sessions import record, settling
from kioku.settings import NO_MODEL
from kioku.store import activities, indexing, turns, vectors
from kioku.store.opening import open_store
from kioku.store.store import Store
from kioku.times import DAY, MINUTE
from scripts.benchmarks.figures import Figure

FIRST: Final = 1_767_225_600_000  # 2026-01-01T00:00Z, for conversations without times
_ENDLESS: Final = 3_000 * DAY  # no silence divides a conversation here
_GROUPS: Final = "/evaluated/"
DEPTH: Final = 10
_LOADING_S: Final = 120.0


class Question(NamedTuple):
    """A question, the conversations and turns that answer it, and among which it is asked."""

    text: str
    conversations: frozenset[str]
    turns: frozenset[str]
    group: str | None


class Measures(NamedTuple):
    """Shares of questions: with an answer among the first 1, 5, 10; shares of the answers among the first 5, 10."""

    hit_1: float
    hit_5: float
    hit_10: float
    recall_5: float
    recall_10: float


def evaluate(folder: Path, work: Path, model: str = NO_MODEL) -> Iterator[Figure]:
    """Measure search on a folder of conversations and questions; plain full text is the bound.

    With a model, the same is measured once more with it. Raises EmbeddingError when it cannot be used.
    """
    conversations = list(_lines(folder / "conversations.jsonl"))
    questions = list(questions_of(folder))
    store, names, said = record_all(conversations, work)
    plain = Plain(conversations)
    wanted = [question.conversations for question in questions]
    try:
        found, found_turns = _ask(store, questions, names, said, None)
        with opened(model, threads=os.cpu_count() or 1) as helper:
            with_model = None if helper is None else _ask(store, questions, names, said, _embedded(store, helper))
    finally:
        store.close()
    ours, theirs = measures(found, wanted), measures([plain.ask(question) for question in questions], wanted)
    yield Figure(f"{folder.name}: questions", len(questions), f"of {len(conversations)} conversations")
    for name, value, bound in zip(Measures._fields, ours, theirs, strict=True):
        what = name.replace("_", "@")
        yield Figure(f"{folder.name}: {what}", 100 * value, "%", least=100 * bound, remark=f"plain {100 * bound:.1f}")
    wanted_turns = [question.turns for question in questions if question.turns]
    if wanted_turns:
        of_turns = measures(found_turns, wanted_turns)
        yield Figure(f"{folder.name}: turns, recall@10", 100 * of_turns.recall_10, "%")
    if with_model is None:
        return
    for name, value, alone in zip(Measures._fields, measures(with_model[0], wanted), ours, strict=True):
        what = f"{folder.name}: {name.replace('_', '@')}, with the model"
        yield Figure(what, 100 * value, "%", remark=f"without {100 * alone:.1f}")
    if wanted_turns:
        nearer = measures(with_model[1], wanted_turns)
        what = f"{folder.name}: turns, recall@10, with the model"
        yield Figure(what, 100 * nearer.recall_10, "%", remark=f"without {100 * of_turns.recall_10:.1f}")


def _ask(
    store: Store, questions: Sequence[Question], names: Mapping[str, str], said: Mapping[int, str],
    embed: Callable[[str], Meant] | None,
) -> tuple[list[list[str]], list[list[str]]]:  # fmt: skip
    """Return the conversations that were found for each question, and the turns for those that ask for some."""
    found, found_turns = [], []
    for question in questions:
        query = Query(
            text=question.text, kinds=(SESSION, TURN), limit=DEPTH,
            folder=None if question.group is None else _GROUPS + question.group,
        )  # fmt: skip
        meant = None if embed is None else embed(question.text)
        hits = store.read(lambda db, query=query, meant=meant: search(db, query, meant=meant))  # type: ignore[misc]
        found.append([names[hit.id] for hit in hits if hit.kind == SESSION and hit.id is not None and hit.id in names])
        if question.turns:
            found_turns.append([said[int(hit.id)] for hit in hits if hit.kind == TURN and hit.id is not None])
    return found, found_turns


def _embedded(store: Store, helper: Helper) -> Callable[[str], Meant]:
    """Make a vector of every passage; return what makes one of a question."""
    fingerprint = helper.load(within_s=_LOADING_S)
    vectors.catch_up(store, lambda texts: helper.vectors(texts, within_s=_LOADING_S), fingerprint, at_once=16)
    return lambda text: Meant(fingerprint, helper.vectors([text], within_s=_LOADING_S).vectors[0])


def measures(found: Sequence[Sequence[str]], wanted: Sequence[frozenset[str]]) -> Measures:
    """Return what shares of the wanted were found."""
    count = len(wanted) or 1

    def hit(depth: int) -> float:
        return sum(bool(gold & set(ids[:depth])) for ids, gold in zip(found, wanted, strict=True)) / count

    def recall(depth: int) -> float:
        return sum(len(gold & set(ids[:depth])) / len(gold) for ids, gold in zip(found, wanted, strict=True)) / count

    return Measures(hit(1), hit(5), hit(10), recall(5), recall(10))


class Plain:
    """Plain full text: a row for each conversation, every word of the question ORed, ranked by bm25."""

    def __init__(self, conversations: Sequence[dict[str, Any]]) -> None:
        self._db = apsw.Connection(":memory:")
        self._db.execute("CREATE VIRTUAL TABLE t USING fts5(id UNINDEXED, part UNINDEXED, text, tokenize = porter)")
        with self._db:
            for told in conversations:
                text = "\n".join(turn["text"] for turn in told["turns"])
                self._db.execute("INSERT INTO t VALUES (?, ?, ?)", (told["id"], told.get("group"), text))

    def ask(self, question: Question) -> list[str]:
        """Return the conversations that fit best."""
        words = "".join(c if c.isalnum() else " " for c in question.text).split()
        query = "SELECT id FROM t WHERE t MATCH ? AND part IS ? ORDER BY rank LIMIT ?"
        if question.group is None:
            query = (
                query.replace("part IS ?", "?2 IS NULL").replace("LIMIT ?", "LIMIT ?3").replace("MATCH ?", "MATCH ?1")
            )
        match = " OR ".join(f'"{word}"' for word in words) or '""'
        return [row[0] for row in self._db.execute(query, (match, question.group, DEPTH))]


def questions_of(folder: Path) -> Iterator[Question]:
    """Read the questions of a folder; those without an answer are left out."""
    for told in _lines(folder / "questions.jsonl"):
        conversations = frozenset(told["conversations"])
        if conversations and asking.words(told["question"]):
            turns_wanted = frozenset(told.get("turns", ()))
            yield Question(told["question"], conversations, turns_wanted, told.get("group"))


def record_all(conversations: Sequence[dict[str, Any]], work: Path) -> tuple[Store, dict[str, str], dict[int, str]]:
    """Record conversations in a new store; return it, which session is which of them, and which turn is which."""
    work.mkdir(parents=True, exist_ok=True)
    where = places.find(str(work), [], str(work))
    places.prepare(where)
    store = open_store(where.store_path)
    keys: dict[int, str] = {}
    for told in conversations:
        store.write(lambda db, told=told: _record(db, store.project_id, told, keys))  # type: ignore[misc]
    settling.settle(store)
    indexing.catch_up(store)
    streams = "SELECT x.key, s.id FROM streams x JOIN runs u ON u.stream = x.id JOIN sessions s ON s.seq = u.session"
    names = {id: str(key).partition(":")[2] for key, id in store.read(lambda db: list(db.execute(streams)))}
    rows = store.read(lambda db: list(db.execute("SELECT id, key FROM turns")))
    return store, names, {id: keys[key] for id, key in rows}


def _record(db: apsw.Connection, project_id: str, told: dict[str, Any], keys: dict[int, str]) -> None:
    first = _instant(told.get("at")) or FIRST
    stream = activities.stream(
        db, redact(f"claude:{told['id']}"), project_id=project_id, owner=None, timeout_ms=_ENDLESS, now=first
    )
    if told.get("group") is not None:
        activities.set_folder(db, stream, redact(_GROUPS + told["group"]))
    at, reports = first, []
    for number, turn in enumerate(told["turns"]):
        at = _instant(turn.get("at")) or at + MINUTE
        is_person = turn.get("role", "user") == "user"
        key = key_of("evaluated", told["id"], number)
        keys[key] = str(turn.get("id", f"{told['id']}:{number}"))
        reports.append(Report(key=key, source=TRANSCRIPT, at=at, kind=PROMPT if is_person else ANSWER))
        text = redact(turn["text"])
        role = "user" if is_person else "assistant"
        turns.add_turn(db, stream, turns.Turn(key=key, source=TRANSCRIPT, at=at, role=role, text=text))
    record.store(db, stream, reports, now=at)
    record.derive_stream(db, stream, now=at + _ENDLESS)


def _instant(text: str | None) -> int | None:
    return None if text is None else int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield json.loads(line)
