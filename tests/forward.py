"""A whole forward pass over one text: what packed, shared and cached ones are held against."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from jorney.model import transformer
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params


def log_probs(config: ModelConfig, params: Params, ids: Sequence[int], length: int = 96) -> np.ndarray:
    """Of the id, or label, that follows each of a text's: [T, V]. Texts up to the length share one program."""
    padded = np.zeros((1, length), np.int32)
    padded[0, : len(ids)] = ids
    return np.asarray(jax.nn.log_softmax(whole_logits(config, params, padded)))[0, : len(ids)]


whole_logits = jax.jit(transformer.logits, static_argnums=0)
