"""The stage that trains a model, whatever the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.policy import save
from jorney.run.workspace import TRAINING, Model, Stage, Workspace
from jorney.text.tokenizer import Tokenizer
from jorney.train import training
from jorney.train.objective import TrainingConfig, objective_of

# What a training stage learns from: made with the tokenizer, when it is needed.
MakeExamples = Callable[[Tokenizer], Sequence[Any]]


def plan_training(
    space: Workspace,
    name: str,
    model: Model,
    examples: MakeExamples,
    examples_key: Any,
    config: TrainingConfig,
    detail: str,
    measure: Callable[[storage.Path], dict[str, Any]] = lambda folder: {},
    measured_by: Sequence[Any] = (),
    programs: Sequence[str] = (),
) -> Stage:
    """Training of a model, by the objective that `config` is of.

    Args:
      examples_key: all that the examples depend on, beside the step format.
      measure: measures the trained model, in the stage's folder; what it returns is part of the result.
      measured_by: all that `measure` depends on.
      programs: labels of those that it runs.
    """
    objective = objective_of(config)

    def work(folder: storage.Path) -> dict[str, Any]:
        counts = train(folder)  # returns first: two models at once may not fit
        return {**measure(folder), **counts}

    def train(folder: storage.Path) -> dict[str, Any]:
        policy = space.take(model)
        made = examples(policy.tokenizer)
        data = training.prepare(policy, made, config, space.seed)
        with space.progress.bar("steps", data.batches.steps) as bar:
            trained, records = training.train(
                policy,
                data,
                config,
                space.seed,
                folder / TRAINING,
                space.compilations,
                space.follow(bar),
                donate=True,
            )
        save(trained, folder / "model", space.dtype)
        return {
            "steps": data.batches.steps,
            "examples": len(made),
            **objective.summary(config, made, data.batches, records),
            "curve": [[record["step"], record["loss"], record["accuracy"]] for record in records],
        }

    compiled = [f"{name} step", *objective.programs, *(["held-out loss"] if config.held_out else []), *programs]
    reads = [model.key, examples_key, *measured_by, config.decides()]
    return space.plan(name, reads, work, detail, compiled)
