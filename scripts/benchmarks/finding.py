"""What search costs with 100,000 passages, how large its index is, what it costs to record, and how good it is."""

import gc
import resource
import tempfile
import time
from bisect import bisect
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any, Final

from kioku.models import PROMPT, TRANSCRIPT, Report, key_of
from kioku.redaction import redact
from kioku.reports.search.asking import words
from kioku.reports.search.meaning import Meant
from kioku.reports.search.search import search
from kioku.reports.search.wanted import DISCOVERY, FILE, SESSION, TURN, Query
from kioku.sessions import record
from kioku.settings import NO_MODEL
from kioku.store import activities, indexing, turns, vectors
from kioku.store.store import Store
from kioku.times import MINUTE
from scripts.benchmarks import evaluating, subjects
from scripts.benchmarks.figures import Figure

CONVERSATIONS: Final = 2_500
TURNS: Final = 40
ASKED: Final = 200
_VOCABULARY: Final = 150_000
_CORPUS: Final = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
_SMALL: Final = (
    "the of to and in is it that for on with as this be not are or by from we you was but can if at so".split()
)
_SYLLABLES: Final = "ba co di fe gu ha jo ki lu me no pa qui ro su ta ve wi xa yo ze ster ing tion cal der man".split()


def finding(folders: list[Path], model: str = NO_MODEL) -> Iterator[Figure]:
    """Measure folders of conversations with questions; without any, the corpus if it is there, and then the costs."""
    with tempfile.TemporaryDirectory() as work:
        for number, folder in enumerate(folders):
            yield from evaluating.evaluate(folder, Path(work) / str(number), model)
        if folders:
            return
        if (_CORPUS / "labels").is_dir():
            made = subjects.make(_CORPUS, Path(work) / "subjects")
            yield from evaluating.evaluate(made, Path(work) / "evaluated", model)
        yield from _costs(Path(work) / "large")


