"""Pairs of trees as texts and as tokens: what is shared, what ends, what a journey is preferred to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import written_tree
from trees_by_hand import followed_tree

from jorney.policy import resolve
from jorney.rows.step_pairs import encode_tree_pair
from jorney.text.step_format import ABEL, BLANK, FORMATS, STEP
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import PAIR_KINDS, pairs_of
from jorney.tree.contrasts import ContrastConfig

ALL = ContrastConfig(per_node=None, per_tree=None)


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(resolve("embedded"))


def test_steps_share_their_opening_and_do_not_end() -> None:
    first, second = pairs_of(followed_tree(0), "step")
    assert (first.prefix, second.prefix) == ("1.", "1. 9 - 4 = 5 (left: 3, 5, 5)\n2.")
    assert first.chosen.text == " 9 - 4 = 5 (left: 3, 5, 5)\n"
    assert second.rejected.text == " 5 * 5 = 25 (left: 3, 25)\n"
    assert not any(side.ends for pair in (first, second) for side in (pair.chosen, pair.rejected))


def test_whole_solutions_and_subtrees_end() -> None:
    for kind, prefix in (("leaf", ""), ("subtree", "1.")):
        (pair,) = pairs_of(followed_tree(0), kind)
        assert pair.prefix == prefix
        assert pair.chosen.ends
        assert pair.rejected.ends
        assert (prefix + pair.rejected.text).splitlines() == [
            "1. 5 * 9 = 45 (left: 3, 4, 45)",
            "2. 3 * 4 = 12 (left: 12, 45)",
            "3. 45 - 12 = 33 (left: 33)",
            "#### 33",
        ]
        assert [score for _, score in pair.chosen.steps] == [1, 1, 1]
        assert sum(length for length, _ in pair.chosen.steps) == len(pair.chosen.text)


def test_a_journey_goes_back_where_the_other_goes_on() -> None:
    (pair,) = pairs_of(followed_tree(0), "journey", refine=RefineConfig(reflect_unseen=("Wait.",)))
    assert pair.prefix == "1. 5 * 9 = 45 (left: 3, 4, 45)\n"
    assert pair.chosen.text.splitlines() == [
        "Wait. Go back to 3, 4, 5, 9.",
        "1. 9 - 4 = 5 (left: 3, 5, 5)",
        "2. 3 * 5 = 15 (left: 5, 15)",
        "3. 5 + 15 = 20 (left: 20)",
        "#### 20",
    ]
    assert pair.rejected.text == "2. 3 * 4 = 12 (left: 12, 45)\n3. 45 - 12 = 33 (left: 33)\n#### 33"
    assert pair.chosen.ends
    assert pair.rejected.ends


def test_a_step_that_was_cut_off_is_followed_by_nothing() -> None:
    tree = followed_tree(0)
    cut = dataclasses.replace(tree.nodes[7], status="unfinished")
    (_, pair) = pairs_of(dataclasses.replace(tree, nodes=(*tree.nodes[:7], cut)), "step")
    assert pair.rejected.text == " 5 * 5 = 25 (left: 3, 25)"
    assert not pair.rejected.ends


@settings(max_examples=80)
@given(st.integers(0, 100_000), st.sampled_from((ABEL, BLANK, STEP)), st.sampled_from(PAIR_KINDS))
def test_prompts_are_beginnings_of_whole_texts(tokenizer, seed: int, step_format, kind: str) -> None:
    tree = written_tree(seed, step_format)
    lossy = dataclasses.replace(tokenizer, lossy=True)
    for pair in pairs_of(tree, kind, ALL):
        found = encode_tree_pair(lossy, pair, "p", step_format)
        head = tuple(step_format.encode(lossy, tree.question))
        assert found.prompt[: len(head)] == head
        assert found.chosen != found.rejected
        for side, own in ((pair.chosen, found.chosen), (pair.rejected, found.rejected)):
            whole = (*head, *lossy.encode_after(pair.prefix + side.text))
            assert (*found.prompt, *own) == (*whole, *([lossy.eos] if side.ends else []))
            assert lossy.eos not in (*found.prompt, *own[:-1])
            last = pair.nodes.chosen[-1] if side is pair.chosen else pair.nodes.rejected[-1]
            assert side.ends == tree.nodes[last].leaf
        # The prompt holds all that both share but a token that reaches over its end.
        missing = len(pair.prefix) - len(lossy.decode(found.prompt[len(head) :]))
        assert 0 <= missing <= 12
        for side, steps in ((found.chosen, found.chosen_steps), (found.rejected, found.rejected_steps)):
            assert sum(count for count, _ in steps) == (len(side) if steps else 0)


def test_other_formats_are_refused(tokenizer) -> None:
    pair = pairs_of(followed_tree(0), "step")[0]
    with pytest.raises(ValueError, match="p: its steps are written as 'abel' has them: expected 'blank'"):
        encode_tree_pair(tokenizer, pair, "p", FORMATS["blank"])


def test_an_unknown_kind_of_pair() -> None:
    with pytest.raises(ValueError, match="pairs = 'x': expected one of step, first-error, subtree, leaf, journey"):
        pairs_of(followed_tree(0), "x")
