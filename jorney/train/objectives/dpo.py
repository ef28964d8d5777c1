"""Direct preference optimisation: pairs in, a policy that prefers the chosen ones out."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jorney import distributed, sharding, storage
from jorney.batch.loader import BatchStream
from jorney.batch.pairs import Preference, PreferenceRows, lay_out
from jorney.batch.row_arrays import RowArrays
from jorney.batch.step_weights import with_smoothing, with_step_weights
from jorney.compiled import Compilations
from jorney.config import expect, expect_above, expect_at_least, expect_number, expect_one_of, expect_share
from jorney.engine.sampling import Sampling
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import forked_hidden_states, predicting_states
from jorney.policy import Policy, load
from jorney.train.cross_entropy import log_probs
from jorney.train.loop import put
from jorney.train.metrics import Record
from jorney.train.objective import Objective, TrainingConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.train.step import Batch, LossFn

PREFERENCE_LOSSES = ("sigmoid", "ipo")
SMOOTHING = ("number", "own")
STEP_WEIGHTS = ("none", "softmax")


@dataclasses.dataclass(frozen=True)
class DpoConfig(TrainingConfig, Sampling):
    """How pairs are sampled and a policy is trained on them.

    Attributes:
      samples: completions of a problem among which pairs are chosen.
      pairs: of a problem, at most.
      temperature, top_p: of sampling.
      beta: how dear it is to leave the reference.
      kind: "sigmoid" (DPO) or "ipo".
      label_smoothing: share of the pairs that are taken to be the wrong way round; with "sigmoid".
      smoothing: "number": that share, for all pairs; "own": what each pair says of itself, see `ContrastConfig.smoothing`.
      step_weights: "softmax" (Full-Step-DPO): the better a chosen step and the worse a rejected one, the more its tokens weigh;
        the weights of a side's steps sum to 1. "none": every token counts once.
      step_gamma: how much more, with "softmax"; 0 weighs the steps of a side alike.
      nll: what the mean of -log p over the chosen completion's tokens is multiplied by and added (RPO), for its likelihood.
      length_normalise: means over a completion's tokens take the place of sums, with "sigmoid".
      reference: the model that the policy is held to: a folder or a hub id; "" for the one that training starts from.
      prompt_length, completion_length: tokens of a row's prompt and of each completion; None for what the longest need.
      batch_pairs: pairs a step, over all devices.
      head_chunk: tokens of a device whose logits are held at a time.
    """

    name: ClassVar[str] = "dpo"
    batch: ClassVar[str] = "batch_pairs"
    counts: ClassVar[tuple[str, ...]] = (*TrainingConfig.counts, "samples", "pairs", "head_chunk")

    samples: int = 20
    pairs: int = 5
    temperature: float = 0.7
    top_p: float = 0.95
    beta: float = 0.1
    kind: str = "sigmoid"
    label_smoothing: float = 0.0
    smoothing: str = "number"
    step_weights: str = "none"
    step_gamma: float = 1.0
    nll: float = 0.0
    length_normalise: bool = False
    reference: str = ""
    prompt_length: int | None = None
    completion_length: int | None = None
    batch_pairs: int = 64
    head_chunk: int = 512
    optimizer: OptimizerConfig = dataclasses.field(default_factory=lambda: OptimizerConfig(learning_rate=1e-6))

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_above(0, self, self.name, "temperature", "beta")
        expect_share(self, self.name, "top_p")
        expect_at_least(1, self, self.name, "prompt_length", "completion_length", none="None")
        expect_one_of(PREFERENCE_LOSSES, self, self.name, "kind")
        expect_number(self, self.name, "label_smoothing", least=0)
        expect(lambda share: share < 0.5, "0 or more, below 0.5", self, self.name, "label_smoothing")
        expect_one_of(SMOOTHING, self, self.name, "smoothing")
        expect_one_of(STEP_WEIGHTS, self, self.name, "step_weights")
        expect_number(self, self.name, "step_gamma", "nll", least=0)
        nothing: list[tuple[str, str, Any]] = []
        if self.kind == "ipo":  # its log-probabilities are means already
            nothing = [(f, "dpo.kind = 'ipo'", v) for f, v in (("label_smoothing", 0), ("smoothing", "number"))]
            nothing += [(f, "dpo.kind = 'ipo'", v) for f, v in (("step_weights", "none"), ("length_normalise", False))]
        if self.smoothing == "own":
            nothing.append(("label_smoothing", "dpo.smoothing = 'own'", 0))
        if self.step_weights != "none":
            nothing.append(("length_normalise", f"dpo.step_weights = {self.step_weights!r}", False))
        for field, beside, value in nothing:
            expect(functools.partial(operator.eq, value), f"{value!r} with {beside}", self, self.name, field)

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on. `reference` is known by its content, to who names it."""
        found = super().decides()
        del found["reference"]
        if self.step_weights == "none":
            del found["step_gamma"]
        # What later versions added is told where it is used, so that older trainings keep their keys.
        since = {"smoothing": "number", "step_weights": "none", "nll": 0.0, "length_normalise": False}
        return {name: value for name, value in found.items() if name not in since or value != since[name]}


