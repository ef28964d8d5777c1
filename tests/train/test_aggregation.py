"""Weights of tokens: the argued-about means, by hand and in any layout."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.train.policy_gradient.aggregation import AGGREGATES, over_completions, token_weights

WEIGHTS = jax.jit(token_weights, static_argnums=(0, 3))
MASK = jnp.asarray([[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0]])
LOSSES = jnp.asarray([[1.0] * 8, [-1.0] * 8])


@pytest.mark.parametrize(("aggregate", "expected", "count"), [("sequence", 0, 2), ("token", -0.5, 8), ("constant", -0.25, 2)])
def test_two_completions_of_two_and_six_tokens(aggregate: str, expected: float, count: int) -> None:
    weights = token_weights(aggregate, MASK, MASK, 8)
    assert weights.count == count
    assert jnp.sum(LOSSES * weights.loss) / weights.count == pytest.approx(expected, abs=1e-7)
    assert jnp.sum(weights.metric) == pytest.approx(count)
    # The same in one packed row.
    segments = jnp.asarray([[0, 2, 2, 2, 2, 2, 2, 0, 1, 1]])
    packed = token_weights(aggregate, jnp.ones_like(segments), segments, 8)
    losses = jnp.where(segments == 1, 1.0, -1.0)
    assert packed.count == count
    assert jnp.sum(losses * packed.loss) / packed.count == pytest.approx(expected, abs=1e-7)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=9),
    st.sampled_from(AGGREGATES),
    st.integers(1, 3),
    st.integers(0, 2),
)
def test_any_layout_is_the_plain_mean(completions: list[tuple[int, int]], aggregate: str, used: int, padding: int) -> None:
    """Completions (tokens, of which so many without loss), dealt to rows with padding between them."""
    rows, T = 3, 80
    lengths = [(length, min(silent, length)) for length, silent in completions]
    values = [np.random.default_rng(place).normal(size=length) for place, (length, _) in enumerate(lengths)]
    losses, mask, segments = np.full((rows, T), np.nan), np.zeros((rows, T)), np.zeros((rows, T), np.int32)
    at, numbers = [padding] * rows, [0] * rows
    for place, (length, silent) in enumerate(lengths):
        row = place % used
        where = slice(at[row], at[row] + length)
        numbers[row] += 1
        losses[row, where], segments[row, where] = values[place], numbers[row]
        mask[row, at[row] + silent : at[row] + length] = 1
        at[row] += length + padding
    heard = [value[silent:] for value, (_, silent) in zip(values, lengths, strict=True) if len(value) > silent]
    expected, count = {
        "token": (sum(value.sum() for value in heard), sum(len(value) for value in heard)),
        "sequence": (sum(value.mean() for value in heard), len(heard)),
        "constant": (sum(value.sum() for value in heard) / 6, len(heard)),
    }[aggregate]
    # Micro-batches of a row each: sums and counts add up.
    found = [WEIGHTS(aggregate, *(jnp.asarray(x[row : row + 1]) for x in (mask, segments)), 6) for row in range(rows)]
    together = WEIGHTS(aggregate, jnp.asarray(mask), jnp.asarray(segments), 6)
    for parts in (found, [together]):
        total = np.nansum(np.concatenate([one.loss for one in parts]) * losses)
        assert total == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert sum(float(one.count) for one in parts) == count
        assert sum(float(one.metric.sum()) for one in parts) == pytest.approx(count, rel=1e-6)


def test_sums_over_completions() -> None:
    values, segments = jnp.asarray([[5.0, 1, 2, 3, 9]]), jnp.asarray([[0, 2, 2, 1, 0]])
    for how, expected in (("sum", [3, 3, 3]), ("min", [1, 1, 3]), ("max", [2, 2, 3])):
        assert over_completions(values, segments, how)[0, 1:4].tolist() == expected


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="aggregate = 'mean': expected one of sequence, token, constant"):
        token_weights("mean", MASK, MASK)
    with pytest.raises(ValueError, match="expected a max_length"):
        token_weights("constant", MASK, MASK)
