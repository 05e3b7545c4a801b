"""Server, hooks and transcript tell of the same conversation: nothing counts twice, and no order matters."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.capture.seen import Kind, Seen, Touch
from kioku.models import FILE_READ, SERVER, Report, key_of
from kioku.redaction import redact
from tests.capture.world import CLAUDE, NOW, ROOT, World
from tests.sessions.stage import MINUTE, SECOND, T0

Step = Callable[[World], None]


class Thing(NamedTuple):
    """Something that really happened: what every source tells in its own words."""

    number: int
    at: int
    kind: str  # prompt, call, own, turn_end
    took: int = 0

    @property
    def id(self) -> str:
        return f"an-id-long-enough-to-be-unique-{self.number}"


def seen(thing: Thing, at: int, *, is_end: bool = False, with_id: bool = True) -> Seen:
    """Put a thing into a client's words."""
    calls = {"call": ("Edit", "a.py"), "own": ("mcp__kioku__read_file", "b.py")}
    tool, path = calls.get(thing.kind, (None, None))
    kinds: dict[str, Kind] = {"prompt": "prompt", "turn_end": "turn_end"}
    kind: Kind = "call_end" if is_end else "call" if tool else kinds[thing.kind]
    return Seen(
        conversation="one", at=at, kind=kind, id=thing.id if with_id else None, folder=ROOT, tool=tool,
        touches=(Touch(f"{ROOT}/{path}", thing.kind == "call"),) if path else (),
        text=f"text {thing.number}" if thing.kind == "prompt" else None,
    )  # fmt: skip


def serve(world: World, name: str, at: int, claim: str | None) -> None:
    world.server(name, at, claim=claim)


def tell_server(world: World, server: str, told: Report) -> None:
    world.told(server, told)


def tell_transcript(world: World, told: Seen) -> None:
    world.seen(world.transcript, told)


def tell_hook(world: World, told: Seen, record: str) -> None:
    world.seen(world.hook, told, record, process=CLAUDE)


things = st.lists(
    st.tuples(
        st.sampled_from(("prompt", "call", "call", "own", "turn_end")),
        st.sampled_from((3 * MINUTE, 3 * MINUTE, 7 * MINUTE, 45 * MINUTE)),
        st.sampled_from((0, 20 * SECOND)),
    ),
    min_size=1,
    max_size=9,
)
jitters = st.integers(-4 * SECOND, 4 * SECOND)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Thing], list[Step]]:
    """Draw what happened, and the steps in which it was told."""
    happened: list[Thing] = []
    at = T0
    for number, (kind, gap, took) in enumerate(draw(things)):
        at += gap
        happened.append(Thing(number, at, kind, took))
    steps: list[Step] = []
    # A restart: the first server serves what comes before, the second the rest.
    restart = draw(st.integers(0, len(happened)))
    covered = draw(st.integers(0, len(happened)))  # how much of it the transcript tells so far
    second = happened[restart].at - MINUTE if restart < len(happened) else at + MINUTE
    claim = draw(st.sampled_from((None, "one")))
    for name, first in (("s1", T0), ("s2", second)):
        steps.append(partial(serve, name=name, at=first, claim=claim))
    for index, thing in enumerate(happened):
        is_call = thing.kind in ("call", "own")
        if thing.kind == "own":
            report = Report(
                key=key_of("own", thing.number), source=SERVER, at=thing.at, took=thing.took, kind=FILE_READ,
                tool=redact("read_file"), path=redact("b.py"),
            )  # fmt: skip
            steps.append(partial(tell_server, server="s1" if index < restart else "s2", told=report))
        if index < covered:
            moment = thing.at + draw(jitters)
            steps.append(partial(tell_transcript, told=seen(thing, moment)))
            if is_call and thing.took:
                steps.append(partial(tell_transcript, told=seen(thing, moment + thing.took, is_end=True)))
        if (index >= covered and thing.kind != "own") or draw(st.booleans()):
            moment = thing.at + draw(jitters)
            steps.append(partial(tell_hook, told=seen(thing, moment, with_id=is_call), record=f"r{index}"))
            if draw(st.booleans()):  # the client has the hook in two of its files
                again = seen(thing, moment + 100, with_id=is_call)
                steps.append(partial(tell_hook, told=again, record=f"again{index}"))
            if draw(st.booleans()):  # what counts as nothing, and what ends a conversation that goes on
                other: Kind = draw(st.sampled_from(("start", "event", "end")))
                beside = Seen(conversation="one", at=moment + 5 * SECOND, kind=other, detail="x")
                steps.append(partial(tell_hook, told=beside, record=f"beside{index}"))
            if is_call:
                end = seen(thing, moment + thing.took, is_end=True)
                steps.append(partial(tell_hook, told=end, record=f"e{index}"))
    return happened, steps


def played(steps: Sequence[Step]) -> World:
    world = World()
    for step in steps:
        step(world)
    return world


@settings(deadline=None, max_examples=120)
@given(stories(), st.randoms())
def test_any_interleaving_of_three_sources_ends_in_the_same_rows_and_counts_each_thing_once(
    story: tuple[list[Thing], list[Step]], shuffler: Random
) -> None:
    happened, steps = story
    shuffled = [*steps, *shuffler.sample(steps, len(steps) // 2)]  # some are told twice
    shuffler.shuffle(shuffled)
    one, other = played(steps), played(shuffled)
    try:
        rows = one.rows()
        assert rows == other.rows()
        calls = [thing for thing in happened if thing.kind in ("call", "own")]
        prompts = [thing for thing in happened if thing.kind == "prompt"]
        assert sum(row["tool_calls"] for row in rows) == len(calls)
        assert sum(row["activities"] for row in rows) == len(calls) + len(prompts)
        touched = [(path, reads, edits) for row in rows for path, reads, edits, *_ in row["touched"]]
        assert sum(edits for _, _, edits in touched) == sum(thing.kind == "call" for thing in calls)
        assert sum(reads for _, reads, _ in touched) == sum(thing.kind == "own" for thing in calls)
        shown = one.stage.store.read(
            lambda db: list(db.execute("SELECT role, text FROM session_turns WHERE role = 'user' ORDER BY at"))
        )
        assert sorted(text for _, text in shown) == sorted(f"text {thing.number}" for thing in prompts)
        before = one.stage.whole_rows()
        one.stage.rebuild(NOW)
        assert one.stage.whole_rows() == before
    finally:
        one.close()
        other.close()
