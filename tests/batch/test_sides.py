"""Tokens of sides that go on amid a text, and what rows hold of their steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.batch.pairs import Preference, lay_out
from jorney.batch.sides import PairSide, encode_sides
from jorney.batch.step_weights import softmax_weights, with_smoothing, with_step_weights
from jorney.policy import resolve
from jorney.text.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(resolve("embedded"))


def test_a_token_over_the_boundary_belongs_to_the_sides(tokenizer) -> None:
    """ " 3" and ")\\n" are single tokens: the prefix's last space goes with them, and no step ends on another token."""
    found = encode_sides(tokenizer, [0], "1. ", PairSide("3 + 4 = 7 (left: 5, 7)\n", False), PairSide("3 * 4 = 12", True))
    show = tokenizer.decode
    assert [show([one]) for one in found.prompt[1:]] == ["1", "."]
    assert show(found.chosen) == " 3 + 4 = 7 (left: 5, 7)\n"
    assert show([found.chosen[-1]]) == ")\n"
    assert (found.chosen[-1] == tokenizer.eos, found.rejected[-1] == tokenizer.eos) == (False, True)


def test_an_end_comes_once(tokenizer) -> None:
    end = tokenizer.backend.eos_token
    found = encode_sides(tokenizer, [0], "", PairSide(f"1{end}"), PairSide("2"))
    assert found.chosen == (*tokenizer.encode("1"), tokenizer.eos)


def test_tokens_of_steps(tokenizer) -> None:
    steps = ((len("1. 3 + 4 = 7\n"), 0.9), (len("2. 7 + 1 = 8\n"), 0.2), (len("#### 8"), 0.4))
    text = "1. 3 + 4 = 7\n2. 7 + 1 = 8\n#### 8"
    found = encode_sides(tokenizer, [0], "", PairSide(text, True, steps), PairSide("no"))
    assert sum(count for count, _ in found.chosen_steps) == len(found.chosen)
    at, texts = 0, []
    for count, _ in found.chosen_steps:
        texts.append(tokenizer.decode(found.chosen[at : at + count]))
        at += count
    assert texts == ["1. 3 + 4 = 7\n", "2. 7 + 1 = 8\n", "#### 8"]
    assert [score for _, score in found.chosen_steps] == [0.9, 0.2, 0.4]


def test_weights_by_hand() -> None:
    """Full-Step-DPO's: scores of .9 and .1 chosen, .8 and .2 rejected."""
    assert softmax_weights([0.9, 0.1], 1.0) == pytest.approx([0.68997, 0.31003], abs=1e-5)
    assert softmax_weights([0.8, 0.2], -1.0) == pytest.approx([0.35434, 0.64566], abs=1e-5)
    assert softmax_weights([0.8, 0.2], 0.0) == pytest.approx([0.5, 0.5])
    assert softmax_weights([0.9, 0.1], 1000.0) == pytest.approx([1, 0])
    assert softmax_weights([0.9, 0.1], -1000.0) == pytest.approx([0, 1])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.floats(-20, 20))
def test_weights_sum_to_one(scores, gamma) -> None:
    found = softmax_weights(scores, gamma)
    assert found.sum() == pytest.approx(1)
    order = np.argsort(np.sign(gamma) * np.asarray(scores), kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()


def test_rows_of_weights_and_smoothing() -> None:
    steps = ((2, 0.9), (1, 0.1))
    pairs = [
        Preference((1,), (5, 6, 7), (8,), 0.25, steps, ((1, 0.3),)),
        Preference((1,), (5,), (6,), 0.0, ((1, 1.0),), ((1, 0.0),)),
    ]
    plain = lay_out(pairs, 4)
    assert "smoothing" not in plain.arrays
    assert "chosen_weights" not in plain.arrays
    rows = with_smoothing(with_step_weights(plain, pairs, 1.0), pairs)
    assert rows.chosen_weights[:, :4].tolist() == [
        pytest.approx([0.68997, 0.68997, 0.31003, 0], abs=1e-5),
        [1, 0, 0, 0],
        [0] * 4,
        [0] * 4,
    ]
    assert rows.rejected_weights[0, :2].tolist() == [1, 0]
    assert rows.smoothing.tolist() == [0.25, 0, 0, 0]
    with pytest.raises(
        ValueError, match="preference 0: nothing is known of the steps of its chosen side: expected their scores"
    ):
        with_step_weights(lay_out([Preference((1,), (2,), (3,))]), [Preference((1,), (2,), (3,))], 1.0)
    with pytest.raises(ValueError, match="preference 0: has no smoothing of its own"):
        with_smoothing(lay_out([Preference((1,), (2,), (3,))]), [Preference((1,), (2,), (3,))])