def preference_log_probs(
    config: ModelConfig, params: Params, batch: Batch, dtype: Any = jnp.float32, remat: str = "none", head_chunk: int = 512
) -> tuple[jax.Array, jax.Array]:
    """[B] log-probabilities of the chosen and of the rejected completions, in one forward that reads the prompt once.

    The batch is of `batch.pairs`: tokens, positions and parts [B, P + 2L], chosen_mask and rejected_mask [B, L], and where it
    has chosen_weights and rejected_weights [B, L], these weigh the tokens. The head reads completion tokens only.
    """
    chosen, rejected = token_log_probs(config, params, batch, dtype, remat, head_chunk)
    return _summed(batch, "chosen", chosen), _summed(batch, "rejected", rejected)


def _summed(batch: Batch, side: str, found: jax.Array) -> jax.Array:
    """[B] sums over a side's tokens, by their weights where they have any."""
    weights = batch.get(f"{side}_weights")
    return jnp.sum(found if weights is None else found * weights, axis=1)


def token_log_probs(
    config: ModelConfig, params: Params, batch: Batch, dtype: Any = jnp.float32, remat: str = "none", head_chunk: int = 512
) -> tuple[jax.Array, jax.Array]:
    """[B, L] log-probabilities of each token of the chosen and of the rejected completions, 0 where there is none."""
    tokens, L = batch["tokens"], batch["chosen_mask"].shape[1]
    P = tokens.shape[1] - 2 * L
    hidden = forked_hidden_states(config, params, tokens, batch["parts"], batch["positions"], L, 2, dtype, remat)
    found, _ = log_probs(config, params, predicting_states(hidden, L, 2), tokens[:, P:], head_chunk)
    return found[:, :L] * batch["chosen_mask"], found[:, L:] * batch["rejected_mask"]


@functools.cache
def dpo_loss(
    config: ModelConfig,
    beta: float,
    dtype: Any = jnp.float32,
    remat: str = "none",
    head_chunk: int = 512,
    label_smoothing: float = 0.0,
    kind: str = "sigmoid",
    nll: float = 0.0,
    length_normalise: bool = False,
) -> LossFn:
    """Direct preference optimisation (arXiv 2305.18290, equation 7), or IPO (arXiv 2310.12036, equation 17).

    The batch holds what `preference_log_probs` takes, the reference's reference_chosen and reference_rejected [B], and
    pair_mask [B]: 0 for a row that only fills the batch; and where pairs have their own, smoothing [B], and the weights of
    tokens. Metrics: accuracy is the share of pairs in which the chosen completion has the higher reward, margin the mean
    difference of the rewards; chosen_log_prob and rejected_log_prob are the policy's own, of whole completions.

    Args:
      label_smoothing: share of the pairs that are taken to be the wrong way round (conservative DPO); "sigmoid" only.
      kind: "sigmoid", or "ipo", whose log-probabilities are means over a completion's tokens, as TRL's are.
      nll: what the mean of -log p over the chosen completion's tokens is multiplied by and added.
      length_normalise: whether "sigmoid" takes means as well (TRL's "sigmoid_norm").
    """
    if kind not in PREFERENCE_LOSSES:
        raise ValueError(f"kind = {kind!r}: expected one of {', '.join(PREFERENCE_LOSSES)}")

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        each_chosen, each_rejected = token_log_probs(config, params, batch, dtype, remat, head_chunk)
        chosen, rejected = _summed(batch, "chosen", each_chosen), _summed(batch, "rejected", each_rejected)
        chosen_reward = beta * (chosen - batch["reference_chosen"])
        rejected_reward = beta * (rejected - batch["reference_rejected"])
        if (
            kind == "ipo" or length_normalise
        ):  # without the mean a long completion would be held to the same distance as a short one
            chosen_reward /= jnp.maximum(jnp.sum(batch["chosen_mask"], axis=1), 1)
            rejected_reward /= jnp.maximum(jnp.sum(batch["rejected_mask"], axis=1), 1)
        margin = chosen_reward - rejected_reward
        if kind == "ipo":
            losses = jnp.square(margin / beta - 1 / (2 * beta))
        else:
            turned = batch.get("smoothing", label_smoothing)
            losses = -(1 - turned) * jax.nn.log_sigmoid(margin) - turned * jax.nn.log_sigmoid(-margin)
        plain = jnp.sum(each_chosen, axis=1)
        if nll:
            losses -= nll * plain / jnp.maximum(jnp.sum(batch["chosen_mask"], axis=1), 1)
        pairs = batch["pair_mask"].astype(jnp.float32)
        total = jnp.sum(losses * pairs)
        sums = {"loss": total, "accuracy": (margin > 0) * pairs, "margin": margin * pairs}
        sums |= {"chosen_reward": chosen_reward * pairs, "rejected_reward": rejected_reward * pairs, "count": pairs}
        sums |= {"chosen_log_prob": plain * pairs, "rejected_log_prob": jnp.sum(each_rejected, axis=1) * pairs}
        return total, {name: jnp.sum(value) for name, value in sums.items()}

    return loss


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
        policy.products,
        out_shardings=sharding.named(policy.mesh, None),  # every process reads all of them
    )
    found = []
    with jax.set_mesh(policy.mesh):
        for batch in rows.groups(config.batch_pairs):
            found.append(jax.device_get(program(policy.params, put(batch, policy.mesh))))
    chosen, rejected = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return dataclasses.replace(rows, reference_chosen=chosen, reference_rejected=rejected)


