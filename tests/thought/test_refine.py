"""Walks as texts: by hand for Countdown, and laws over random trees."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.countdown.verify import rate
from jorney.domain.domains import state
from jorney.policy import resolve
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.derive import DeriveConfig, placebo, shortcuts, walk
from jorney.thought.encode import encode_thought
from jorney.thought.refine import RefineConfig, check, compose
from jorney.thought.thought import Thought, from_json
from jorney.tree.tree import Node, Tree

PROBLEM = make_problem((3, 4, 5, 9), 20)


def countdown_tree() -> Tree:
    """3, 4, 5, 9 -> 20, with a wrong first step that was followed, and a wrong second step that was not."""
    lines = {
        1: (0, 0, "1. 5 * 9 = 45 (left: 3, 4, 45)"),
        2: (1, 0, "2. 3 * 4 = 12 (left: 12, 45)"),
        3: (2, 0, "3. 45 - 12 = 33 (left: 33)\n#### 33"),
        4: (0, 1, "1. 9 - 4 = 5 (left: 3, 5, 5)"),
        5: (4, 0, "2. 5 * 5 = 25 (left: 3, 25)"),
        6: (4, 1, "2. 3 * 5 = 15 (left: 5, 15)"),
        7: (6, 0, "3. 5 + 15 = 20 (left: 20)\n#### 20"),
    }
    nodes = [Node(None)]
    steps: dict[int, list[str]] = {0: []}
    for index, (parent, sibling, text) in lines.items():
        steps[index] = [*steps[parent], text[3:]]
        rating = rate(PROBLEM, steps[index])
        status = "kept" if "####" not in text else "leaf-correct" if text.endswith(" 20") else "leaf-wrong"
        nodes.append(
            Node(
                parent=parent,
                text=("\n" if parent else "") + text,
                sibling=sibling,
                rating=rating.correct,
                justification=rating.justification,
                status="pruned" if index == 5 else status,
                excursion=index < 4,
            )
        )
    return Tree(PROBLEM.id, PROBLEM.question, PROBLEM.answer, "abel", tuple(nodes), 0, PROBLEM.verifier, PROBLEM.meta)


JOURNEY = """1. 5 * 9 = 45 (left: 3, 4, 45)
2. 3 * 4 = 12 (left: 12, 45)
3. 45 - 12 = 33 (left: 33)
Wait, 33 is not 20. Go back to 3, 4, 5, 9.
1. 9 - 4 = 5 (left: 3, 5, 5)
2. 5 * 5 = 25 (left: 3, 25)
Wait, 3 and 25 give 22, 28, 75. Go back to 3, 5, 5.
2. 3 * 5 = 15 (left: 5, 15)
3. 5 + 15 = 20 (left: 20)
#### 20"""
SHORTCUT = """1. 9 - 4 = 5 (left: 3, 5, 5)
2. 3 * 5 = 15 (left: 5, 15)
3. 5 + 15 = 20 (left: 20)
#### 20"""


def _thought(kind: str, **derive: object) -> Thought:
    tree = countdown_tree()
    (leaf,) = shortcuts(tree)
    visits = walk(tree, leaf, DeriveConfig(**derive), 0)  # type: ignore[arg-type]
    if kind == "placebo":
        visits = placebo(tree, visits, 0)
    return compose(tree, visits, kind, state, RefineConfig(), 0)


def test_a_journey_by_hand() -> None:
    thought = _thought("journey")
    assert thought.text == JOURNEY
    assert thought.excursions == 2
    assert [piece.kind for piece in thought.pieces if piece.kind != "step"] == [
        *["excursion"] * 3,
        "reflection",
        "excursion",
        "reflection",
        "conclusion",
    ]
    assert grade_countdown(PROBLEM, thought.text).correct


def test_a_shortcut_by_hand() -> None:
    thought = _thought("shortcut", excursion="none")
    assert thought.text == SHORTCUT
    assert grade_countdown(PROBLEM, thought.text).correct


def test_a_placebo_goes_back_from_right_steps() -> None:
    """As often, as many steps, and none of them wrong."""
    thought, journey = _thought("placebo"), _thought("journey")
    assert thought.excursions == journey.excursions == 2
    assert len(thought.text.splitlines()) == len(JOURNEY.splitlines())
    assert thought.text.splitlines()[3] == "Wait, 20 is 20. Go back to 3, 4, 5, 9."
    assert all(rate(PROBLEM, [line[3:]]).correct for line in thought.text.splitlines() if line.startswith("1. "))
    assert grade_countdown(PROBLEM, thought.text).correct


