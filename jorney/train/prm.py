"""Process reward models: a policy's trunk with a head that says of every step whether it is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jorney import storage
from jorney.compiled import Compilations
from jorney.data.loader import Batches
from jorney.data.packing import Example, pack
from jorney.data.steps import StepFormat
from jorney.data.tokenizer import Tokenizer
from jorney.model import params as parameters
from jorney.policy import Policy
from jorney.train import loop as loops
from jorney.train.loop import LoopConfig, Record
from jorney.train.losses import prm_loss
from jorney.train.optimizer import OptimizerConfig
from jorney.train.state import param_shardings


@dataclasses.dataclass(frozen=True)
class PrmConfig:
    """How a reward model is trained.

    Attributes:
      epochs: passes over the labelled solutions.
      batch_rows: packed rows a step, over all devices.
      row_length: tokens a row.
      accumulate: micro-batches a step.
      remat: what the backward pass recomputes: "none", "dots" or "full".
    """

    epochs: int = 1
    batch_rows: int = 64
    row_length: int = 4096
    accumulate: int = 1
    remat: str = "none"
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_rows", "row_length", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"prm.{name} = {getattr(self, name)}: expected 1 or more")
        if self.remat not in ("none", "dots", "full"):
            raise ValueError(f"prm.remat = {self.remat!r}: expected 'none', 'dots' or 'full'")
        if self.batch_rows % self.accumulate:
            raise ValueError(f"prm.batch_rows = {self.batch_rows}: expected a multiple of prm.accumulate = {self.accumulate}")

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "loop"}


def as_reward_model(policy: Policy, seed: int) -> Policy:
    """The policy's trunk with a fresh head of two labels a token, wrong and right."""
    config = dataclasses.replace(policy.config, head="linear", labels=2, head_bias=True, tie_embeddings=False)
    places, dtype = param_shardings(config, policy.mesh), policy.params["embedding"].dtype
    # Jitted for the head alone: the rest of a fresh model is never made, and would not fit beside a large policy.
    head = jax.jit(lambda key: parameters.init(config, key, dtype)["score"], out_shardings=places["score"])
    trunk = {name: leaf for name, leaf in policy.params.items() if name in places}
    return dataclasses.replace(policy, config=config, params={**trunk, "score": head(jax.random.key(seed))}, generation={})


def encode_steps(
    tokenizer: Tokenizer, step_format: StepFormat, question: str, steps: Sequence[str], goes_on: bool
) -> tuple[list[int], list[int]]:
    """Ids of a prompt and its steps, and the index of the token at which each step is judged: the last that it has a part in.

    Args:
      steps: as written, their openings included.
      goes_on: the last step is followed by others; it ends with its line break then, as the others do.
    """
    head = tokenizer.encode_prompt(step_format.ask(question))
    lines = [step + "\n" for step in steps]
    if steps and not goes_on:
        lines[-1] = steps[-1]
    ids, spans = tokenizer.encode_with_spans("".join(lines))
    ends, stop, token = [], 0, 0
    for line in lines:
        stop += len(line)
        while token + 1 < len(spans) and spans[token + 1][0] < stop:
            token += 1
        ends.append(len(head) + token)
    return [*head, *ids], ends


def labelled_example(
    tokenizer: Tokenizer, step_format: StepFormat, question: str, steps: Sequence[str], labels: Sequence[float]
) -> Example:
    """A whole solution with a label, 0 to 1, for each of its steps."""
    ids, ends = encode_steps(tokenizer, step_format, question, steps, goes_on=False)
    return Example((*ids, tokenizer.eos), labels=tuple(zip(ends, labels, strict=True)))


def batches(examples: Sequence[Example], config: PrmConfig, seed: int) -> Batches:
    """Packs the examples and lays out all batches. Raises ValueError where no example has a label, or one fits no row."""
    if examples and not any(example.labels for example in examples):
        raise ValueError("no example has a label: expected at least one labelled step")
    return Batches(pack(examples, config.row_length, config.batch_rows), config.batch_rows, config.epochs, seed)


def run(
    reward_model: Policy,
    examples: Sequence[Example],
    config: PrmConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
) -> tuple[Policy, list[Record]]:
    """Trains a reward model (`as_reward_model`) on labelled examples; resumes from `folder`.

    Raises:
      ValueError: rows are longer than the model's positions; or as `batches`.
    """
    if config.row_length > reward_model.config.positions:
        raise ValueError(
            f"prm.row_length = {config.row_length}: expected at most the model's {reward_model.config.positions} positions"
        )
    params, records = loops.train(
        reward_model.config,
        reward_model.params,
        prm_loss(reward_model.config, reward_model.dtype, config.remat),
        batches(examples, config, seed),
        config.optimizer,
        config.loop,
        reward_model.mesh,
        folder,
        config.accumulate,
        compilations,
        on_step,
    )
    return dataclasses.replace(reward_model, params=params, source=str(folder)), records
