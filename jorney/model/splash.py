"""Causal attention of whole sequences on TPUs: JAX's Pallas splash attention, on every device's own rows and heads.

Axis letters as in `blockwise`, whose signature this is.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

from jorney.sharding import spec, ways

_LANES = 128  # lengths are multiples of it
# Queries and keys of a block at most, by generation. Larger blocks read keys less often and hold more in the core's memory.
# Chosen by the size of that memory, not by measurement: `tools/tune_splash.py` measures them on a chip.
_BLOCK = {"TPU v6 lite": 1024, "TPU v6e": 1024, "TPU7x": 1024}
_BLOCK_ELSEWHERE = 512


def splash_attention(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    query_segments: jax.Array,
    key_segments: jax.Array,
    window: int | None = None,
    branches: int = 0,
    length: int = 0,
    block: int | None = None,
    interpret: bool = False,
) -> jax.Array:
    """`blockwise.blockwise_attention`, as a TPU does it best.

    Args:
      branches, length: C and L, where the last C*L positions are C branches (`attention.forked_attention`); 0 for none.
      block: queries and keys of a block at most, a multiple of 128; None for what the table says of the chip.
      interpret: runs the kernels' program on any device, slowly; for tests.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kind = mesh.abstract_device.device_kind if mesh.abstract_device else ""
    most = block or _BLOCK.get(kind, _BLOCK_ELSEWHERE)

    def local(
        query: jax.Array, keys: jax.Array, values: jax.Array, query_segments: jax.Array, key_segments: jax.Array
    ) -> jax.Array:
        T, N, H = query.shape[1:]
        S = keys.shape[1]
        more, more_keys = -T % _LANES, -S % _LANES
        # What fills a row up comes last, where no query sees it; as queries it does what the last one does, and is cut off.
        q = jnp.pad(query.swapaxes(1, 2) * H**-0.5, ((0, 0), (0, 0), (0, more), (0, 0)))
        k, v = (jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), (0, more_keys), (0, 0))) for x in (keys, values))
        ids = splash.SegmentIds(
            jnp.pad(query_segments, ((0, 0), (0, more)), mode="edge"),
            jnp.pad(key_segments, ((0, 0), (0, more_keys)), mode="edge"),
        )
        seen: Any
        if branches:
            seen = BranchMask((T + more, T + more), T - branches * length, length, window)
        elif window is None:  # a mask of its own, which the kernel computes more cheaply
            seen = masks.CausalMask((T + more, S + more_keys), S - T)
        else:
            seen = masks.LocalMask((T + more, S + more_keys), (window - 1, 0), S - T)
        found: Any = jax.vmap(_kernel(N, seen, most, interpret))(q.astype(query.dtype), k, v, ids)
        return found[:, :, :T].swapaxes(1, 2)

    if mesh.empty:
        return local(query, keys, values, query_segments, key_segments)
    batch = "batch" if query.shape[0] % ways("batch") == 0 else None  # one row alone is read by all
    many, few, rows = spec(batch, None, "heads", None), spec(batch, None, "kv_heads", None), spec(batch, None)
    # A kernel is no program that XLA could split: each device runs its own.
    split = jax.shard_map(local, mesh=mesh, in_specs=(many, few, few, rows, rows), out_specs=many, check_vma=False)
    return split(query, keys, values, query_segments, key_segments)


class BranchMask(masks.CausalMask):
    """A prompt, and branches after it that do not see each other; the kernel computes it, as it does its base.

    Args:
      size: [T, T].
      prompt, length: P, and L of each branch; the padding after the last is as one more.
    """

    def __init__(self, size: tuple[int, int], prompt: int, length: int, window: int | None) -> None:
        super().__init__(size)
        self._decides = (prompt, length, window)
        self.mask_function = self._seen

    def _seen(self, queries: Any, keys: Any) -> Any:
        prompt, length, window = self._decides
        asks, answers = self._branch(queries), self._branch(keys)
        seen = (queries >= keys) & ((keys < prompt) | (asks == answers))
        if window is None:
            return seen
        # Distances are those in a branch's text, which goes on from the prompt.
        back = asks * ((queries >= prompt) & (keys < prompt))
        return seen & (queries - keys - length * back < window)

    def _branch(self, places: Any) -> Any:
        """The number of the branch that holds a place, from 0 on; 0 or less in the prompt.

        By a product: TPUs have no division of whole numbers. Half a place is more than it is off by, up to 2^21 places.
        """
        prompt, length, _ = self._decides
        return ((places - prompt).astype(np.float32) * np.float32(1 / length) + np.float32(0.5 / length)).astype(np.int32)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BranchMask) and (self.shape, self._decides) == (other.shape, other._decides)

    def __hash__(self) -> int:
        return hash((type(self), self.shape, self._decides))


def _kernel(N: int, seen: masks.Mask, most: int, interpret: bool) -> Any:
    """For one row, of N heads."""
    T, S = seen.shape
    q, k = (max(size for size in range(_LANES, min(most, length) + 1, _LANES) if length % size == 0) for length in (T, S))
    blocks = splash.BlockSizes(
        block_q=q, block_kv=k, block_q_dkv=q, block_kv_dkv=k, block_kv_dkv_compute=k, block_q_dq=q, block_kv_dq=k
    )
    return splash.make_splash_mha(
        masks.MultiHeadMask([seen] * N),
        block_sizes=blocks,
        head_shards=1,
        q_seq_shards=1,
        residual_checkpoint_name="attended",  # see `transformer.REMAT_POLICIES`
        interpret=interpret,
    )
