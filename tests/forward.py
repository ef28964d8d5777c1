"""A whole forward pass over one text: what packed, shared and cached ones are held against."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import hidden_states, read_out


def log_probs(config: ModelConfig, params: Params, ids: Sequence[int], length: int = 96) -> np.ndarray:
    """Of the id, or label, that follows each of a text's: [T, V]. Texts up to the length share one program."""
    padded = np.zeros((1, length), np.int32)
    padded[0, : len(ids)] = ids
    return np.asarray(_log_probs(config, params, padded))[0, : len(ids)]


@functools.partial(jax.jit, static_argnums=0)
def _log_probs(config: ModelConfig, params: Params, ids: jax.Array) -> jax.Array:
    hidden = hidden_states(config, params, ids, jnp.ones_like(ids), jnp.arange(ids.shape[1])[None])
    return jax.nn.log_softmax(read_out(config, params, hidden))