def test_excursions_can_be_left_out_of_the_loss() -> None:
    tokenizer = load_tokenizer(resolve("embedded"))
    thought = _thought("journey")
    whole, quiet = (encode_thought(tokenizer, ABEL, thought, excursion_loss=on) for on in (True, False))
    assert whole.tokens == quiet.tokens
    assert whole.silent == ()
    assert tokenizer.decode(whole.tokens[whole.prompt : -1]) == JOURNEY
    lines = "".join(line + "\n" for n, line in enumerate(JOURNEY.splitlines()) if n in (0, 1, 2, 5))
    assert tokenizer.decode([quiet.tokens[index] for index in quiet.silent]) == lines
    assert min(quiet.silent) == quiet.prompt


def test_thoughts_are_read_back_equal() -> None:
    thought = _thought("journey")
    assert from_json(thought.to_json(), "line 1") == thought
    assert thought.to_json()["longCOT"] == JOURNEY
    with pytest.raises(ValueError, match="line 3: the field 'pieces' is missing"):
        from_json({key: value for key, value in thought.to_json().items() if key != "pieces"}, "line 3")
    with pytest.raises(ValueError, match="line 3: pieces: expected a list"):
        from_json({**thought.to_json(), "pieces": [["a", "b"]]}, "line 3")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000).map(random_tree), st.integers(1, 4), st.sampled_from(["journey", "placebo"]))
def test_every_step_of_the_walk_is_in_the_text(tree, trials, kind) -> None:
    for leaf in shortcuts(tree):
        visits = walk(tree, leaf, DeriveConfig(trials=trials), 0)
        if kind == "placebo":
            visits = placebo(tree, visits, 0)
        thought = compose(tree, visits, kind, state, RefineConfig(), 0)
        assert check(tree, visits, thought.text) is None
        assert thought.excursions == sum(visit.back_to is not None for visit in visits)
        assert compose(tree, visits, kind, state, RefineConfig(), 0) == thought


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000).map(random_tree))
def test_a_placebo_is_the_journey_with_right_steps(tree) -> None:
    for leaf in shortcuts(tree):
        visits = walk(tree, leaf, DeriveConfig(trials=3), 0)
        swapped = placebo(tree, visits, 0)
        assert [v.node for v in swapped if not v.excursion] == [v.node for v in visits if not v.excursion]
        assert [v.back_to for v in swapped if v.back_to is not None] == [v.back_to for v in visits if v.back_to is not None]
        assert all(tree.nodes[visit.node].correct for visit in swapped)
        assert len(swapped) <= len(visits)


def test_a_refinement_is_checked() -> None:
    tree = countdown_tree()
    (leaf,) = shortcuts(tree)
    visits = walk(tree, leaf, DeriveConfig(), 0)
    assert check(tree, visits, JOURNEY) is None
    assert check(tree, visits, "Let me see. " + JOURNEY.replace("Wait", "Hmm")) is None
    assert "'3 * 5 = 15 (left: 5, 15)'" in str(check(tree, visits, JOURNEY.replace("2. 3 * 5 = 15 (left: 5, 15)\n", "")))
    assert "missing" in str(check(tree, [*visits[:1], *visits], JOURNEY))
    assert "the final answer has become '21'" in str(check(tree, visits, JOURNEY.replace("#### 20", "#### 21")))


@pytest.mark.parametrize(("name", "phrases"), [("reflect", ("Wait.",)), ("back", ("Go back.",)), ("reflect_unseen", ())])
def test_wrong_phrases(name, phrases) -> None:
    with pytest.raises(ValueError, match=f"refine.{name} = "):
        RefineConfig(**{name: phrases})


def test_without_a_state_the_step_is_named() -> None:
    tree = dataclasses.replace(countdown_tree(), verifier="math")
    (leaf,) = shortcuts(tree)
    lines = compose(tree, walk(tree, leaf, DeriveConfig(), 0), "journey", state, RefineConfig(), 0).text.splitlines()
    assert lines[3] == "Wait, 33 is not 20. Go back to the question."
    assert lines[6] == "Wait, 3 and 25 give 22, 28, 75. Go back to step 1."
