"""How much of what was judged to be a discovery the rules find, beside plain phrases, on both halves of the labels."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kioku.knowledge.extraction.judging import judge
from kioku.knowledge.extraction.sentences import sentences
from tests.knowledge import labelled

PLAIN = {
    "pattern": re.compile(r"\bwe use \w+ for\b", re.IGNORECASE),
    "rule": re.compile(r"\bmust (?:always|never)\b", re.IGNORECASE),
    "decision": re.compile(r"\bdecided to\b", re.IGNORECASE),
    "issue": re.compile(r"\bfixed\b.{1,200}\bby\b", re.IGNORECASE),
}
Finder = Callable[[str, str], Iterator[tuple[str, str]]]


def by_rules(text: str, role: str) -> Iterator[tuple[str, str]]:
    for sentence in sentences(text, role):
        found = judge(sentence, role)
        if found is not None:
            yield found.type, found.quote


def by_plain_phrases(text: str, _role: str) -> Iterator[tuple[str, str]]:
    for sentence in labelled.sentences(text):
        for type, phrase in PLAIN.items():
            if phrase.search(sentence):
                yield type, sentence


def figures(half: labelled.Half, finder: Finder) -> tuple[int, int, int]:
    """Return how many were found rightly, wrongly, and not: of the right type, at the sentence that was judged."""
    right = wrong = missed = 0
    for passage, label in labelled.labelled(half):
        parts = labelled.sentences(passage.text)
        wanted = [(found.type, plain(parts[found.sentence])) for found in label.found]
        for type, quote in finder(passage.text, "user" if passage.role == "person" else "assistant"):
            said = plain(quote)
            hit = next((one for one in wanted if one[0] == type and (said in one[1] or one[1] in said)), None)
            if hit is None:
                wrong += 1
            else:
                wanted.remove(hit)
                right += 1
        missed += len(wanted)
    return right, wrong, missed


def plain(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


if labelled.CORPUS.is_dir():

    @pytest.mark.parametrize("half", ["tune", "held"])
    def test_the_rules_find_more_than_plain_phrases_do(half: labelled.Half, capsys: pytest.CaptureFixture[str]) -> None:
        of_rules, of_phrases = figures(half, by_rules), figures(half, by_plain_phrases)
        with capsys.disabled():
            for name, (right, wrong, missed) in (("rules", of_rules), ("plain phrases", of_phrases)):
                precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
                told = f"precision {precision:.2f}, recall {recall:.2f} ({right}/{wrong}/{missed})"
                sys.stdout.write(f"\n{half}: {name}: {told}")
        assert of_rules[0] > of_phrases[0]

    def test_decisions_of_another_set_are_found_in_other_languages(capsys: pytest.CaptureFixture[str]) -> None:
        folder: Path = labelled.CORPUS / "labels" / "memory_extraction"
        rows = map(json.loads, (folder / "labels.jsonl").read_text().splitlines())
        wanted = {row["id"]: [memory["type"] for memory in row["memories"]] for row in rows}
        of_all = 0
        for path in sorted(folder.glob("dataset*.jsonl")):
            right = wrong = missed = 0
            for row in map(json.loads, path.read_text().splitlines()):
                is_one = "decision" in wanted.get(row["id"], [])
                is_found = any(type == "decision" for type, _ in by_rules(row.get("text", ""), "user"))
                right += is_one and is_found
                wrong += is_found and not is_one
                missed += is_one and not is_found
            of_all += right
            with capsys.disabled():
                sys.stdout.write(f"\n{path.name}: decisions: {right} right, {wrong} wrong, {missed} missed")
        assert of_all > 0
