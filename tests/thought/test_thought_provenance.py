"""Every piece of a thought against what it points to, over random trees and by hand."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.domain.domains import state
from jorney.thought.derive import EXCURSIONS, DeriveConfig, placebo, shortcuts, walk
from jorney.thought.origins import unfounded
from jorney.thought.refine import RefineConfig, compose
from jorney.thought.thought import Piece, Thought, from_json


def _thoughts(tree, config, kind):
    for leaf in shortcuts(tree):
        visits = walk(tree, leaf, config, 0)
        visits = placebo(tree, visits, 0) if kind == "placebo" else visits
        yield visits, compose(tree, visits, kind, state, RefineConfig(), 0)


CONFIGS = st.builds(DeriveConfig, trials=st.integers(1, 4), excursion=st.sampled_from(EXCURSIONS))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000).map(random_tree), CONFIGS, st.sampled_from(["journey", "placebo"]))
def test_every_piece_points_to_its_node(tree, config, kind) -> None:
    for visits, thought in _thoughts(tree, config, kind):
        assert unfounded(thought, tree) is None
        assert [piece.node for piece in thought.pieces if piece.kind in ("step", "excursion")] == [v.node for v in visits]
        backs = [piece.back_to for piece in thought.pieces if piece.kind == "reflection"]
        assert backs == [visit.back_to for visit in visits if visit.back_to is not None]
        assert "".join(thought.text[start:stop] for start, stop in thought.spans) == thought.text
        assert thought.spans[-1][1] == len(thought.text)
        assert from_json(thought.to_json(), "row") == thought


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000).map(random_tree), st.randoms(use_true_random=False))
def test_a_piece_that_points_elsewhere_is_found(tree, rng) -> None:
    for _, thought in _thoughts(tree, DeriveConfig(trials=3), "journey"):
        index = rng.randrange(len(thought.pieces))
        piece = thought.pieces[index]
        others = [node for node in range(len(tree.nodes) + 2) if node != piece.node]
        moved = [*thought.pieces[:index], piece._replace(node=rng.choice(others)), *thought.pieces[index + 1 :]]
        assert unfounded(dataclasses.replace(thought, pieces=tuple(moved)), tree) is not None


ROW = {"id": "a", "question": "q", "answer": "1", "kind": "journey", "leaf": 2}
PIECES = [
    ["1. x\n", "excursion", 1],
    ["Wait. Go back.\n", "reflection", 1, 0],
    ["1. y\n", "step", 2],
    ["#### 1", "conclusion", 2],
]


def test_rows_of_earlier_versions_are_read() -> None:
    old = from_json({**ROW, "pieces": [piece[:2] for piece in PIECES], "longCOT": "1. x\nWait. Go back.\n1. y\n#### 1"}, "row")
    assert old == Thought("a", "q", "1", "journey", 2, tuple(Piece(text, kind) for text, kind, *_ in PIECES))
    assert unfounded(old) == "piece 0 points nowhere"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pieces": [["1. x\n", "step", -1]]}, "pieces: expected a list of"),
        ({"pieces": [["1. x\n", "step", True]]}, "pieces: expected a list of"),
        ({"pieces": [["1. x\n", "step", 1, 0]]}, "pieces: expected a list of"),
        ({"pieces": [["1. x\n", "step", 1, 0, 0]]}, "pieces: expected a list of"),
        ({"longCOT": "1. x\n"}, "longCOT: expected the text of the pieces"),
        ({"construction": "dream"}, "construction = 'dream': expected one of tree, propose-critique"),
        ({"kind": "dream"}, "kind = 'dream': expected one of shortcut"),
        ({"turns": [["question", "q"]]}, r"pieces\[0\]: points to turn 1 of 1"),
        ({"turns": ["question"]}, "turns: expected a list of"),
        ({"leaf": "2"}, "leaf = '2': expected a whole number"),
        ({"question": None}, "question = None: expected a text"),
        ({"leaf": -1}, "leaf = -1: expected a whole number, 0 or more"),
        ({"leaf": True}, "leaf = True: expected a whole number"),
        ({"refiner": 5}, "refiner = 5: expected a text"),
        ({"note": None}, "note = None: expected a text"),
        ({"pieces": []}, "pieces: expected a list of"),
    ],
)
def test_wrong_rows(change, message) -> None:
    with pytest.raises(ValueError, match=f"file: line 7: {message}"):
        from_json({**ROW, "pieces": PIECES, **change}, "file: line 7")
