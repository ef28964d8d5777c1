"""What a policy learns in the two phases: solutions, then thoughts of one kind."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterable, Sequence

from jorney.batch.packing import Example
from jorney.batch.solutions import encode_solutions
from jorney.config import digest, expect_one_of
from jorney.domain.problem import Problem
from jorney.policy import EMBEDDED
from jorney.run.artifact import Artifact, Model
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.fine_tuning import plan_training
from jorney.run.workspace import Workspace
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.encode import encode_thought
from jorney.train.objectives.sft import SftConfig

FROM_THE_SAME_LEAVES = ("shortcut", "journey", "placebo")
KINDS = (*FROM_THE_SAME_LEAVES, "matched")


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What is learned from an artifact of thoughts.

    Attributes:
      kind: "shortcut", "journey", "placebo", or "matched": shortcuts with as many tokens as the journeys.
      excursion_loss: whether the excursions of journeys bear loss.
      limit: thoughts of each kind at most, from as many leaves; None for all.
    """

    kind: str
    excursion_loss: bool = True
    limit: int | None = None

    def __post_init__(self) -> None:
        expect_one_of(KINDS, self, "", "kind")


def plan_phase1(space: Workspace, base: Model, train: Sequence[Problem], source: str, config: SftConfig) -> Artifact:
    """Phase 1, on the problems' own solutions.

    Args:
      source: what the problems were read from, for messages.
    """

    def solutions(tokenizer: Tokenizer) -> list[Example]:
        return encode_solutions(tokenizer, space.format, train, source)

    return plan_training(space, "sft_phase1", base, solutions, digest(train), config, f"{len(train):,} solutions")


def run_phase1(space: Workspace, taught: str, train: Sequence[Problem], source: str, config: SftConfig) -> Model:
    """The model `taught`, which has learned solutions already; where that is "", the embedded one learns them."""
    if taught:
        return Model.at(taught)
    stage = plan_phase1(space, Model.at(EMBEDDED), train, source, config)
    space.run(stage)
    return stage.model


def plan_phase2(
    space: Workspace, name: str, policy: Model, thoughts: Artifact, lesson: Lesson, config: SftConfig, detail: str
) -> Artifact:
    """Phase 2, on one kind of the thoughts that `run.stages.derivation.plan_thoughts` derives."""

    def examples(tokenizer: Tokenizer) -> list[Example]:
        return read_examples(tokenizer, space.format, thoughts, lesson, config.row_length, space.seed)

    return plan_training(space, name, policy, examples, [thoughts.key, lesson], config, detail)


def read_examples(
    tokenizer: Tokenizer, step_format: StepFormat, thoughts: Artifact, lesson: Lesson, row_length: int, seed: int
) -> list[Example]:
    """The training examples of one kind of thoughts.

    A leaf whose journey or placebo is longer than a row is left out of every kind, so that all learn from the same leaves.
    Files are in the order of their problems' ids, which begin with their numbers: so leaves are drawn, for every kind the same,
    and those of a lower limit are among those of a higher one.

    Raises:
      ValueError: no journey fits in a row.
    """
    room = row_length + 1

    def read(file: str) -> list[Example]:
        found = read_thoughts(thoughts.folder / f"{file}.jsonl")
        return [encode_thought(tokenizer, step_format, one, lesson.excursion_loss) for one in found]

    kinds = {file: read(file) for file in FROM_THE_SAME_LEAVES}
    fits = [all(len(example.tokens) <= room for example in of_leaf) for of_leaf in zip(*kinds.values(), strict=True)]
    if not any(fits):
        raise ValueError(f"phase2.row_length = {row_length}: expected more, no journey fits in a row")
    kinds = {file: _drawn(itertools.compress(examples, fits), seed)[: lesson.limit] for file, examples in kinds.items()}
    if lesson.kind != "matched":
        return kinds[lesson.kind]
    tokens = sum(len(example.tokens) - example.prompt for example in kinds["journey"])
    more = _drawn((example for example in read("more_shortcuts") if len(example.tokens) <= room), seed)
    return as_many_tokens(kinds["shortcut"], more, tokens)


def _drawn(examples: Iterable[Example], seed: int) -> list[Example]:
    """The examples in an order that goes by their number and the seed alone."""
    found = list(examples)
    return random.Random(f"{seed}/lesson").sample(found, len(found))


def as_many_tokens(examples: Sequence[Example], more: Sequence[Example], tokens: int) -> list[Example]:
    """Examples that hold about as many completion tokens: all of `examples`, then `more`, then all over again.

    The last one may go beyond by less than its own length.
    """
    found: list[Example] = []
    pool = [*examples, *more]
    total = 0
    while total < tokens:
        example = pool[len(found) % len(pool)]
        found.append(example)
        total += len(example.tokens) - example.prompt
    return found