class Talk:
    """Text of words that are as frequent as words are: the n-th half as often as the one before the half of n."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        known: dict[str, None] = {}
        while len(known) < _VOCABULARY:
            known["".join(chance.choices(_SYLLABLES, k=chance.randrange(2, 6)))] = None
        self._words = list(known)
        self._ranks = list(accumulate(1 / (rank + 20) for rank in range(_VOCABULARY)))

    def words(self, count: int) -> list[str]:
        """Return content words."""
        top = self._ranks[-1]
        return [self._words[bisect(self._ranks, self._chance.random() * top)] for _ in range(count)]

    def text(self) -> str:
        """Return a passage of 300 to 1,000 characters."""
        length, found = self._chance.randrange(300, 1_000), ""
        while len(found) < length:
            found += (
                " ".join(
                    word for content in self.words(8) for word in (self._chance.choice(_SMALL), content)
                ).capitalize()
                + ". "
            )
        return found[:length]


def _costs(work: Path) -> Iterator[Figure]:
    chance = Random(7)
    talk = Talk(chance)
    conversations: list[dict[str, Any]] = [
        {
            "id": f"c{number}",
            "group": f"g{number % 7}",
            "turns": [{"text": talk.text(), "role": "user" if turn % 2 == 0 else "assistant"} for turn in range(TURNS)],
        }
        for number in range(CONVERSATIONS)
    ]
    text = sum(len(turn["text"]) for told in conversations for turn in told["turns"])
    began = time.perf_counter()
    store, *_ = evaluating.record_all(conversations, work)
    took = time.perf_counter() - began
    asked = [" ".join(_asked(chance, conversations)) for _ in range(ASKED)]
    del conversations  # a hundred thousand objects, for which each collection of garbage would be paid here
    gc.collect()
    try:
        passages = store.read(lambda db: next(db.execute("SELECT passages FROM indexed"))[0])
        yield Figure("passages", passages, "", least=100_000)
        yield Figure("recorded and indexed", text / 1e6 / took, "MB/s")
        yield Figure("index / text", _size(store, _INDEX) / text, "x", 2, f"text {text / 1e6:.0f} MB")
        kinds = (SESSION, TURN, DISCOVERY, FILE)
        plain = _times(store, [Query(text=text, kinds=kinds) for text in asked])
        yield Figure("search p50", 1000 * median(plain), "ms", 25)
        yield Figure("search p95", 1000 * quantiles(plain, n=20)[-1], "ms", 80)
        for name, filters in _FILTERS.items():
            filtered = _times(store, [Query(text=text, **{"kinds": kinds, **filters}) for text in asked])
            yield Figure(f"search with a filter by {name}: p50 / without", median(filtered) / median(plain), "x", 1.3)
        yield from _with_vectors(store, asked, text)
        yield from _recording(store)
    finally:
        store.close()


_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "type": {"kinds": (TURN,)},
    "project folder": {"folder": "/evaluated/g3"},
    "client": {"client": "claude-code"},
}


def _asked(chance: Random, conversations: list[dict[str, Any]]) -> list[str]:
    """Return three to eight words that stand behind one another somewhere."""
    found = [word.text for word in words(chance.choice(chance.choice(conversations)["turns"])["text"])]
    first = chance.randrange(max(1, len(found) - 8))
    return found[first : first + chance.randrange(3, 9)]


def _times(store: Store, queries: list[Query], meant: Meant | None = None) -> list[float]:
    took = []
    for query in queries:
        began = time.perf_counter()
        store.read(lambda db, query=query: search(db, query, meant=meant))  # type: ignore[misc]
        took.append(time.perf_counter() - began)
    return took


def _with_vectors(store: Store, asked: list[str], text: int) -> Iterator[Figure]:
    """Give every passage a vector, as if a model had made it: what sorting by them costs does not depend on which."""
    chance = Random(11)
    vectors.catch_up(
        store, lambda texts: ("made up", [chance.randbytes(_NUMBERS) for _ in texts]), "made up", at_once=500
    )
    yield Figure("vectors / text", _size(store, _VECTORS) / text, "x", 1)
    meant = Meant("made up", chance.randbytes(_NUMBERS))
    plain, weighed = [], []
    for text_asked in asked:  # in turns, so that what else the machine does counts for both
        query = [Query(text=text_asked, kinds=(SESSION, TURN, DISCOVERY, FILE))]
        plain += _times(store, query)
        weighed += _times(store, query, meant)
    yield Figure("search with vectors p95", 1000 * quantiles(weighed, n=20)[-1], "ms", 80)
    yield Figure("search with vectors: p50 / without", median(weighed) / median(plain), "x", 1.5)


_INDEX: Final = "name LIKE 'passage%' OR name LIKE 'sqlite_autoindex_talks%' OR name IN ('talks', 'unindexed')"
_VECTORS: Final = "name LIKE 'vectors%'"
_NUMBERS: Final = 384  # of a vector, as small models have it


def _size(store: Store, what: str) -> int:
    query = f"SELECT sum(pgsize) FROM dbstat WHERE {what}"
    return int(store.read(lambda db: next(db.execute(query))[0]))


def _recording(store: Store) -> Iterator[Figure]:
    """Record prompts one by one into a conversation of its own, with the triggers and, in turns, without them."""
    triggers = store.read(lambda db: list(db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")))
    took: dict[bool, list[float]] = {True: [], False: []}
    for batch in range(20):
        has_triggers = batch % 2 == 0
        for name, sql in triggers:
            statement = sql if has_triggers else f"DROP TRIGGER {name}"
            if batch:
                store.write(lambda db, statement=statement: db.execute(statement))  # type: ignore[misc]
            took[has_triggers] += _recorded(store, batch)
    with_index, without = median(took[True]), median(took[False])
    yield Figure(
        "recording a prompt: processor time with the index / without", with_index / without, "x", 1.1,
        f"{1000 * with_index:.2f} ms",
    )  # fmt: skip
    indexing.catch_up(store)


def _recorded(store: Store, batch: int) -> list[float]:
    """Record a hundred prompts of a conversation; return how long each took the processor, in seconds."""
    key, at = redact(f"claude:recorded-{batch}"), evaluating.FIRST

    def begin(db: Any) -> int:
        return activities.stream(
            db, key, project_id=store.project_id, owner=None, timeout_ms=30 * MINUTE, now=evaluating.FIRST
        )

    stream, took = store.write(begin), []
    for number in range(100):
        at += MINUTE
        began = _cpu()
        store.write(partial(_say, stream=stream, name=f"{stream}:{number}", at=at))
        took.append(_cpu() - began)
    return took


def _say(db: Any, *, stream: int, name: str, at: int) -> None:
    key = key_of("recorded", name)
    turn = turns.Turn(key=key, source=TRANSCRIPT, at=at, role="user", text=redact("Mend the parser of dates, please."))
    turns.add_turn(db, stream, turn)
    record.take(db, stream, [Report(key=key, source=TRANSCRIPT, at=at, kind=PROMPT)], now=at)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
