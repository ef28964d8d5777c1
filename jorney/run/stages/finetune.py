"""Stages that train models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.batch.packing import Example
from jorney.policy import save
from jorney.run.workspace import TRAINING, Bench, Model, Stage
from jorney.text.tokenizer import Tokenizer
from jorney.train.metrics import Record
from jorney.train.objectives import sft
from jorney.train.objectives.sft import SftConfig
from jorney.train.training import TrainingConfig

# What a training stage learns from: made with the tokenizer, when it is needed.
MakeExamples = Callable[[Tokenizer], Sequence[Example]]


def plan_sft(
    bench: Bench, name: str, model: Model, examples: MakeExamples, examples_key: Any, config: SftConfig, detail: str
) -> Stage:
    """Supervised fine-tuning of a model.

    Args:
      examples_key: all that the examples depend on, beside the step format.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        policy = bench.take(model)
        made = examples(policy.tokenizer)
        data = sft.prepare(policy, made, config, bench.seed)
        batches = data.batches
        with bench.progress.bar("steps", batches.steps) as bar:
            trained, records = sft.run(
                policy, data, config, bench.seed, folder / TRAINING, bench.compilations, bench.follow(bar), donate=True
            )
        save(trained, folder / "model", bench.dtype)
        return {
            "steps": batches.steps,
            "examples": len(made),
            "tokens": config.epochs * sum(len(example.tokens) for example in made),
            "completion_tokens": config.epochs * sum(len(example.tokens) - example.prompt for example in made),
            "mean_tokens": sum(len(example.tokens) - example.prompt for example in made) / len(made),
            "padding": batches.padding,
            "curve": curve(records),
        }

    program = f"sft {config.batch_rows} x {config.row_length} / {config.accumulate}, {config.epochs}"
    programs = [f"{program}, {name}", *measured(config)]
    return bench.plan(name, [model.key, examples_key, config.decides()], work, detail, programs)


def measured(config: TrainingConfig) -> list[str]:
    """Label of the program that measures held-out examples, where there are any."""
    return ["held-out loss"] if config.held_out else []


def curve(records: Sequence[Record]) -> list[list[float]]:
    """[step, loss, accuracy] of every step."""
    return [[record["step"], record["loss"], record["accuracy"]] for record in records]
