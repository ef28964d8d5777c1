"""From the weights that are trained, split over all hosts, to weights that a process samples with on its own devices.

Training is one program over the devices of all processes. Sampling is one of each process: its loops end when its own texts
do, and hold no collective. Between the two the weights change places once: all devices take part, and afterwards every
process holds them whole.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from jorney import sharding
from jorney.compiled import Compilations
from jorney.model import lora as adapters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig
from jorney.model.params import Params, abstract, param_shardings
from jorney.policy import Policy


def copied(trained: Params, base: Params | None, lora: LoraConfig, dtype: Any) -> Params:
    """The weights that a model samples with, in the dtype of its computation: adapters merged, nothing shared with `trained`.

    Args:
      base: of adapters, which then are what is trained.
    """
    whole = trained if base is None else adapters.as_merged(adapters.join(base, trained, lora.scale))
    return jax.tree.map(lambda leaf: jnp.array(leaf, dtype, copy=True), whole)


class OwnWeights:
    """Gives this process the weights as they are; each process asks for them at the same time.

    Args:
      policy: the model that is trained, by its architecture, mesh and dtype; its parameters are not looked at.
      lora: adapters that are trained in its place.
    """

    def __init__(self, policy: Policy, lora: LoraConfig, compilations: Compilations) -> None:
        # A policy without weights: those that it came with are given away to the training.
        self._policy, self._lora, self._compilations = dataclasses.replace(policy, params={}), lora, compilations
        self.everywhere, self.own = sharding.for_sampling_apart(policy.mesh, policy.config.kv_heads)

    def policy(self, trained: Params, base: Params | None = None) -> Policy:
        """The policy on this process's devices, by what is trained now; the weights are the caller's to give away.

        Args:
          base: of adapters.
        """
        about, mesh = self._policy, self._policy.mesh
        where, lora, dtype = param_shardings(about.config, self.everywhere), self._lora, about.dtype
        straight = mesh.devices.flatten().tolist() == self.everywhere.devices.flatten().tolist()
        program = self._compilations.program(
            ("own weights", about.config, lora, dtype, mesh),
            "weights for sampling",
            lambda trained, base: copied(trained, base, lora, dtype),
            about.products,
            **({"out_shardings": where} if straight else {}),  # a program knows its devices in one order alone
        )
        with jax.set_mesh(mesh):
            whole = program(trained, base)
        whole = whole if straight else jax.device_put(whole, where, donate=True)
        return dataclasses.replace(about, params=jax.tree.map(self._mine, whole), mesh=self.own, lora=None, base="")

    def _mine(self, leaf: jax.Array) -> jax.Array:
        """What of an array on all devices lies on this process's: as an array of theirs alone, where it lies."""
        place: Any = leaf.sharding
        shards = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, NamedSharding(self.own, place.spec), shards)


def moved_bytes(config: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Bytes that a device receives when the weights change places: what it holds afterwards and did not hold before.

    Args:
      mesh: of the training.
    """
    everywhere, _ = sharding.for_sampling_apart(mesh, config.kv_heads)
    trees = abstract(config, dtype), param_shardings(config, mesh), param_shardings(config, everywhere)
    received: dict[Any, int] = dict.fromkeys(mesh.devices.flatten().tolist(), 0)
    for leaf, *places in zip(*map(jax.tree.leaves, trees), strict=True):
        before, after = (place.devices_indices_map(leaf.shape) for place in places)
        for device in received:
            ranges = [
                [part.indices(size)[:2] for part, size in zip(at[device], leaf.shape, strict=True)] for at in (before, after)
            ]
            common = math.prod(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in zip(*ranges, strict=True))
            received[device] += math.prod(stop - start for start, stop in ranges[1]) - common
    return float(max(received.values()) * jnp.dtype(dtype).itemsize)
