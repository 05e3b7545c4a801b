"""Judged passages of real conversations: references in two files here, the text in a corpus beside the project.

A passage is a paragraph of a turn, known by its place and by its hash: nothing of what others wrote is stored here.
The corpus is found by `KIOKU_CORPUS`, else beside the project; where there is none, there are no labels to load.
`labels.jsonl` is divided into two halves by chance; `labels_held.jsonl` holds a fresh part of the second one, which was
judged later by somebody who knew neither the rules nor the first file. `LABELS.md` says what counts as what.
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from kioku.capture.seen import Seen
from kioku.capture.transcripts.formats import recognise
from kioku.capture.transcripts.reading import BadLineError

CORPUS: Final = Path(os.environ.get("KIOKU_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")
LABELS: Final = tuple(Path(__file__).with_name(name) for name in ("labels.jsonl", "labels_held.jsonl"))
LONGEST: Final = 6  # sentences of a passage
PARTS: Final = ("home", "opencode-export", "specstory")

Type = Literal["pattern", "rule", "decision", "issue"]
Role = Literal["person", "assistant"]
Half = Literal["tune", "held", "fresh"]


class Found(msgspec.Struct, frozen=True):
    """A discovery: the sentence of the passage that it rests on, and for an issue whether its solution is there."""

    type: Type
    sentence: int
    sha256: str
    solved: bool | None = None


class Label(msgspec.Struct, frozen=True):
    """Where a passage is, and what was judged to be in it.

    `file` is relative to the corpus, `turn` counts the turns of the file that have text, `paragraph` those of the turn.
    What is `fresh` is of the held half, and in a part of its own.
    """

    file: str
    turn: int
    paragraph: int
    sha256: str
    role: Role
    half: Half
    found: tuple[Found, ...] = ()


class Passage(NamedTuple):
    """A paragraph of a conversation."""

    file: str
    client: str
    turn: int
    paragraph: int
    role: Role
    text: str

    @property
    def sha256(self) -> str:
        return hashed(self.text)

    @property
    def half(self) -> Half:
        return half_of(self.sha256)


class Labelled(NamedTuple):
    """A passage with its label."""

    passage: Passage
    label: Label


def labels() -> list[Label]:
    """Return what was judged; this needs no corpus."""
    decoder = msgspec.json.Decoder(Label, strict=True)
    return [decoder.decode(line) for file in LABELS for line in file.read_bytes().splitlines()]


def labelled(half: Half | None = None) -> list[Labelled]:
    """Return the judged passages of a half, or all, with their text; none where there is no corpus.

    Raises LookupError if a passage is not what was judged.
    """
    if not CORPUS.is_dir():
        return []
    return [Labelled(resolved(label), label) for label in labels() if half in (None, label.half)]


def resolved(label: Label) -> Passage:
    """Return the passage of a label. Raises LookupError if it is not what was judged."""
    place = f"{label.file}, turn {label.turn}, paragraph {label.paragraph}"
    passage = _by_place(label.file).get((label.turn, label.paragraph))
    if passage is None:
        raise LookupError(f"there is nothing at {place}")
    half = "held" if label.half == "fresh" else label.half
    if (passage.sha256, passage.role, passage.half) != (label.sha256, label.role, half):
        raise LookupError(f"what is at {place} is not what was judged")
    parts = sentences(passage.text)
    for found in label.found:
        if not 0 <= found.sentence < len(parts) or hashed(parts[found.sentence]) != found.sha256:
            raise LookupError(f"sentence {found.sentence} at {place} is not the one that was judged")
    return passage


@cache
def _by_place(file: str) -> dict[tuple[int, int], Passage]:
    return {(passage.turn, passage.paragraph): passage for passage in passages(file)}


def files() -> list[str]:
    """Return the conversations of the corpus, relative to it, in order."""
    found = (path for part in PARTS for path in (CORPUS / part).rglob("*") if path.suffix in (".jsonl", ".json", ".md"))
    return sorted(path.relative_to(CORPUS).as_posix() for path in found)


def passages(file: str) -> Iterator[Passage]:
    """Return the paragraphs of a conversation's turns, as the program's own readers tell them."""
    client, turns = _turns(file)
    for turn, (role, whole) in enumerate(turns):
        for number, text in enumerate(paragraphs(whole)):
            yield Passage(file, client, turn, number, role, text)


def turn_of(passage: Passage) -> str:
    """Return the whole turn that a passage stands in."""
    return _turns(passage.file)[1][passage.turn][1]


def asked_before(passage: Passage) -> str:
    """Return what the person said last before the turn of a passage; "" where that was nothing."""
    before = _turns(passage.file)[1][: passage.turn]
    return next((text for role, text in reversed(before) if role == "person"), "")


@cache
def _turns(file: str) -> tuple[str, list[tuple[Role, str]]]:
    client, seen = _told(CORPUS / file)
    said = (one for one in seen if one.kind in ("prompt", "answer"))
    return client, [
        ("person" if one.kind == "prompt" else "assistant", one.text) for one in said if one.text and one.text.strip()
    ]


def _told(path: Path) -> tuple[str, list[Seen]]:
    content = path.read_bytes()
    known = recognise(str(path), content[:65_536])
    if known is None:
        return "", []
    if not known.is_lines:
        return known.client, list(known.document(str(path), content).seen)
    reader = known.reader(str(path), {})
    seen: list[Seen] = []
    for line in content.splitlines(keepends=True):
        try:
            seen.extend(reader.read(line))
        except BadLineError:
            continue  # what a broken line holds was not judged
    return known.client, seen


def hashed(text: str) -> str:
    """Return the hash that a text is known by."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def half_of(digest: str) -> Half:
    """Return the half that a passage belongs to, which is chance and the same for ever."""
    return "tune" if int(digest[:8], 16) % 2 == 0 else "held"


