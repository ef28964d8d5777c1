"""A language model's refinements: what holds is taken apart again, what does not is told, and then the offline text stands."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.domain.domains import state
from jorney.judge.llm import Account, Reply
from jorney.thought.asked.rewrite import RewriteConfig, Rewritten, fault, locate, prompt, rewrite, visits_of
from jorney.thought.derive import DeriveConfig, Visit, placebo, shortcuts, walk
from jorney.thought.origins import unfounded
from jorney.thought.refine import RefineConfig, bare, check, compose
from jorney.thought.thought import Piece, Thought, from_json
from jorney.tree.tree import Node, Tree

TREE = Tree(
    "t",
    "What is 2 * 3 + 4?",
    "10",
    "abel",
    (
        Node(None),
        Node(0, "1. 2 * 3 = 5", sibling=0, rating=-1, justification="2 * 3 is 6, not 5", status="kept", excursion=True),
        Node(
            1,
            "\n2. 5 + 4 = 9\n#### 9",
            sibling=0,
            rating=-1,
            justification="it stands on 5",
            status="leaf-wrong",
            excursion=True,
        ),
        Node(0, "1. 2 * 3 = 6", sibling=1, rating=1),
        Node(3, "\n2. 6 + 4 = 10\n#### 10", sibling=0, rating=1, status="leaf-correct"),
    ),
)
VISITS = walk(TREE, 4, DeriveConfig(), 0)
OFFLINE = compose(TREE, VISITS, "journey", state, RefineConfig(), 0)
GOOD = """Let me compute the product first: 2 * 3 = 5, and so 5 + 4 = 9. Wait, 2 * 3 is 6, not 5. Alternatively, from the start:
1. 2 * 3 = 6
2. 6 + 4 = 10
Therefore the answer is 10.
#### 10"""


def _rewrite(*answers: str | None, tries: int = 3) -> tuple[Rewritten, list[Any]]:
    asked: list[Any] = []

    async def ask(chat: Any, number: int = 0) -> Reply:
        asked.append(chat)
        text = answers[len(asked) - 1]
        return Reply(text, error="too long") if text is None else Reply(text, "stop", Account(calls=1))

    return asyncio.run(rewrite(ask, "gpt", TREE, VISITS, OFFLINE, RewriteConfig(tries))), asked


def test_a_refinement_by_hand() -> None:
    (thought, account), (chat,) = _rewrite(f"Sure!\n<thought>\n{GOOD}\n</thought>")
    assert thought.text == GOOD
    assert (thought.refiner, thought.note, thought.kind, thought.leaf) == ("gpt", "", "journey", 4)
    assert thought.excursions == 1
    assert thought.pieces == (
        Piece("Let me compute the product first: ", "connective", 0),
        Piece("2 * 3 = 5", "excursion", 1),
        Piece(", and so ", "connective", 1),
        Piece("5 + 4 = 9", "excursion", 2),
        Piece(". Wait, 2 * 3 is 6, not 5. Alternatively, from the start:\n", "reflection", 2, 0),
        Piece("1. 2 * 3 = 6\n", "step", 3),
        Piece("2. 6 + 4 = 10\n", "step", 4),
        Piece("Therefore the answer is 10.\n#### 10", "conclusion", 4),
    )
    assert account == Account(calls=1)
    assert unfounded(thought, TREE) is None
    assert from_json(thought.to_json(), "line 1") == thought
    assert chat[1]["content"] == (
        "Question:\nWhat is 2 * 3 + 4?\n\nDraft:\n"
        "1. 2 * 3 = 5\n   (wrong: 2 * 3 is 6, not 5)\n"
        "2. 5 + 4 = 9\n   (wrong: it stands on 5)\n   (here they notice that this does not work, and go back to the question)\n"
        "3. 2 * 3 = 6\n4. 6 + 4 = 10\n\nEnd the text with this line:\n#### 10"
    )


ONE_TEXT = "expected one text between <thought> and </thought>"


def _changed(old: str, new: str) -> str:
    assert old in GOOD
    return f"<thought>{GOOD.replace(old, new)}</thought>"


@pytest.mark.parametrize(
    ("answer", "wrong", "failure"),
    [
        (GOOD, ONE_TEXT, "parse_failures"),
        (f"<thought>{GOOD}", ONE_TEXT, "parse_failures"),
        (f"<thought>{GOOD}</thought><thought>{GOOD}</thought>", ONE_TEXT, "parse_failures"),
        (_changed("2 * 3 = 5", "2 * 3 = 6"), "the step '2 * 3 = 5' of the draft is missing", "check_failures"),
        (_changed("5 + 4 = 9", ""), "the step '5 + 4 = 9' of the draft is missing", "check_failures"),
        (_changed("#### 10", "#### 9"), "the final answer has become '9'", "check_failures"),
        (_changed("#### 10", ""), "the final answer has become None", "check_failures"),
        (
            _changed(GOOD, "2 * 3 = 5\n5 + 4 = 9\n2 * 3 = 6\n6 + 4 = 10\n#### 10"),
            "where the draft goes back, the text must say what is wrong",
            "check_failures",
        ),
    ],
)
def test_what_does_not_hold_is_told_and_asked_again(answer: str, wrong: str, failure: str) -> None:
    (thought, account), asked = _rewrite(answer, f"<thought>{GOOD}</thought>")
    assert (thought.text, thought.refiner) == (GOOD, "gpt")
    assert account == Account(calls=2, **{failure: 1})
    assert asked[1][:2] == asked[0]
    assert asked[1][2] == {"role": "assistant", "content": answer}
    assert wrong in asked[1][3]["content"]


