"""Direct preference optimisation: pairs in, a policy that prefers the chosen ones out."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from typing import ClassVar

import jax
import numpy as np

from jorney import distributed, sharding, storage
from jorney.batch.loader import Batches, hold_out
from jorney.batch.pairs import Preference, PreferenceRows, lay_out
from jorney.compiled import Compilations
from jorney.config import expect_at_least
from jorney.model.flops import preference_row
from jorney.policy import Policy
from jorney.train.loop import put
from jorney.train.metrics import Record
from jorney.train.objectives.losses import PREFERENCE_LOSSES, dpo_loss, preference_log_probs
from jorney.train.optimizer import OptimizerConfig
from jorney.train.training import OnStep, TrainingConfig, fit, no_one


@dataclasses.dataclass(frozen=True)
class DpoConfig(TrainingConfig):
    """How pairs are sampled and a policy is trained on them.

    Attributes:
      samples: completions of a problem among which pairs are chosen.
      pairs: of a problem, at most.
      temperature, top_p: of sampling.
      beta: how dear it is to leave the reference.
      kind: "sigmoid" (DPO) or "ipo".
      label_smoothing: share of the pairs that are taken to be the wrong way round; with "sigmoid".
      prompt_length, completion_length: tokens of a row's prompt and of each completion; None for what the longest need.
      batch_pairs: pairs a step, over all devices.
      head_chunk: tokens of a device whose logits are held at a time.
    """

    name: ClassVar[str] = "dpo"
    batch: ClassVar[str] = "batch_pairs"

    samples: int = 20
    pairs: int = 5
    temperature: float = 0.7
    top_p: float = 0.95
    beta: float = 0.1
    kind: str = "sigmoid"
    label_smoothing: float = 0.0
    prompt_length: int | None = None
    completion_length: int | None = None
    batch_pairs: int = 64
    head_chunk: int = 512
    optimizer: OptimizerConfig = dataclasses.field(default_factory=lambda: OptimizerConfig(learning_rate=1e-6))

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_at_least(1, self, self.name, "samples", "pairs", "head_chunk")
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
        out_shardings=sharding.named(policy.mesh, None),  # every process reads all of them
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
    name: str = "reference",
) -> PreferenceRows:
    """`with_reference`, read from `folder`/`name`.npz where that holds these rows', else computed and written there.

    A training that goes on elsewhere, on another mesh or another machine, keeps the very numbers that it started with.

    Raises:
      ValueError: the file belongs to other rows.
    """
    file = storage.path(folder) / f"{name}.npz"
    fields = (rows.tokens, rows.positions, rows.parts)
    known = hashlib.blake2b(b"".join(np.ascontiguousarray(field).tobytes() for field in fields), digest_size=16).digest()
    if distributed.from_main(file.exists, name):
        with np.load(io.BytesIO(file.read_bytes())) as stored:
            if stored["rows"].tobytes() != known:
                raise ValueError(f"{file}: belongs to other preference pairs: expected those that training started with")
            return dataclasses.replace(rows, reference_chosen=stored["chosen"], reference_rejected=stored["rejected"])
    found = with_reference(policy, rows, config, compilations)
    if distributed.is_main():
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
    on_step: OnStep = no_one,
    donate: bool = False,
) -> tuple[Policy, list[Record]]:
    """Trains a policy on pairs; it is its own reference. Resumes from `folder` when that holds a checkpoint.

    Args:
      folder, on_step, donate: see `train.loop.train`.

    Returns:
      The trained policy, and the metrics of every step.

    Raises:
      ValueError: there are no pairs, one does not fit, or `folder` holds a training on others.
    """
    train, held = hold_out(preferences, config.held_out, seed)
    rows = _rows(policy, train, config, folder, "reference", compilations)
    batches = Batches(rows, config.batch_pairs, config.epochs, seed)
    held_out = None
    if held:
        held_rows = _rows(policy, held, config, folder, "held_out_reference", compilations)
        held_out = Batches(held_rows, config.batch_pairs, 1, seed)
    loss_fn = dpo_loss(
        policy.config, config.beta, policy.dtype, config.remat, config.head_chunk, config.label_smoothing, config.kind
    )
    L = rows.chosen_mask.shape[1]
    row = preference_row(rows.tokens.shape[1] - 2 * L, L)
    return fit(policy, loss_fn, row, batches, held_out, config, seed, folder, compilations, on_step, donate)


def _rows(
    policy: Policy,
    preferences: Sequence[Preference],
    config: DpoConfig,
    folder: storage.PathLike,
    name: str,
    compilations: Compilations | None,
) -> PreferenceRows:
    rows = lay_out(preferences, config.batch_pairs, config.prompt_length, config.completion_length)
    longest = int(rows.positions.max()) + 1
    if longest > policy.config.positions:
        raise ValueError(f"a preference pair needs {longest} positions: expected at most the model's {policy.config.positions}")
    return stored_reference(policy, rows, config, folder, compilations, name)
