"""Defaults that fit: what nobody stated goes by the chosen model, and a line says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jorney.config import AtMost
from jorney.domain.problem import Problem
from jorney.engine.sampling import CompletionSampling
from jorney.policy import learned, read_architecture, tokenizer_of
from jorney.run.artifact import Model
from jorney.solve.benchmarks.benchmark import Task
from jorney.solve.benchmarks.task_protocol import LIKELIHOOD
from jorney.text.step_format import ABEL, AUTO, StepFormat, usual
from jorney.text.tokenizer import Tokenizer
from jorney.train.objective import TrainingConfig, objective_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound=CompletionSampling)
T = TypeVar("T", bound=TrainingConfig)
R = TypeVar("R", bound="DataclassInstance")
Say = Callable[[str], None]
PLAIN = ABEL.name  # of models without a chat template


def fit_completions(config: C, name: str, model: Model, problems: Sequence[Problem], step_format: StepFormat, say: Say) -> C:
    """`max_tokens`, where nobody stated it, is no more than what the longest prompt leaves of the model's positions.

    Args:
      name: of the configuration, as on the command line.
    """
    return _fit_all({name: config}, model, _longest_of(problems, step_format), say)[name]


def fit_asked(config: C, name: str, model: Model, asked: Sequence[Task], say: Say) -> C:
    """The same of problems that are asked by protocols; a length that is stated, by them too, must fit.

    Raises:
      ValueError: the longest prompt and what follows it are longer than the model's positions.
    """
    found = _fit_all({name: config}, model, lambda tokenizer: _longest(tokenizer, asked), say)[name]
    if isinstance(config.max_tokens, AtMost) or all(task.protocol.by == LIKELIHOOD for task in asked):
        return found
    positions, longest = read_architecture(model.folder).positions, _longest(tokenizer_of(model.folder), asked)
    if longest + found.max_tokens > positions:
        raise ValueError(
            f"{name}.max-tokens = {found.max_tokens:,}, behind a prompt of {longest:,} tokens: the model has {positions:,} "
            f"positions: expected at most {max(0, positions - longest):,} (--{name}.max-tokens), or a model with more"
        )
    return found


def _longest(tokenizer: Tokenizer, asked: Sequence[Task]) -> int:
    return max(task.protocol.longest(tokenizer, task.problems) for task in asked)


def _longest_of(problems: Sequence[Problem], step_format: StepFormat) -> Callable[[Tokenizer], int]:
    return lambda tokenizer: step_format.longest(tokenizer, (problem.question for problem in problems))


def _fit_all(configs: dict[str, C], model: Model, prompt: Callable[[Tokenizer], int], say: Say) -> dict[str, C]:
    """Several at once: prompts are read once, and only where some length gives way.

    Args:
      prompt: tokens of the longest.
    """
    if not any(isinstance(config.max_tokens, AtMost) for config in configs.values()):
        return configs
    positions, longest = read_architecture(model.folder).positions, prompt(tokenizer_of(model.folder))
    found = {name: config.fitted(positions, longest) for name, config in configs.items()}
    for name, config in found.items():
        if config != configs[name]:
            say(f"{name}.max-tokens: {config.max_tokens:,}, of {positions:,} positions less a prompt's {longest:,}")
    return found


def fit_rows(config: T, model: Model, say: Say, name: str = "") -> T:
    """A training's rows, where nobody stated their length, are no longer than the model can read.

    Args:
      name: of the configuration, as on the command line, if not the objective's.
    """
    architecture = read_architecture(model.folder)
    found = objective_of(config).fitted(architecture, config)
    if found != config:
        say(f"{name or config.name}.row-length: {architecture.positions:,}, all positions that the model has")
    return found


def fit_run(config: R, base: Model, problems: Sequence[Problem], step_format: StepFormat, say: Say) -> R:
    """A run's configuration: of its trainings the rows, and of all that samples the completions, fit the base model."""
    fields: Any = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    told = {"sft", "evaluate"} if fields.get("until") == "sft_phase1" else fields.keys()  # of what does not run, nothing

    def aloud(name: str) -> Say:
        return say if name in told else lambda line: None

    trainings = {name: one for name, one in fields.items() if isinstance(one, TrainingConfig)}
    found: dict[str, Any] = {name: fit_rows(one, base, aloud(name), name) for name, one in trainings.items()}
    sampled = {name: one for name, one in fields.items() if isinstance(one, CompletionSampling)}
    longest = _longest_of(problems, step_format)
    found |= _fit_all(sampled, base, longest, lambda line: aloud(line.partition(".")[0])(line))
    return dataclasses.replace(config, **found)


def format_of(name: str, model: Model, say: Say) -> str:
    """The step format of a name; of "auto" the one that a model learned here, else a chat where it has a template."""
    if name != AUTO:
        return name
    if stated := learned(model.folder):
        say(f"step format: {stated}, which the model learned")
        return stated
    chats = tokenizer_of(model.folder).chats
    say(f"step format: {usual(chats)}, for the tokenizer has {'a' if chats else 'no'} chat template")
    return usual(chats)
