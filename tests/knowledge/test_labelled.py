"""The judged passages: each is found where it was judged, and every half can measure all types."""

from collections import Counter
from typing import Any, get_args

import msgspec
import pytest

from tests.knowledge.labelled import (
    CORPUS,
    LONGEST,
    Found,
    Half,
    Type,
    half_of,
    labelled,
    labels,
    paragraphs,
    resolved,
    sentences,
)

HALVES = get_args(Half)


def test_at_least_two_hundred_passages_are_judged_for_tuning_and_as_many_freshly_and_none_twice() -> None:
    judged = labels()
    fresh = [label for label in judged if label.half == "fresh"]
    assert len(fresh) >= 200
    assert len(judged) - len(fresh) >= 200
    assert len({label.sha256 for label in judged}) == len(judged)
    assert len({(label.file, label.turn, label.paragraph) for label in judged}) == len(judged)


@pytest.mark.parametrize("half", HALVES)
def test_each_half_holds_all_types_both_roles_and_more_passages_without_a_discovery_than_with(half: Half) -> None:
    judged = [label for label in labels() if label.half == half]
    assert {found.type for label in judged for found in label.found} == set(get_args(Type))
    assert {label.role for label in judged if label.found} == {"person", "assistant"}
    bare = Counter(not label.found for label in judged)
    assert bare[True] > bare[False] > 25
    assert {found.solved for label in judged for found in label.found if found.type == "issue"} == {True, False}


def test_the_half_of_a_passage_follows_from_its_hash_and_only_issues_are_solved() -> None:
    for label in labels():
        assert half_of(label.sha256) == ("held" if label.half == "fresh" else label.half)
        for found in label.found:
            assert (found.solved is None) == (found.type != "issue")


def test_headings_and_announcements_go_with_what_follows_and_fenced_code_is_left_out() -> None:
    prose = "# A title\n\nFirst. Second,\nwith a line more.\n\nTwo things:\n\n- one\n- two\n\n"
    found = paragraphs(prose + "```sh\nmake\n\nall\n```\nAfter.")
    assert found == ["# A title\nFirst.\nSecond,\nwith a line more.", "Two things:\n- one\n- two", "After."]
    assert sentences(found[0]) == ["# A title", "First.", "Second,\nwith a line more."]
    assert sentences(found[1]) == ["Two things:", "- one", "- two"]


def test_a_long_paragraph_is_cut_into_passages_of_at_most_six_sentences() -> None:
    pieces = paragraphs(" ".join(f"This is number {number} of them." for number in range(LONGEST + 2)))
    assert [len(sentences(piece)) for piece in pieces] == [LONGEST, 2]


if CORPUS.is_dir():

    def test_every_reference_resolves_to_the_text_that_was_judged() -> None:
        assert [one.label for one in labelled()] == labels()
        assert all(len(sentences(one.passage.text)) <= LONGEST for one in labelled())

    @pytest.mark.parametrize("half", HALVES)
    def test_a_half_is_loaded_alone(half: Half) -> None:
        assert {one.label.half for one in labelled(half)} == {half}

    @pytest.mark.parametrize(
        "changed",
        [
            {"turn": 100_000},
            {"role": "nobody"},
            {"half": "fresh"},
            {"sha256": "0" * 64},
            {"found": (Found("rule", 90, "0"),)},
        ],
    )
    def test_a_reference_that_does_not_fit_is_refused(changed: dict[str, Any]) -> None:
        with pytest.raises(LookupError):
            resolved(msgspec.structs.replace(labels()[0], **changed))
