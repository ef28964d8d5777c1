"""Direct preference optimisation: pairs in, a policy that prefers the chosen ones out."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jorney import storage
from jorney.compiled import Compilations
from jorney.data.loader import Batches
from jorney.data.preferences import Preference, PreferenceRows, lay_out
from jorney.policy import Policy
from jorney.train import loop as loops
from jorney.train.loop import LoopConfig, Record, put
from jorney.train.losses import PREFERENCE_LOSSES, dpo_loss, preference_log_probs
from jorney.train.optimizer import OptimizerConfig


@dataclasses.dataclass(frozen=True)
class DpoConfig:
    """How pairs are sampled and a policy is trained on them.

    Attributes:
      samples: completions of a problem among which pairs are chosen.
      pairs: of a problem, at most.
      temperature, top_p: of sampling.
      beta: how dear it is to leave the reference.
      kind: "sigmoid" (DPO) or "ipo".
      label_smoothing: share of the pairs that are taken to be the wrong way round; with "sigmoid".
      prompt_length, completion_length: tokens of a row's prompt and of each completion; None for what the longest need.
      epochs: passes over the pairs.
      batch_pairs: pairs a step, over all devices.
      accumulate: micro-batches a step.
      head_chunk: positions whose logits are held at a time.
      remat: what the backward pass recomputes: "none", "dots" or "full".
    """

    samples: int = 20
    pairs: int = 5
    temperature: float = 0.7
    top_p: float = 0.95
    beta: float = 0.1
    kind: str = "sigmoid"
    label_smoothing: float = 0.0
    prompt_length: int | None = None
    completion_length: int | None = None
    epochs: int = 1
    batch_pairs: int = 64
    accumulate: int = 1
    head_chunk: int = 512
    remat: str = "none"
    optimizer: OptimizerConfig = dataclasses.field(default_factory=lambda: OptimizerConfig(learning_rate=1e-6))
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        for name in ("samples", "pairs", "epochs", "batch_pairs", "accumulate", "head_chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"dpo.{name} = {getattr(self, name)}: expected 1 or more")
        for name in ("temperature", "beta"):
            if not getattr(self, name) > 0:
                raise ValueError(f"dpo.{name} = {getattr(self, name)}: expected a number above 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"dpo.top_p = {self.top_p}: expected above 0, 1 at most")
        for name in ("prompt_length", "completion_length"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"dpo.{name} = {value}: expected 1 or more, or None")
        if self.kind not in PREFERENCE_LOSSES:
            raise ValueError(f"dpo.kind = {self.kind!r}: expected one of {', '.join(PREFERENCE_LOSSES)}")
        if not 0 <= self.label_smoothing < 0.5:
            raise ValueError(f"dpo.label_smoothing = {self.label_smoothing}: expected 0 or more, below 0.5")
        if self.label_smoothing and self.kind == "ipo":
            raise ValueError(f"dpo.label_smoothing = {self.label_smoothing}: expected 0 with dpo.kind = 'ipo'")
        if self.remat not in ("none", "dots", "full"):
            raise ValueError(f"dpo.remat = {self.remat!r}: expected 'none', 'dots' or 'full'")
        if self.batch_pairs % self.accumulate:
            raise ValueError(f"dpo.batch_pairs = {self.batch_pairs}: expected a multiple of dpo.accumulate = {self.accumulate}")

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "loop"}


def with_reference(
    policy: Policy, rows: PreferenceRows, config: DpoConfig, compilations: Compilations | None = None
) -> PreferenceRows:
    """The rows with their log-probabilities under `policy`, the reference; computed once, ahead of training.

    Raises:
      ValueError: the number of rows is no multiple of `config.batch_pairs`.
    """
    if len(rows) % config.batch_pairs:
        raise ValueError(f"{len(rows)} rows are no multiple of dpo.batch_pairs = {config.batch_pairs}: lay out with it")
    compilations = compilations or Compilations()
    # Programs outlive the policy: what they hold on to must not be its parameters.
    model, dtype, chunk = policy.config, policy.dtype, config.head_chunk
    program = compilations.program(
        ("reference", model, dtype, chunk, policy.mesh),
        "reference log-probs",
        lambda params, batch: preference_log_probs(model, params, batch, dtype, "none", chunk),
    )
    found = []
    with jax.set_mesh(policy.mesh):
        for start in range(0, len(rows), config.batch_pairs):
            members = [rows[row] for row in range(start, start + config.batch_pairs)]
            batch = {name: np.stack([member[name] for member in members]) for name in members[0]}
            found.append(jax.device_get(program(policy.params, put(batch, policy.mesh))))
    chosen, rejected = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return dataclasses.replace(rows, reference_chosen=chosen, reference_rejected=rejected)


def stored_reference(
    policy: Policy,
    rows: PreferenceRows,
    config: DpoConfig,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
) -> PreferenceRows:
    """`with_reference`, read from `folder`/reference.npz where that holds these rows', else computed and written there.

    A training that goes on elsewhere, on another mesh or another machine, keeps the very numbers that it started with.

    Raises:
      ValueError: the file belongs to other rows.
    """
    file = storage.path(folder) / "reference.npz"
    fields = (rows.tokens, rows.positions, rows.parts)
    known = hashlib.blake2b(b"".join(np.ascontiguousarray(field).tobytes() for field in fields), digest_size=16).digest()
    if file.exists():
        with np.load(io.BytesIO(file.read_bytes())) as stored:
            if stored["rows"].tobytes() != known:
                raise ValueError(f"{file}: belongs to other preference pairs: expected those that training started with")
            return dataclasses.replace(rows, reference_chosen=stored["chosen"], reference_rejected=stored["rejected"])
    found = with_reference(policy, rows, config, compilations)
    with storage.open_whole(file) as out:
        digest = np.frombuffer(known, np.uint8)
        np.savez(out, rows=digest, chosen=found.reference_chosen, rejected=found.reference_rejected)
    return found


def run(
    policy: Policy,
    preferences: Sequence[Preference],
    config: DpoConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
) -> tuple[Policy, list[Record]]:
    """Trains a policy on pairs; it is its own reference. Resumes from `folder` when that holds a checkpoint.

    Returns:
      The trained policy, and the metrics of every step.

    Raises:
      ValueError: there are no pairs, one does not fit, or `folder` holds a training on others.
    """
    rows = lay_out(preferences, config.batch_pairs, config.prompt_length, config.completion_length)
    longest = int(rows.positions.max()) + 1
    if longest > policy.config.positions:
        raise ValueError(f"a preference pair needs {longest} positions: expected at most the model's {policy.config.positions}")
    rows = stored_reference(policy, rows, config, folder, compilations)
    batches = Batches(rows, config.batch_pairs, config.epochs, seed)
    loss_fn = dpo_loss(
        policy.config, config.beta, policy.dtype, config.remat, config.head_chunk, config.label_smoothing, config.kind
    )
    params, records = loops.train(
        policy.config,
        policy.params,
        loss_fn,
        batches,
        config.optimizer,
        config.loop,
        policy.mesh,
        folder,
        config.accumulate,
        compilations,
        on_step,
    )
    return dataclasses.replace(policy, params=params, source=str(folder)), records
