"""Process reward models: a policy's trunk with a head that says of every step whether it is right."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import sharding
from jorney.batch.branches import branch
from jorney.batch.loader import BatchStream
from jorney.batch.packing import Example, pack
from jorney.batch.row_arrays import RowArrays
from jorney.compiled import Compilations
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params, init, param_shardings, table
from jorney.model.transformer import branched_hidden_states, hidden_states, read_out
from jorney.policy import Policy
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.loop import put
from jorney.train.metrics import Record
from jorney.train.objective import PackedConfig, PackedObjective
from jorney.train.step import Batch, LossFn


@dataclasses.dataclass(frozen=True)
class PrmConfig(PackedConfig):
    """How a reward model is trained.

    Attributes:
      share: what examples of one prompt have in common is read once (`batch.branches`), and not once for each of them. The loss
        is the same; batches are others. Such rows are not read by the TPU's own attention kernel.
    """

    name: ClassVar[str] = "prm"

    share: bool = True


@functools.cache
def prm_loss(config: ModelConfig, dtype: Any = jnp.float32, remat: str = "none") -> LossFn:
    """Cross-entropy of a reward model's two labels at the end of every step (Math-Shepherd, arXiv 2312.08935, section 3.3).

    The batch holds what `batch.packing` gives, and labels [B, T] float32: how true a step is, 0 to 1; below 0 where no step
    ends. Or rows of `batch.branches`: ends [B, T] in place of segment_ids, and weights [B, T] float32, how many texts have the
    label.
    """

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        tokens, positions, labels = batch["tokens"], batch["positions"], batch["labels"]
        if "ends" in batch:
            hidden = branched_hidden_states(config, params, tokens, batch["ends"], positions, dtype, remat)
            weights = batch["weights"]
        else:
            hidden = hidden_states(config, params, tokens, batch["segment_ids"], positions, dtype, remat)
            weights = (labels >= 0).astype(jnp.float32)
        right = jnp.clip(labels, 0, 1)
        wrong_log_prob, right_log_prob = jnp.moveaxis(jax.nn.log_softmax(read_out(config, params, hidden)), -1, 0)
        total = -jnp.sum(weights * (right * right_log_prob + (1 - right) * wrong_log_prob))
        hits = (right_log_prob > wrong_log_prob) == (labels > 0.5)
        return total, {"loss": total, "accuracy": jnp.sum(hits * weights), "count": jnp.sum(weights)}

    return loss


def reward_model(policy: ModelConfig) -> ModelConfig:
    """The policy's trunk with a head of two labels a token, wrong and right."""
    return dataclasses.replace(policy, head="linear", labels=2, head_bias=True, tie_embeddings=False)


def as_reward_model(policy: Policy, seed: int) -> Policy:
    """The policy as a `reward_model`, its head fresh."""
    config = reward_model(policy.config)
    head = fresh_head(config, policy.mesh, policy.params["embedding"].dtype)(jax.random.key(seed))
    trunk = {name: leaf for name, leaf in policy.params.items() if name in {path[0] for path in table(config)}}
    return dataclasses.replace(policy, config=config, params={**trunk, "score": head}, generation={})


def fresh_head(config: ModelConfig, mesh: Mesh, dtype: Any) -> Any:
    """Jitted: a random key -> a reward model's head, on a mesh.

    For the head alone: the rest of a fresh model is never made, and would not fit beside a large policy.
    """
    place = param_shardings(config, mesh)["score"]
    return jax.jit(lambda key: init(config, key, dtype)["score"], out_shardings=place)


def encode_steps(
    tokenizer: Tokenizer, step_format: StepFormat, question: str, steps: Sequence[str], goes_on: bool
) -> tuple[list[int], list[int]]:
    """Ids of a prompt and its steps, and the index of the token at which each step is judged: the last that it has a part in.

    Args:
      steps: as written, their openings included.
      goes_on: the last step is followed by others; it ends with its line break then, as the others do.
    """
    head = step_format.encode(tokenizer, question)
    lines = step_format.lines(steps, goes_on)
    ids, spans = tokenizer.encode_after_with_spans("".join(lines))
    ends, stop, token = [], 0, 0
    for line in lines:
        stop += len(line)
        while token + 1 < len(spans) and spans[token + 1][0] < stop:
            token += 1
        ends.append(len(head) + token)
    return [*head, *ids], ends


