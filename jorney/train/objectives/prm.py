"""Process reward models: a policy's trunk with a head that says of every step whether it is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import jax

from jorney import storage
from jorney.batch.branches import branch
from jorney.batch.loader import Batches, hold_out
from jorney.batch.packing import Example, pack
from jorney.compiled import Compilations
from jorney.config import expect_at_least
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.flops import packed_row
from jorney.policy import Policy
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.metrics import Record
from jorney.train.objectives.losses import prm_loss
from jorney.train.state import param_shardings
from jorney.train.training import OnStep, TrainingConfig, fit, no_one


@dataclasses.dataclass(frozen=True)
class PrmConfig(TrainingConfig):
    """How a reward model is trained.

    Attributes:
      batch_rows: packed rows a step, over all devices.
      row_length: tokens a row.
      share: what examples of one prompt have in common is read once (`batch.branches`), and not once for each of them. The loss
        is the same; batches are others. Such rows are not read by the TPU's own attention kernel.
    """

    name: ClassVar[str] = "prm"
    batch: ClassVar[str] = "batch_rows"

    batch_rows: int = 64
    row_length: int = 4096
    share: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_at_least(1, self, self.name, "row_length")


def reward_model(policy: ModelConfig) -> ModelConfig:
    """The policy's trunk with a head of two labels a token, wrong and right."""
    return dataclasses.replace(policy, head="linear", labels=2, head_bias=True, tie_embeddings=False)


def as_reward_model(policy: Policy, seed: int) -> Policy:
    """The policy as a `reward_model`, its head fresh."""
    config = reward_model(policy.config)
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
    ids, ends = encode_steps(tokenizer, step_format, question, steps, goes_on=False)
    known = tuple((end, label) for end, label in zip(ends, labels, strict=True) if label is not None)
    prompt = len(step_format.encode(tokenizer, question))
    return Example((*ids, tokenizer.eos), prompt=prompt, labels=known)


def batches(examples: Sequence[Example], config: PrmConfig, seed: int, epochs: int | None = None) -> Batches:
    """Packs the examples and lays out all batches. Raises ValueError where no example has a label, or one fits no row."""
    if examples and not any(example.labels for example in examples):
        raise ValueError("no example has a label: expected at least one labelled step")
    layout = branch if config.share else pack
    return Batches(layout(examples, config.row_length, config.batch_rows), config.batch_rows, epochs or config.epochs, seed)


def expect_window(model: ModelConfig, config: PrmConfig) -> None:
    """Raises ValueError where rows are longer than the model's window: in shared rows distances are not those in the text."""
    if config.share and model.window is not None and model.window < config.row_length:
        raise ValueError(
            f"prm.row_length = {config.row_length}: expected at most the model's window of {model.window} with prm.share"
        )


def run(
    policy: Policy,
    examples: Sequence[Example],
    config: PrmConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: OnStep = no_one,
) -> tuple[Policy, list[Record]]:
    """Trains a policy that is a reward model (`as_reward_model`) on labelled examples; resumes from `folder`.

    Raises:
      ValueError: rows are longer than the model's positions; or as `batches`.
    """
    config.expect_at_most(policy.config.positions, "row_length")
    expect_window(policy.config, config)
    train, held = hold_out(examples, config.held_out, seed)
    loss_fn = prm_loss(policy.config, policy.dtype, config.remat)
    held_out = batches(held, config, seed, 1) if held else None
    row = packed_row(config.row_length)
    return fit(policy, loss_fn, row, batches(train, config, seed), held_out, config, seed, folder, compilations, on_step, False)
