"""Pairs of steps as rows: under TRL's columns and Step-DPO's, and back to the tokens that trees give."""

from __future__ import annotations

import dataclasses
import json

import pytest
from random_trees import written_tree
from trees_by_hand import followed_tree

from jorney.policy import resolve
from jorney.rows import step_dpo, step_pairs, trl
from jorney.rows.registry import encode_preference, is_step_pair
from jorney.rows.step_pairs import encode_tree_pair
from jorney.text.step_format import ABEL, BLANK, STEP
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.tree_pairs import PAIR_KINDS, pairs_of
from jorney.tree.contrasts import ContrastConfig

OWN = ContrastConfig(smoothing="visits")
STEPS = {
    "dataset": "MATH",
    "prompt": "What is 2 + 3 * 4?",
    "initial_reason_steps": "Let's think step by step.\nStep 1:",
    "chosen": " 3 * 4 = 12.",
    "rejected": " 2 + 3 = 5.",
    "full_chosen": " 3 * 4 = 12.\nStep 2: 2 + 12 = 14. The answer is \\boxed{14}.",
    "full_rejected": " 2 + 3 = 5.\nStep 2: 5 * 4 = 20. The answer is \\boxed{20}.",
    "answer": "14",
}


@pytest.fixture(scope="module")
def tokenizer():
    return dataclasses.replace(load_tokenizer(resolve("embedded")), lossy=True)


@pytest.mark.parametrize("kind", PAIR_KINDS)
@pytest.mark.parametrize("written", [ABEL, BLANK, STEP], ids=lambda one: one.name)
def test_rows_give_the_tokens_of_their_trees(tokenizer, kind, written) -> None:
    count, own = 0, [followed_tree(0)] if written == ABEL else []
    for tree in [*own, *(written_tree(seed, written) for seed in range(150))]:
        expected = [encode_tree_pair(tokenizer, pair, "p", written) for pair in pairs_of(tree, kind, OWN, 3)]
        rows = [json.loads(json.dumps(row)) for row in step_pairs.rows_of(tree, kind, OWN, 3)]
        assert [encode_preference(tokenizer, row, "p", written) for row in rows] == expected
        count += len(rows)
        assert all(row["prompt"].endswith(row["prefix"]) for row in rows)
        if kind != "journey":
            steps = [json.loads(json.dumps(row)) for row in step_dpo.rows_of(tree, kind, OWN, 3)]
            assert all(tuple(row) == tuple(STEPS) for row in steps)
            found = [encode_preference(tokenizer, row, "p", written) for row in steps]
            for one, other, row in zip(found, expected, rows, strict=True):
                assert one.prompt == other.prompt
                for side in ("chosen", "rejected"):
                    assert (getattr(one, side)[-1] == tokenizer.eos) == row[f"{side}_ends"]
                    assert getattr(one, side) == getattr(other, side)
    assert count > 2 or kind == "journey"


def test_a_row_says_where_it_comes_from() -> None:
    _, row = step_pairs.rows_of(followed_tree(0), "step")
    assert row == {
        "prompt": ABEL.ask("Make 20 from 3, 4, 5, 9.") + "1. 9 - 4 = 5 (left: 3, 5, 5)\n2.",
        "chosen": " 3 * 5 = 15 (left: 5, 15)\n",
        "rejected": " 5 * 5 = 25 (left: 3, 25)\n",
        "prefix": "1. 9 - 4 = 5 (left: 3, 5, 5)\n2.",
        "chosen_ends": False,
        "rejected_ends": False,
        "chosen_steps": [" 3 * 5 = 15 (left: 5, 15)\n"],
        "chosen_scores": [1.0],
        "rejected_steps": [" 5 * 5 = 25 (left: 3, 25)\n"],
        "rejected_scores": [0.0],
        "tree": "p0",
        "kind": "step",
        "nodes": {"prefix": [4], "chosen": [5], "rejected": [7]},
    }


def test_step_dpos_rows(tokenizer) -> None:
    """As published: the prefix ends with the next step's opening, and what follows tells whether a step is the last."""
    found = encode_preference(tokenizer, STEPS, "p", ABEL)
    assert tokenizer.decode(found.prompt) == ABEL.ask(STEPS["prompt"]) + STEPS["initial_reason_steps"]
    assert tokenizer.decode(found.chosen) == " 3 * 4 = 12.\n"
    assert tokenizer.eos not in (*found.chosen, *found.rejected)
    last = {**STEPS, "chosen": STEPS["full_chosen"]}
    found = encode_preference(tokenizer, last, "p", ABEL)
    assert found.chosen[-1] == tokenizer.eos
    assert found.rejected[-1] != tokenizer.eos
    # Without what follows, a step ends the solution where it states the answer.
    short = {name: value for name, value in last.items() if not name.startswith("full")}
    assert encode_preference(tokenizer, short, "p", ABEL).chosen == found.chosen
    assert tokenizer.decode(encode_preference(tokenizer, short, "p", ABEL).rejected) == " 2 + 3 = 5."
    assert is_step_pair(STEPS)


def test_other_pairs_are_read_as_before(tokenizer) -> None:
    row = {"prompt": "1 + 1 =", "chosen": " 2", "rejected": " 3"}
    assert not is_step_pair(row)
    assert encode_preference(tokenizer, row, "p", ABEL) == trl.encode_preference(tokenizer, row, "p")


ROW = {"prompt": "q 1.", "prefix": "1.", "chosen": " a", "rejected": " b", "chosen_ends": True, "rejected_ends": False}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "prefix": "2."}, "p: field 'prefix': expected the end of 'prompt', got '2.'"),
        ({**ROW, "chosen_ends": 1}, "p: field 'chosen_ends': expected true or false, got 1"),
        ({**ROW, "chosen": ""}, "p: field 'chosen': expected a text that is not empty"),
        ({**ROW, "rejected": " a"}, "p: chosen and rejected are the same"),
        ({**ROW, "smoothing": 0.7}, "p: field 'smoothing': expected a number from 0 to 0.5, got 0.7"),
        ({**ROW, "chosen_steps": ["a"], "chosen_scores": [1]}, "p: field 'chosen_steps': expected the text of 'chosen'"),
        ({**ROW, "chosen_steps": [" a"], "chosen_scores": [1, 2]}, "p: field 'chosen_scores': expected 1 numbers"),
        ({**ROW, "chosen_steps": [" a"], "chosen_scores": ["x"]}, r"p: field 'chosen_scores\[0\]': expected a number"),
        ({**STEPS, "rejected": ""}, "p: field 'rejected': expected a text that is not empty"),
        ({**STEPS, "initial_reason_steps": 3}, "p: field 'initial_reason_steps': expected a text, got 3"),
    ],
)
def test_what_is_wrong_is_named(tokenizer, row, message) -> None:
    with pytest.raises(ValueError, match=message):
        encode_preference(tokenizer, row, "p", ABEL)


def test_journeys_are_no_rows_of_step_dpo() -> None:
    with pytest.raises(ValueError, match="pairs = 'journey': expected another kind with the format 'step_dpo'"):
        next(step_dpo.rows_of(followed_tree(0), "journey"))


def test_chats_have_no_half_given_responses() -> None:
    tree = written_tree(3, ABEL)
    with pytest.raises(ValueError, match=r"tree 'tree-3': its questions are asked in a chat \(blank-chat\)"):
        next(step_pairs.rows_of(dataclasses.replace(tree, step_format="blank-chat"), "step"))
