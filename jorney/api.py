"""The pipeline from Python: what the commands do, on policies in memory, with the same configurations.

Each of these is an attribute of the package itself: `jorney.evaluate`, `jorney.search`, `jorney.judge`, `jorney.derive` and
`jorney.train`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from jorney import __version__, storage
from jorney.batch.packing import Example
from jorney.batch.solutions import encode_solutions
from jorney.domain import domains
from jorney.domain.code.sandbox import OFF
from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.judge import exact
from jorney.judge.judge import Judge, StepPath
from jorney.judge.reward_model import PrmJudge
from jorney.judge.threshold import THRESHOLD
from jorney.policy import ABOUT, Policy, learned
from jorney.rows import trl
from jorney.solve import evaluate as evaluation
from jorney.solve.benchmarks.task_protocol import TaskProtocol
from jorney.solve.choice import Chosen, Solutions, choose
from jorney.solve.evaluate import EvaluateConfig, Graded
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Sampler
from jorney.text.step_format import AUTO, FORMATS, StepFormat, usual
from jorney.thought.derive import DeriveConfig, shortcuts, walks
from jorney.thought.encode import encode_thought
from jorney.thought.refine import RefineConfig, compose
from jorney.thought.thought import Thought
from jorney.train import training
from jorney.train.metrics import Record
from jorney.train.objective import TrainingConfig, objective_of
from jorney.train.objectives.sft import SftConfig
from jorney.tree.tree import Tree

KINDS = ("shortcut", "journey", "placebo")


def evaluate(
    policy: Policy,
    problems: Sequence[Problem],
    config: EvaluateConfig | None = None,
    step_format: str = AUTO,
    seed: int = 0,
    protocol: TaskProtocol | None = None,
    sandbox: str = OFF,
) -> list[Graded]:
    """Every problem's graded answer (`config.samples` of them), in order; `solve.evaluate.summarise` makes an accuracy of them.

    Args:
      step_format: how questions are asked, as for `jorney evaluate --step-format`.
      protocol: the same with shots, stops and readings, in place of a step format.
      sandbox: of programs that the model writes: "auto", "none", or "off", which runs none and refuses problems of code.

    Raises:
      ValueError: names the problem or the setting, and what was expected.
    """
    asked = protocol or TaskProtocol.of(_format(policy, step_format))
    config = (config or EvaluateConfig()).fitted(policy.config.positions, asked.longest(policy.tokenizer, problems))
    found = {texts[0].id: texts for texts in evaluation.evaluate(Generator(policy), problems, asked, config, seed, sandbox)}
    return [one for problem in problems for one in found[problem.id]]


def search(
    policy: Policy,
    problems: Sequence[Problem],
    config: SearchConfig | None = None,
    judge: Judge | Policy | None = None,
    step_format: str = AUTO,
    selection: str = "weighted",
    seed: int = 0,
) -> list[tuple[Chosen, Solutions]]:
    """A search for every problem's answer: what was chosen, and of what, in the problems' order.

    Args:
      judge: scores steps: a function, a reward model, or None for the exact judge of domains that have one (an oracle).
      selection: how one solution is chosen: "naive", "weighted" or "majority" (`solve.choice.choose`).

    Raises:
      ValueError: names the problem or the setting, and what was expected.
    """
    written = _format(policy, step_format)
    config = (config or SearchConfig()).fitted(
        policy.config.positions, written.longest(policy.tokenizer, (problem.question for problem in problems))
    )
    sampler = Sampler(Generator(policy), written, seed)
    found = {one.id: one for one in config.solver.solve(problems, sampler, _judge(judge, written), config)}
    own = [found[problem.id] for problem in problems]
    return [(choose(one, len(one.correct), selection, config.aggregate), one) for one in own]


def judge(
    paths: Sequence[StepPath], by: Judge | Policy | None = None, step_format: str = AUTO, threshold: float = THRESHOLD
) -> list[Rating]:
    """Ratings of the last step of each path: a problem, and the texts of the steps down to it.

    Args:
      by: a reward model, any other judge, or None for the exact judge of domains that have one.
      step_format: that the reward model reads.
      threshold: of its scores, above which a step counts as right.
    """
    written = _format(by, step_format) if isinstance(by, Policy) else FORMATS[usual(False)]
    return list(_judge(by, written, threshold)(paths))


def derive(
    trees: Sequence[Tree],
    config: DeriveConfig | None = None,
    kind: str = "journey",
    refine: RefineConfig | None = None,
    seed: int = 0,
) -> list[Thought]:
    """Thoughts of trees that hold a right path: "shortcut", "journey", or "placebo" (journeys that leave right steps)."""
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: expected one of {', '.join(KINDS)}")
    config, refine, found = config or DeriveConfig(), refine or RefineConfig(), []
    for tree in trees:
        for leaf in shortcuts(tree, config.per_tree):
            visits = walks(tree, leaf, config, seed)[kind]
            found.append(compose(tree, visits, kind, domains.state, refine, seed))
    return found


def train(
    policy: Policy,
    data: Sequence[Thought | Problem | Mapping[str, Any]],
    config: TrainingConfig | None = None,
    step_format: str = AUTO,
    folder: storage.PathLike | None = None,
    seed: int = 0,
) -> tuple[Policy, list[Record]]:
    """A training by the objective that `config` is of (SFT by default), on all of `data`.

    Args:
      data: for SFT thoughts, problems with solutions, or rows as `jorney sft --data` reads them (prompt and completion,
        messages, text); for another objective the rows that it reads, such as prompt, chosen and rejected of `DpoConfig`.
      folder: keeps checkpoints, from which the same call goes on; None keeps none.

    Returns:
      The trained policy, and the metrics of every step. The policy that was given stays as it is.

    Raises:
      ValueError: names the row or the setting, and what was expected.
    """
    config = objective_of(config or SftConfig()).fitted(policy.config, config or SftConfig())
    written = _format(policy, step_format)
    examples = _examples(policy, data, config, written)
    config = training.fitted(policy, examples, config, seed)
    prepared = training.prepare(policy, examples, config, seed)
    if folder is not None:
        trained = training.train(policy, prepared, config, seed, folder)
        storage.write_json(storage.path(folder) / ABOUT, {"step_format": written.name, "version": __version__})
        return trained
    with tempfile.TemporaryDirectory() as kept:
        return training.train(policy, prepared, config, seed, kept)


def _examples(policy: Policy, data: Sequence[Any], config: TrainingConfig, step_format: StepFormat) -> list[Any]:
    tokenizer, objective = policy.tokenizer, objective_of(config)

    def encode(row: Any, place: str) -> Any:
        if not isinstance(config, SftConfig):
            return objective.encode(tokenizer, step_format, row, place)
        if isinstance(row, Thought):
            return encode_thought(tokenizer, step_format, row, True, place)
        if isinstance(row, Problem):
            (example,) = encode_solutions(tokenizer, step_format, [row], place)
            return example
        return trl.encode_record(tokenizer, row, place)

    found: list[Example] = [encode(row, f"data[{number}]") for number, row in enumerate(data)]
    return found


def _format(policy: Policy, name: str) -> StepFormat:
    if name != AUTO:
        return FORMATS[name]
    return FORMATS[learned(policy.source) or usual(policy.tokenizer.chats)]


def _judge(by: Judge | Policy | None, step_format: StepFormat, threshold: float = THRESHOLD) -> Judge:
    if by is None:
        return exact.judge
    if not isinstance(by, Policy):
        return by
    return PrmJudge(by, FORMATS[learned(by.source) or step_format.name], threshold=threshold)
