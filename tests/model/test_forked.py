"""Branches of one prompt in a row are rows of their own: hidden states and gradients, with windows and padding."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.attention import causal_attention, forked_attention
from jorney.sharding import MeshConfig, make_mesh

P, L = 9, 6


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("C", [1, 2, 5])
def test_branches_attend_as_rows_of_their_own(C: int, window: int | None) -> None:
    rng = np.random.default_rng(0)
    query, keys, values = (rng.standard_normal((3, P + C * L, heads, 8), np.float32) for heads in (4, 2, 2))
    found = forked_attention(query, keys, values, np.ones((3, P + C * L), np.int32), L, C, window)
    assert found.shape == query.shape
    for branch in range(C):
        own = [*range(P), *range(P + branch * L, P + (branch + 1) * L)]
        ones = np.ones((3, P + L), np.int32)
        expected = causal_attention(query[:, own], keys[:, own], values[:, own], ones, ones, window)
        np.testing.assert_allclose(found[:, own], expected, atol=1e-5)


def _rows(C: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, parts and positions of two rows: prompts padded on the left, branches on the right, one of them empty."""
    rng = np.random.default_rng(C)
    tokens, parts, positions = (np.zeros((2, P + C * L), np.int32) for _ in range(3))
    for row, prompt in enumerate((P, 5)):
        for part, start, count, first in [
            (1, P - prompt, prompt, 0),
            *((2 + b, P + b * L, (L - (b + row) % 4) * (C == 1 or b != 1), prompt) for b in range(C)),
        ]:
            where = slice(start, start + count)
            tokens[row, where], parts[row, where] = rng.integers(3, 72, count), part
            positions[row, where] = first + np.arange(count)
    return tokens, parts, positions


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("C", [1, 3, 4])
@pytest.mark.parametrize("spread", [False, True], ids=["one device", "eight devices"])
def test_hidden_states_and_gradients_are_those_of_rows_of_their_own(tiny, C: int, window: int | None, spread: bool) -> None:
    config = dataclasses.replace(tiny, window=window, family="mistral")
    params = parameters.init(config, jax.random.key(0))
    tokens, parts, positions = _rows(C)
    weights = np.random.default_rng(1).normal(size=(*tokens.shape, config.embed)).astype(np.float32)
    # Of each branch a row, with its prompt; what the prompt itself reads is weighed once.
    own = [[*range(P), *range(P + b * L, P + (b + 1) * L)] for b in range(C)]
    alone = [np.concatenate([x[:, places] for places in own]) for x in (tokens, (parts > 0).astype(np.int32), positions)]
    alone_weights = np.concatenate([weights[:, places] for places in own])
    alone_weights[2:, :P] = 0

    def together(p):
        hidden = transformer.forked_hidden_states(config, p, tokens, parts, positions, L, C)
        return jnp.sum(jnp.where(parts[..., None] > 0, hidden * weights, 0)), hidden

    def apart(p):
        hidden = transformer.hidden_states(config, p, *alone)
        return jnp.sum(jnp.where(alone[1][..., None] > 0, hidden * alone_weights, 0)), hidden

    expected = jax.jit(jax.grad(apart, has_aux=True))(params)
    if spread:
        with jax.set_mesh(make_mesh(MeshConfig(data=1, fsdp=2, tensor=4))):
            found = jax.jit(jax.grad(together, has_aux=True))(params)
    else:
        found = jax.jit(jax.grad(together, has_aux=True))(params)
    for branch, places in enumerate(own):
        real = parts[:, places] > 0
        theirs = np.asarray(expected[1])[2 * branch : 2 * branch + 2]
        np.testing.assert_allclose(np.asarray(found[1])[:, places][real], theirs[real], atol=2e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max()), found[0], expected[0])
