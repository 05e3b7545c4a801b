"""How much of what was judged to be a discovery the rules find, beside plain phrases, on both halves of the labels."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kioku.knowledge.extraction.judging import found_in
from tests.knowledge import labelled

PLAIN = {
    "pattern": re.compile(r"\bwe use \w+ for\b", re.IGNORECASE),
    "rule": re.compile(r"\bmust (?:always|never)\b", re.IGNORECASE),
    "decision": re.compile(r"\bdecided to\b", re.IGNORECASE),
    "issue": re.compile(r"\bfixed\b.{1,200}\bby\b", re.IGNORECASE),
}
Finder = Callable[[labelled.Passage], Iterator[tuple[str, str]]]


def by_rules(passage: labelled.Passage) -> Iterator[tuple[str, str]]:
    """Find in a passage as the program does: in its turn, after what the person said last."""
    role = "user" if passage.role == "person" else "assistant"
    whole, told = plain(passage.text), set[str]()
    for found in found_in(labelled.turn_of(passage), role, labelled.asked_before(passage)):
        if plain(found.quote) in whole and found.quote not in told:
            told.add(found.quote)
            yield found.type, found.quote


def by_plain_phrases(passage: labelled.Passage) -> Iterator[tuple[str, str]]:
    for sentence in labelled.sentences(passage.text):
        for type, phrase in PLAIN.items():
            if phrase.search(sentence):
                yield type, sentence


class Figures(NamedTuple):
    """How many were found rightly, wrongly, and not."""

    right: int
    wrong: int
    missed: int

    def __str__(self) -> str:
        precision = self.right / max(1, self.right + self.wrong)
        recall = self.right / max(1, self.right + self.missed)
        return f"precision {precision:.2f}, recall {recall:.2f} ({self.right}/{self.wrong}/{self.missed})"


def figures(half: labelled.Half, finder: Finder) -> tuple[Figures, Figures, Figures]:
    """Return the figures of sentences of the right type, of sentences, and of passages that hold one at all."""
    typed, any_type, of_passages = Counter[str](), Counter[str](), Counter[str]()
    for passage, label in labelled.labelled(half):
        parts = labelled.sentences(passage.text)
        wanted = [(found.type, plain(parts[found.sentence])) for found in label.found]
        found = [(type, plain(quote)) for type, quote in finder(passage)]
        typed += _compared(wanted, found)
        any_type += _compared([("", one) for _, one in wanted], [("", one) for _, one in found])
        of_passages += _compared([("", "")] * bool(wanted), [("", "")] * bool(found))
    return _figures(typed), _figures(any_type), _figures(of_passages)


def _figures(seen: Counter[str]) -> Figures:
    return Figures(seen["right"], seen["wrong"], seen["missed"])


def _compared(wanted: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> Counter[str]:
    left, seen = list(wanted), Counter[str]()
    for type, said in found:
        hit = next((one for one in left if one[0] == type and (said in one[1] or one[1] in said)), None)
        if hit is not None:
            left.remove(hit)
        seen["wrong" if hit is None else "right"] += 1
    seen["missed"] = len(left)
    return seen


def plain(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


if labelled.CORPUS.is_dir():

    @pytest.mark.parametrize("half", ["tune", "held", "fresh"])
    def test_the_rules_find_more_than_plain_phrases_do(half: labelled.Half, capsys: pytest.CaptureFixture[str]) -> None:
        of_rules, of_phrases = figures(half, by_rules), figures(half, by_plain_phrases)
        with capsys.disabled():
            for name, found in (("rules", of_rules), ("plain phrases", of_phrases)):
                for level, told in zip(("of the type", "of any type", "passages"), found, strict=True):
                    sys.stdout.write(f"\n{half}: {name}: {level}: {told}")
        assert of_rules[0].right > of_phrases[0].right

    def test_decisions_of_another_set_are_found_in_other_languages(capsys: pytest.CaptureFixture[str]) -> None:
        folder: Path = labelled.CORPUS / "labels" / "memory_extraction"
        rows = map(json.loads, (folder / "labels.jsonl").read_text().splitlines())
        wanted = {row["id"]: [memory["type"] for memory in row["memories"]] for row in rows}
        of_all = 0
        for path in sorted(folder.glob("dataset*.jsonl")):
            right = wrong = missed = 0
            for row in map(json.loads, path.read_text().splitlines()):
                is_one = "decision" in wanted.get(row["id"], [])
                is_found = any(found.type == "decision" for found in found_in(row.get("text", ""), "user"))
                right += is_one and is_found
                wrong += is_found and not is_one
                missed += is_one and not is_found
            of_all += right
            with capsys.disabled():
                sys.stdout.write(f"\n{path.name}: decisions: {right} right, {wrong} wrong, {missed} missed")
        assert of_all > 0