def test_after_so_many_tries_the_offline_text_stands_and_says_why() -> None:
    (thought, account), asked = _rewrite("no", "<thought>no</thought>", tries=2)
    assert thought == dataclasses.replace(OFFLINE, note=thought.note)
    assert thought.note == "gpt: the step '2 * 3 = 5' of the draft is missing, or stands before an earlier one"
    assert thought.refiner == "offline"
    assert account == Account(calls=2, parse_failures=1, check_failures=1, fallbacks=1)
    (thought, account), asked = _rewrite(None)
    assert (thought.note, account, len(asked)) == ("gpt: too long", Account(fallbacks=1), 1)


def _walks(tree: Tree) -> list[tuple[str, list[Visit], Thought]]:
    found = []
    for leaf in shortcuts(tree):
        visits = walk(tree, leaf, DeriveConfig(trials=3), 0)
        for kind, own in (("journey", visits), ("placebo", placebo(tree, visits, 0))):
            found.append((kind, own, compose(tree, own, kind, state, RefineConfig(), 0)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000).map(random_tree))
def test_a_walk_is_found_again_by_its_pieces(tree: Tree) -> None:
    for _, visits, thought in _walks(tree):
        assert visits_of(tree, thought, "line 1") == visits


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000).map(random_tree), st.integers(0, 1000))
def test_pieces_make_up_the_whole(tree: Tree, seed: int) -> None:
    """Whatever words stand between the steps: the pieces are the text, and every step is a piece of its node's kind."""
    rng = random.Random(seed)
    for _, visits, thought in _walks(tree):
        assert fault(tree, visits, thought.text) is None
        words = ["", " ", "\n", "Therefore ", " so,\n\n", "Let me compute: "]
        text = rng.choice(words).lstrip()
        for visit in visits:
            text += bare(tree, visit.node)
            text += rng.choice([". Wait, no. ", "\nWait.\n"]) if visit.back_to is not None else rng.choice(words)
        text = text.rstrip()
        assert check(tree, visits, text) is None
        pieces = locate(tree, visits, text)
        assert "".join(piece.text for piece in pieces) == text
        kinds = ["excursion" if visit.excursion else "step" for visit in visits]
        steps = [piece for piece in pieces if piece.kind in ("step", "excursion")]
        assert [piece.kind for piece in steps] == kinds
        assert [piece.text.strip() for piece in steps] == [bare(tree, visit.node) for visit in visits]
        assert sum(piece.kind == "reflection" for piece in pieces) == sum(visit.back_to is not None for visit in visits)
        assert all(piece.text for piece in pieces)


def test_a_step_whose_words_stand_in_a_reflection_as_well() -> None:
    text = GOOD.replace("from the start", "I take 2 * 3 = 6 from the start")
    assert [piece.text for piece in locate(TREE, VISITS, text) if piece.kind == "step"] == ["1. 2 * 3 = 6\n", "2. 6 + 4 = 10\n"]


def test_the_offline_text_is_taken_apart_as_it_was_made() -> None:
    assert locate(TREE, VISITS, OFFLINE.text) == OFFLINE.pieces


def test_a_thought_of_another_tree_is_refused() -> None:
    nodes = (TREE.nodes[0], dataclasses.replace(TREE.nodes[1], text="1. 2 * 3 = 7"), *TREE.nodes[2:])
    with pytest.raises(ValueError, match="line 3: expected a thought of the tree 't': piece 0 is not what node 1 says"):
        visits_of(dataclasses.replace(TREE, nodes=nodes), OFFLINE, "line 3")
    with pytest.raises(ValueError, match="line 3: expected a thought of the tree 't': it ends at node 4, not at its leaf 9"):
        visits_of(TREE, dataclasses.replace(OFFLINE, leaf=9), "line 3")
    with pytest.raises(ValueError, match="line 3: expected a thought of the tree 't': it ends at node 3, not at its leaf 4"):
        visits_of(TREE, dataclasses.replace(OFFLINE, pieces=OFFLINE.pieces[:-2]), "line 3")


def test_where_the_answer_has_no_line_of_its_own_the_prompt_states_one() -> None:
    nodes = (*TREE.nodes[:4], dataclasses.replace(TREE.nodes[4], text="2. 6 + 4 = $\\boxed{10}$"))
    tree = dataclasses.replace(TREE, nodes=nodes)
    assert prompt(tree, VISITS)[1]["content"].endswith("End the text with this line:\n#### 10")


def test_fields() -> None:
    with pytest.raises(ValueError, match="rewrite.tries = 1000000000: expected 1 or more, 100 at most"):
        RewriteConfig(tries=10**9)
    with pytest.raises(ValueError, match="rewrite.tries = 0: expected 1 or more"):
        RewriteConfig(0)