def labelled_example(
    tokenizer: Tokenizer, step_format: StepFormat, question: str, steps: Sequence[str], labels: Sequence[float | None]
) -> Example:
    """A whole solution with a label, 0 to 1, for each of its steps; None where nothing is known of a step."""
    closed = [*steps[:-1], *(tokenizer.without_end(step) for step in steps[-1:])]
    ids, ends = encode_steps(tokenizer, step_format, question, closed, goes_on=False)
    known = tuple((end, label) for end, label in zip(ends, labels, strict=True) if label is not None)
    return Example((*ids, tokenizer.eos), prompt=len(step_format.encode(tokenizer, question)), labels=known)


def score_steps(
    policy: Policy, examples: Sequence[Example], config: PrmConfig, compilations: Compilations | None = None
) -> list[list[float]]:
    """How sure a reward model is of each labelled step of each example: the probability of "right".

    Whole rows are read, on the policy's mesh; of several processes each calls it and gets all of them.
    """
    config.expect_split(policy.mesh)
    compilations, model, dtype = compilations or Compilations(), policy.config, policy.dtype

    def read(params: Params, batch: Batch) -> jax.Array:
        hidden = hidden_states(model, params, batch["tokens"], batch["segment_ids"], batch["positions"], dtype, config.remat)
        return jax.nn.softmax(read_out(model, params, hidden))[..., 1]

    everywhere = sharding.named(policy.mesh, None, None)
    program = compilations.program(
        ("step scores", model, dtype, policy.mesh), "step scores", read, policy.products, out_shardings=everywhere
    )
    # A step's number in place of its label says which step a position of a row is the end of.
    number = itertools.count()
    numbered = [dataclasses.replace(one, labels=tuple((end, float(next(number))) for end, _ in one.labels)) for one in examples]
    rows = pack(numbered, config.row_length, config.rows)
    found = np.zeros(next(number), np.float32)
    with jax.set_mesh(policy.mesh):
        for batch in rows.groups(config.rows):
            which = batch.pop("labels")
            scores = jax.device_get(program(policy.params, put(batch, policy.mesh)))
            found[which[which >= 0].astype(int)] = scores[which >= 0]
    ends = itertools.accumulate((len(one.labels) for one in examples), initial=0)
    return [found[start:stop].tolist() for start, stop in itertools.pairwise(ends)]


class Prm(PackedObjective[PrmConfig]):
    """Solutions with labelled steps in, a reward model out."""

    config = PrmConfig

    def model(self, policy: ModelConfig) -> ModelConfig:
        return reward_model(policy)

    def start(self, policy: Policy, seed: int) -> Policy:
        return as_reward_model(policy, seed)

    def encode(self, tokenizer: Tokenizer, step_format: StepFormat, row: Mapping[str, Any], place: str) -> Example:
        tokenizer.expect_held((row["question"], row["steps"]), place)
        return labelled_example(tokenizer, step_format, row["question"], row["steps"], row["labels"])

    def layout(self, config: PrmConfig, examples: Sequence[Example], multiple: int = 1) -> RowArrays:
        if examples and not any(example.labels for example in examples):
            raise ValueError("no example has a label: expected at least one labelled step")
        return branch(examples, config.row_length, multiple) if config.share else super().layout(config, examples, multiple)

    def check(self, model: ModelConfig, config: PrmConfig, rows: RowArrays | None = None) -> None:
        super().check(model, config, rows)
        if config.share and model.window is not None and model.window < config.row_length:  # distances are not the text's
            raise ValueError(
                f"prm.row_length = {config.row_length}: expected at most the model's window of {model.window} with prm.share"
            )

    def loss(self, model: ModelConfig, config: PrmConfig, dtype: Any) -> LossFn:
        return prm_loss(model, dtype, config.remat)

    def full(self, config: PrmConfig, draw: Callable[[int], tuple[int, ...]]) -> Example:
        labels = ((place, float(place % 2)) for place in range(config.row_length))
        return dataclasses.replace(super().full(config, draw), labels=tuple(labels))

    def summary(
        self, config: PrmConfig, examples: Sequence[Example], batches: BatchStream, records: Sequence[Record]
    ) -> dict[str, Any]:
        # What examples have in common is read once (`prm.share`).
        read = round((1 - batches.padding) * batches.steps * config.batch_rows * config.row_length)
        return {**super().summary(config, examples, batches, records), "read_tokens": read}
