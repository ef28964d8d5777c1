"""Tensors that config.json makes redundant: held against what stands in their place before they are dropped."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from jorney.convert.stored import StoredTensor
from jorney.model.architecture import ModelConfig
from jorney.model.attention import frequencies

Found = list[tuple[str, StoredTensor]]
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
# Buffers that old checkpoints carry along: the causal masks of other programs, which say nothing of the model, and the rotary
# frequencies, which are computed here.
_MASKS, _FREQUENCIES = re.compile(r"\.attn\.bias$|\.masked_bias$"), re.compile(r"\.rotary_emb\.inv_freq$")
_BLOCK = 8 << 20  # bytes of either tensor that are compared at a time


def dropped(config: ModelConfig, name: str) -> bool:
    """Whether a tensor that has no row in the parameter table is no fault."""
    # Some writers repeat a tied head, and those of reward models keep the trunk's own.
    head = name == HEAD and (config.tie_embeddings or config.head != "lm")
    return bool(head or _MASKS.search(name) or _FREQUENCIES.search(name))


def by_role(config: ModelConfig, found: Found) -> Found:
    """Of a tied model that was saved under its head's name alone, the tensor under the embedding's name; else as it was."""
    if not config.tie_embeddings or EMBEDDING in dict(found):
        return found
    return [(EMBEDDING if name == HEAD else name, tensor) for name, tensor in found]


def own_head(config: ModelConfig, found: Found) -> str | None:
    """Of a model that config.json ties: what to tell where its head has other values than its embedding, else None.

    transformers then uses the head, and so does Jorney: the model is not tied. Reads both, a block at a time.
    """
    stored = dict(found)
    if not config.tie_embeddings or HEAD not in stored or EMBEDDING not in stored:
        return None
    head, embedding = stored[HEAD], stored[EMBEDDING]
    if head.shape != embedding.shape or len(head.shape) != 2 or _equal(head, embedding):  # `hf.check` refuses other shapes
        return None
    return (
        f"{head.file}: {HEAD} has other values than {EMBEDDING}, though config.json states tie_word_embeddings: "
        "it is used, and the model is not tied"
    )


def _equal(one: StoredTensor, other: StoredTensor) -> bool:
    if one == other:  # torch.save writes what is shared once
        return True
    step = max(1, _BLOCK // max(1, one.shape[1] * max(one.dtype.itemsize, other.dtype.itemsize)))
    blocks = ((low, min(low + step, one.shape[0])) for low in range(0, one.shape[0], step))

    def read(stored: StoredTensor, block: tuple[int, int]) -> np.ndarray:
        return stored.rows(*block).astype(np.float64)  # which holds every number of the other dtypes

    return all(np.array_equal(read(one, block), read(other, block), equal_nan=True) for block in blocks)


def untied(config: ModelConfig) -> ModelConfig:
    """The architecture with a head of its own."""
    return dataclasses.replace(config, tie_embeddings=False)


def other_frequencies(config: ModelConfig, found: Found) -> str | None:
    """What to tell where stored rotary frequencies are not those of config.json, else None.

    As in transformers, config.json's are used. Stored ones may be rounded, and without the scaling.
    """
    buffers = [(name, tensor) for name, tensor in found if _FREQUENCIES.search(name)]
    computed = [frequencies(one) for one in (config, dataclasses.replace(config, rope_scaling=None)) if buffers]
    for name, tensor in buffers:
        stated = tensor.rows(0, tensor.shape[0]).astype(np.float64) if tensor.shape == computed[0].shape else np.array(np.nan)
        if not any(np.allclose(stated, known, rtol=1e-2, atol=1e-6) for known in computed):
            return f"{tensor.file}: {name} holds other rotary frequencies than config.json states: config.json's are used"
    return None