_FENCE: Final = re.compile(r"\s{0,12}(```|~~~)")
_BLOCK: Final = re.compile(r"\s*(?:[-*+•] |\d{1,3}[.)] |#{1,6} |\||>)")
_ENDS: Final = re.compile(r"(?<=[.!?。！？])[\"'”’)*_`]*\s+(?=[^a-z\s])")
_SHORT: Final = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|Mr|Ms|Dr|No)|^\s*\d{1,3})\.$")


def paragraphs(text: str) -> list[str]:
    """Divide a turn at its empty lines: each part of at most six sentences, without fenced code.

    A heading, and a line that ends with a colon, belong to what follows them.
    """
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence or mark:
            if not fence and mark:
                fence = mark[1]
                blocks.append([])
            elif mark and mark[1] == fence:
                fence = ""
            continue
        if line.strip():
            blocks[-1].append(line.rstrip())
        elif blocks[-1] and not _announces(blocks[-1]):
            blocks.append([])
    found: list[str] = []
    for block in blocks:
        parts = iter(sentences("\n".join(block)))
        while piece := list(islice(parts, LONGEST)):
            found.append("\n".join(piece))
    return found


def _announces(block: Sequence[str]) -> bool:
    last = block[-1].strip().rstrip("*_")
    return len(block) == 1 and (last.startswith("#") or last.endswith(":"))


def sentences(text: str) -> list[str]:
    """Divide a paragraph into sentences: an item of a list, a heading and a row of a table are some of their own."""
    lines: list[str] = []
    for line in text.splitlines():
        if lines and not _BLOCK.match(line) and not _BLOCK.match(lines[-1]) and not _announces([lines[-1]]):
            lines[-1] += "\n" + line
        elif line.strip():
            lines.append(line)
    found: list[str] = []
    for line in lines:
        start = 0
        for match in _ENDS.finditer(line):
            if _SHORT.search(line[start : match.start()]):
                continue
            found.append(line[start : match.end()].strip())
            start = match.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]