def shorter_wins(pairs: Sequence[Preference]) -> float:
    """The share of pairs whose chosen completion has fewer tokens, equal ones counting half: what lengths alone would tell."""
    gaps = np.array([len(one.rejected) - len(one.chosen) for one in pairs])
    return float((np.sign(gaps) + 1).mean() / 2)


def _reference(policy: Policy, config: DpoConfig) -> Policy:
    """The model that the policy is held to. Raises ValueError where its tokens are others."""
    if not config.reference:
        return policy
    found = load(config.reference, mesh=policy.mesh, dtype=policy.dtype, precision=policy.precision)
    if found.tokenizer.digest != policy.tokenizer.digest:
        raise ValueError(
            f"dpo.reference = {config.reference!r}: its tokens are not those of {policy.source}: expected the same tokenizer"
        )
    return found


class Dpo(Objective[DpoConfig, Preference]):
    """Pairs in; the policy that training starts from is the reference."""

    config = DpoConfig
    programs = ("reference log-probs",)

    def layout(self, config: DpoConfig, examples: Sequence[Preference], multiple: int = 1) -> PreferenceRows:
        rows = lay_out(examples, multiple, config.prompt_length, config.completion_length)
        if config.step_weights == "softmax":
            rows = with_step_weights(rows, examples, config.step_gamma)
        return with_smoothing(rows, examples) if config.smoothing == "own" else rows

    def check(self, model: ModelConfig, config: DpoConfig, rows: RowArrays | None = None) -> None:
        if rows is None:
            longest = (config.prompt_length or 0) + (config.completion_length or 0)
            what = f"dpo.prompt_length + dpo.completion_length = {longest}"
        else:
            longest = int(rows.arrays["positions"].max()) + 1
            what = f"a preference pair needs {longest} positions"
        if longest > model.positions:
            raise ValueError(f"{what}: expected at most the model's {model.positions} positions")

    def loss(self, model: ModelConfig, config: DpoConfig, dtype: Any) -> LossFn:
        more = (config.label_smoothing, config.kind, config.nll, config.length_normalise)
        return dpo_loss(model, config.beta, dtype, config.remat, config.head_chunk, *more)

    def full(self, config: DpoConfig, draw: Callable[[int], tuple[int, ...]]) -> Preference:
        P, L = config.prompt_length, config.completion_length
        if not P or not L:
            raise ValueError("expected dpo.prompt_length and dpo.completion_length, which else the pairs decide")
        return Preference(draw(P), draw(L), draw(L), 0.0, ((L, 0.0),), ((L, 0.0),))

    def with_reference(
        self,
        policy: Policy,
        rows: RowArrays,
        config: DpoConfig,
        folder: storage.PathLike,
        name: str,
        compilations: Compilations,
    ) -> RowArrays:
        """With their log-probabilities under `policy`, or under the reference that is named.

        They are read from the file where it holds these rows', else written there.

        A training that goes on elsewhere, on another mesh or another machine, keeps the very numbers that it started with.

        Raises:
          ValueError: the file belongs to other rows.
        """
        assert isinstance(rows, PreferenceRows)
        file = storage.path(folder) / f"{name}.npz"
        weights = [one for one in (rows.chosen_weights, rows.rejected_weights) if one is not None]
        fields = (rows.tokens, rows.positions, rows.parts, *weights)
        known = hashlib.blake2b(b"".join(np.ascontiguousarray(field).tobytes() for field in fields), digest_size=16).digest()
        if distributed.from_main(file.exists, name):
            with np.load(io.BytesIO(file.read_bytes())) as stored:
                if stored["rows"].tobytes() != known:
                    raise ValueError(f"{file}: belongs to other preference pairs: expected those that training started with")
                return dataclasses.replace(rows, reference_chosen=stored["chosen"], reference_rejected=stored["rejected"])
        found = with_reference(_reference(policy, config), rows, config, compilations)
        if distributed.is_main():
            digest = np.frombuffer(known, np.uint8)
            with storage.open_whole(file) as out:
                np.savez(out, rows=digest, chosen=found.reference_chosen, rejected=found.reference_rejected)
        return found

    def summary(
        self, config: DpoConfig, examples: Sequence[Preference], batches: BatchStream, records: Sequence[Record]
    ) -> dict[str, Any]:
        completions = sum(len(one.chosen) + len(one.rejected) for one in examples)
        return {
            "tokens": config.epochs * (completions + sum(len(one.prompt) for one in examples)),
            "completion_tokens": config.epochs * completions,
            "margin": records[-1]["margin"],
            "shorter_wins": shorter_wins(examples),
        }
