"""Trees of tokens in a row: every token once, its ancestors alone before it, and the loss of the texts apart."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.batch.branches import branch
from jorney.batch.packing import Example, pack
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.train.objectives.prm import prm_loss

TWO = [
    Example((5, 6, 7, 8, 2), prompt=2, labels=((2, 1.0), (3, 0.0))),
    Example((5, 6, 7, 9, 9, 2), prompt=2, labels=((2, 0.5), (4, 1.0))),
    Example((5, 4, 2), prompt=2, labels=((1, 1.0),)),
]


def test_a_row_of_two_trees() -> None:
    rows = branch(TWO, 10, 2)
    assert rows.tokens.tolist() == [[5, 6, 7, 8, 9, 9, 5, 4, 0, 0], [0] * 10]
    assert rows.positions[0].tolist() == [0, 1, 2, 3, 3, 4, 0, 1, 0, 0]
    assert rows.ends[0].tolist() == [6, 6, 6, 4, 6, 6, 8, 8, 0, 0]
    assert rows.labels[0].tolist() == [-1, -1, 0.75, 0, -1, 1, -1, 1, -1, -1]
    assert rows.weights[0].tolist() == [0, 0, 2, 1, 0, 1, 0, 1, 0, 0]
    assert (rows.occupied(rows.arrays), rows.padding) == (8, 12 / 20)


def test_a_long_tree_is_cut_between_texts() -> None:
    rows = branch(TWO[:2], 5)
    assert sorted(rows.tokens.tolist()) == [[5, 6, 7, 8, 0], [5, 6, 7, 9, 9]]
    assert rows.weights.sum() == 4


texts = st.lists(
    st.lists(st.integers(3, 5), min_size=2, max_size=9).flatmap(
        lambda ids: st.builds(
            lambda prompt, places, values: Example((*ids, 2), prompt, labels=tuple(zip(sorted(places), values, strict=False))),
            st.integers(1, 2),
            st.sets(st.integers(0, len(ids) - 1), min_size=1),
            st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=9, max_size=9),
        )
    ),
    min_size=1,
    max_size=7,
)


@given(texts)
@settings(max_examples=200, deadline=None)
def test_every_text_is_found_along_the_ancestors(examples) -> None:
    """And all labels, with their number."""
    rows = branch(examples, 12)
    found = []
    for tokens, positions, ends in zip(rows.tokens, rows.positions, rows.ends, strict=True):
        for place in np.flatnonzero(ends):
            path = [other for other in range(place + 1) if place < ends[other]]
            assert positions[path].tolist() == list(range(len(path)))
            found.append(tuple(tokens[path].tolist()))
    assert {example.tokens[:-1] for example in examples} <= set(found)
    assert set(found) == {e.tokens[:stop] for e in examples for stop in range(1, len(e.tokens))}
    known = [value for example in examples for _, value in example.labels]
    assert rows.weights.sum() == len(known)
    assert np.sum(rows.weights * np.clip(rows.labels, 0, 1)) == pytest.approx(sum(known))


TINY = ModelConfig(
    vocab_size=16, embed=16, layers=2, heads=2, kv_heads=1, head_dim=8, mlp=24, head="linear", labels=2, head_bias=True
)
_loss = jax.jit(lambda params, batch: jax.value_and_grad(prm_loss(TINY), has_aux=True)(params, batch))


@given(texts)
@settings(max_examples=15, deadline=None)
def test_the_loss_and_its_gradient_are_those_of_texts_apart(examples) -> None:
    params = parameters.init(dataclasses.replace(TINY, init_scale=0.5), jax.random.key(0))
    (total, sums), gradient = _loss(params, branch(examples, 12, 7)[:7])
    (expected, others), apart = _loss(params, pack(examples, 12, 7)[:7])
    assert float(total) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)
    assert float(sums["count"]) == float(others["count"])
    for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4 * max(1.0, float(np.abs(other).max())))


def test_what_cannot_be_laid_out() -> None:
    with pytest.raises(ValueError, match="there are no examples"):
        branch([], 8)
    with pytest.raises(ValueError, match="example 1 has 6 tokens: expected 2 to 5"):
        branch(TWO, 4)
    with pytest.raises(ValueError, match="example 0 has a label at its last token"):
        branch([Example((5, 6), labels=((1, 1.0),))], 4)
