"""The way from a policy to a trained policy, the same for every objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jorney import devices, sharding, storage
from jorney.batch.loader import Batches, BatchStream, hold_out
from jorney.compiled import Compilations
from jorney.config import AtMost
from jorney.model import lora as adapters
from jorney.model.lora import LoraConfig
from jorney.model.params import Params
from jorney.policy import Policy
from jorney.precision import decides
from jorney.train import loop as loops
from jorney.train.loop import Training
from jorney.train.metrics import Record
from jorney.train.objective import TrainingConfig, objective_of

C = TypeVar("C", bound=TrainingConfig)


@dataclasses.dataclass(frozen=True)
class Data:
    """All batches of a training, and those of the examples that are held out."""

    batches: BatchStream
    held_out: BatchStream | None = None


def fitted(policy: Policy, examples: Sequence[Any], config: C, seed: int) -> C:
    """The settings; a batch that nobody stated has no more rows than the examples fill, so that no step is mostly padding.

    It has a power of two of them, so that most meshes divide it: a training may go on on another.
    """
    size = getattr(config, config.batch)
    if not isinstance(size, AtMost):
        return config
    train, _ = hold_out(examples, config.held_out, seed)
    together = config.accumulate * sharding.ways("batch", policy.mesh)
    fill = max(together, 1 << (len(objective_of(config).layout(config, train)) - 1).bit_length())
    return config if fill >= size else dataclasses.replace(config, **dict[str, Any]({config.batch: fill}))


def prepare(policy: Policy, examples: Sequence[Any], config: TrainingConfig, seed: int) -> Data:
    """Lays out all batches of a training, whose objective is that of `config`.

    Raises:
      ValueError: an example does not fit, none has a token to learn, rows are longer than the model can read, or the mesh
        cannot split a batch.
    """
    config.expect_split(policy.mesh)
    objective = objective_of(config)

    def batches(members: Sequence[Any], epochs: int) -> Batches:
        rows = objective.layout(config, members, config.rows)
        objective.check(policy.config, config, rows)
        if not rows.read_out(rows.arrays):
            raise ValueError(
                f"{config.name}: none of {len(members):,} examples has a token to learn: expected completions, labels or pairs "
                "that bear loss"
            )
        return Batches(rows, config.rows, epochs, seed)

    train, held = hold_out(examples, config.held_out, seed)
    return Data(batches(train, config.epochs), batches(held, 1) if held else None)


def train(
    policy: Policy,
    data: Data,
    config: TrainingConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
    donate: bool = False,
    track: Sequence[str] = (),
) -> tuple[Policy, list[Record]]:
    """Trains a policy, or what the objective makes of it; resumes from `folder` when that holds a checkpoint.

    Args:
      data: from `prepare`, with the same policy, settings and seed.
      folder, on_step, donate, track: see `train.loop.train`.

    Returns:
      The trained policy, and the metrics of every step.

    Raises:
      ValueError: `folder` holds a training on other data, or with other settings.
    """
    objective, compilations = objective_of(config), compilations or Compilations()
    _expect_same(policy, config.lora)

    def with_reference(batches: BatchStream, name: str) -> BatchStream:
        return batches.changed(lambda rows: objective.with_reference(policy, rows, config, folder, name, compilations))

    batches = with_reference(data.batches, "reference")
    held_out = with_reference(data.held_out, "held_out_reference") if data.held_out else None
    start = objective.start(policy, seed)
    if donate:  # what of the policy is not used, such as the head that a reward model's own replaces
        used = {id(leaf) for leaf in jax.tree.leaves(start.params)}
        devices.release([leaf for leaf in jax.tree.leaves(policy.params) if id(leaf) not in used])
    loss_fn, lora = objective.loss(start.config, config, start.dtype), config.lora
    params, base = start.params, None
    if lora.rank:
        params, base = _adapters(start, lora, seed), adapters.part(start.params)[0]
        loss_fn = adapters.over_base(loss_fn, lora.scale)
    known = {config.name: config.decides(), "seed": seed, "dtype": str(start.dtype), "data": batches.digest}
    known |= decides(start.dtype, start.precision)
    if base is not None:
        known["base"] = adapters.fingerprint(base)
    more = (config.accumulate, held_out, config.best, start.products, lora)
    training = Training(start.config, loss_fn, batches, config.optimizer, known, *more)
    place = (params, start.mesh, folder, config.loop, compilations, on_step, donate or base is not None)
    params, records = loops.train(training, *place, start.memory, track, base)
    if base is None:
        return dataclasses.replace(start, params=params, source=str(folder)), records
    whole = adapters.join(base, params, lora.scale)
    return dataclasses.replace(start, params=whole, lora=lora, base=start.base or start.source, source=str(folder)), records


def _expect_same(policy: Policy, lora: LoraConfig) -> None:
    """Raises ValueError where a policy has an adapter and others are to be trained, or has several to choose from."""
    if policy.adapters:
        raise ValueError(f"{policy.source}: has adapters to choose from: expected a model that was loaded without them")
    if policy.lora not in (None, lora):
        has, wants = (dataclasses.asdict(one) for one in (policy.lora, lora))
        told = ", ".join(f"lora.{name} = {wants[name]!r}, expected {has[name]!r}" for name in has if has[name] != wants[name])
        what = f"{policy.source}: is an adapter, to be trained on as it is"
        raise ValueError(f"{what}: {told}; or merge it first (jorney export --merge)")


def _adapters(policy: Policy, lora: LoraConfig, seed: int) -> Params:
    """Those that the policy has, to go on with, in arrays of their own; else fresh ones."""
    if policy.lora is None:
        return adapters.init(policy.config, lora, policy.params, policy.mesh, seed)
    own = adapters.part(policy.params)[1]
    return jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32, copy=True), own)
