"""Log-probabilities of what was sampled, by the trainer's own forward: of the policy, and of its reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney import storage
from jorney.batch.groups import GroupRows
from jorney.checkpoint import Checkpoints
from jorney.compiled import Compilations
from jorney.model import lora as adapters
from jorney.model.params import Params
from jorney.policy import Policy
from jorney.reinforce.own_weights import copied
from jorney.train.objectives.grpo import GrpoConfig, group_log_probs

_KEPT = "reference"  # folder of references that took the place of the first


class References:
    """Reads completions by the policy and by its reference.

    Args:
      start: the policy that training starts from, the first reference; copied where one is needed.
      folder: where references are kept that took its place.
    """

    def __init__(self, start: Policy, config: GrpoConfig, folder: storage.PathLike, compilations: Compilations) -> None:
        self._config, self._compilations = config, compilations
        self._folder = storage.path(folder) / _KEPT
        self._about = dataclasses.replace(start, params={})  # its weights are given away to the training
        self.needed = config.reads_reference
        self._kept = 2  # and as many as may be replaced between two checkpoints, from which a killed training goes on
        if config.reference_every:
            between = config.reference_every * config.epochs * config.updates
            self._kept += -(-config.loop.save_every // between)
        self._since = 0  # the round at whose begin the reference was the policy
        self._params: Params | None = None
        if self.needed:
            dtype = start.dtype  # programs outlive the policy
            if config.lora.rank and not adapters.is_adapted(start.params):
                self._params = start.params  # the base, which stays as it is
                return
            with jax.set_mesh(start.mesh):
                copy = jax.jit(lambda params: jax.tree.map(lambda leaf: jnp.array(leaf, dtype, copy=True), params))
                self._params = copy(adapters.as_merged(start.params))

    def at(self, number: int, trained: Params, base: Params | None) -> None:
        """Sets the reference for a round: the policy as it is where its time has come, or the one that was kept."""
        every = self._config.reference_every
        since = number // every * every if every else 0
        if not self.needed or since == self._since:
            return
        with jax.set_mesh(self._about.mesh), Checkpoints(self._folder, self._kept) as kept:
            if since not in kept.steps():  # its round begins: where a training goes on amid it, it is there
                if number != since:
                    raise ValueError(
                        f"{self._folder}: the reference of round {since} is gone, and round {number} needs it: begin anew, in "
                        f"another output (was grpo.loop.save-every = {self._config.loop.save_every} larger before?)"
                    )
                places = self._leave(lambda leaf: leaf.sharding)
                self._params = self._copied(trained, base, places)
                kept.save(since, self._params)
            else:
                like = self._leave(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding))
                self._params = kept.restore(since, like)
        self._since = since

    def _leave(self, what: Callable[[jax.Array], Any]) -> Any:
        """Something of each parameter of the reference, which is let go: the next takes its room."""
        found = jax.tree.map(what, self._params)
        self._params = None
        return found

    def _copied(self, trained: Params, base: Params | None, places: Any) -> Params:
        lora, dtype = self._config.lora, self._about.dtype
        return jax.jit(lambda trained, base: copied(trained, base, lora, dtype), out_shardings=places)(trained, base)

    def read_policy(self, rows: GroupRows, trained: Params, base: Params | None) -> tuple[np.ndarray, np.ndarray]:
        """[R, C * L] log-probabilities and entropies of completion tokens under what is trained."""
        return self._read(rows, trained if base is None else adapters.join(base, trained, self._config.lora.scale))

    def read_reference(self, rows: GroupRows) -> np.ndarray:
        """[R, C * L] log-probabilities of completion tokens under the reference."""
        assert self._params is not None, "there is no price of leaving the reference"
        return self._read(rows, self._params)[0]

    def _read(self, rows: GroupRows, params: Params) -> tuple[np.ndarray, np.ndarray]:
        return group_log_probs(dataclasses.replace(self._about, params=params), rows, self._config, self._compilations)
