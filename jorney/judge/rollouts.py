"""Labels for steps without a human or a proof: can the policy still finish from here? (Math-Shepherd, arXiv 2312.08935.)"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from jorney.config import AtMost, expect, expect_at_least
from jorney.domain.answers import final_answer
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator, SamplingConfig, row_keys
from jorney.engine.programs import Work
from jorney.engine.sampling import CompletionSampling
from jorney.engine.spans import Span
from jorney.engine.texts import Request
from jorney.judge.labelled import Labelled
from jorney.policy import Policy
from jorney.text.step_format import StepFormat

# A problem, by its index, and the first steps of a solution.
Prefix = tuple[int, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class RolloutConfig(CompletionSampling):
    """How solutions are sampled and their steps labelled.

    Attributes:
      solutions: of every problem.
      completions: N, of every prefix of a solution.
      hard: a step is right when any completion after it reaches the answer; else its label is the share that do.
      max_tokens: of a solution, and of a completion.
      temperature, top_p: of sampling.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
    """

    solutions: int = 4
    completions: int = 8
    hard: bool = True
    max_tokens: int = AtMost(1024)
    temperature: float = 0.7
    top_p: float = 0.95
    rows: int = 64
    chunk: int = 32

    def __post_init__(self) -> None:
        expect_at_least(1, self, "rollouts", "solutions", "completions", "max_tokens", "rows", "chunk")
        most = max(self.solutions, self.completions)
        expect(lambda rows: rows >= most, "at least the solutions and the completions of one prefix", self, "rollouts", "rows")
        self.expect_sampling("rollouts", "samples")

    def sampling(self, w: int, seed: int) -> SamplingConfig:
        return SamplingConfig.of(self, self, w, seed)


def sample_solutions(
    generator: Generator, problems: Sequence[Problem], step_format: StepFormat, config: RolloutConfig, seed: int
) -> list[list[tuple[str, ...]]]:
    """The different solutions sampled for each problem, as steps; those that hold no step are left out."""
    prompts = [step_format.encode(generator.policy.tokenizer, problem.question) for problem in problems]
    found = generator.generate(prompts, config.sampling(config.solutions, seed), [problem.id for problem in problems])
    split = ((tuple(step_format.split(completion.text)) for completion in own if completion.finished) for own in found)
    return [[steps for steps in dict.fromkeys(own) if steps] for own in split]


def label(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    step_format: StepFormat,
    config: RolloutConfig,
    seed: int,
) -> list[Labelled]:
    """Samples solutions and labels their steps, see `label_solutions`."""
    solutions = sample_solutions(generator, problems, step_format, config, seed)
    return label_solutions(generator, policy, problems, solutions, step_format, config, seed)


def label_solutions(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    solutions: Sequence[Sequence[tuple[str, ...]]],
    step_format: StepFormat,
    config: RolloutConfig,
    seed: int,
    whole: bool = True,
) -> list[Labelled]:
    """Labels each step of each problem's solutions by completing what it ends `config.completions` times.

    The last step, after which nothing follows, is right when the solution is. A prefix that several solutions share is
    completed once. What a problem gets does not depend on the others.

    Args:
      whole: nothing follows the solutions; else those that state no answer are beginnings, and are completed too.
    """
    found = verdicts(generator, policy, problems, solutions, step_format, config, seed, whole)
    return [
        Labelled(problem.id, problem.question, steps, tuple(share(reached, config.hard) for reached in of_steps))
        for problem, own, of_own in zip(problems, solutions, found, strict=True)
        for steps, of_steps in zip(own, of_own, strict=True)
    ]


def share(reached: Sequence[bool], hard: bool) -> float:
    """The label of a step whose completions reached the answer or did not (Math-Shepherd, equations 3 and 4).

    Args:
      hard: any of them counts for all; else the label is the share that did.
    """
    return float(any(reached)) if hard else sum(reached) / len(reached)


def verdicts(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    solutions: Sequence[Sequence[tuple[str, ...]]],
    step_format: StepFormat,
    config: RolloutConfig,
    seed: int,
    whole: bool = True,
) -> list[list[list[tuple[bool, ...]]]]:
    """Of each problem, each solution and each step: whether each completion after it reaches the answer.

    Of the last step of a whole solution it is whether that one does. The first completions are the same however many there are.

    Args:
      whole: see `label_solutions`.
    """
    found: dict[Prefix, tuple[bool, ...]] = {}

    def begun(steps: tuple[str, ...]) -> tuple[str, ...]:
        """What of a solution is completed."""
        return steps[:-1] if whole or final_answer(steps[-1], step_format.mark) is not None else steps

    starts = [[begun(steps) for steps in own] for own in solutions]
    with Grader() as grader:

        def right(index: int, solutions: Sequence[tuple[str, ...]]) -> tuple[bool, ...]:
            texts = [step_format.between.join(steps) for steps in solutions]
            return tuple(grade.correct for grade in grader.grade_all([problems[index]] * len(texts), texts, step_format))

        for (index, steps), texts in _complete(generator, policy, problems, starts, step_format, config, seed):
            found[index, steps] = right(index, [(*steps, text) for text in texts])

        def of(index: int, steps: tuple[str, ...], start: tuple[str, ...]) -> list[tuple[bool, ...]]:
            known = [found[index, start[:stop]] for stop in range(1, len(start) + 1)]
            return known if start == steps else [*known, right(index, [steps])]

        return [
            [of(index, *pair) for pair in zip(own, of_own, strict=True)]
            for index, (own, of_own) in enumerate(zip(solutions, starts, strict=True))
        ]


def work_of(config: RolloutConfig, problems: int, longest: int, whole: int) -> Work:
    """What completions of solutions' beginnings ask of an engine.

    Args:
      longest: tokens of the longest beginning.
      whole: of all different beginnings of a problem, at most.
    """
    rows = min(config.completions, 16)
    return Work(
        problems=min(problems, max(1, config.rows // rows)),
        rows=rows,
        chunk=config.chunk,
        texts=config.completions,
        needed=longest + config.max_tokens,
        wanted=whole + rows * config.max_tokens,
    )


def _complete(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    begun: Sequence[Sequence[tuple[str, ...]]],
    step_format: StepFormat,
    config: RolloutConfig,
    seed: int,
) -> Iterator[tuple[Prefix, list[str]]]:
    """Completions of every prefix of what was begun. Those of one problem share a tree: a common beginning is read once."""
    tokenizer = policy.tokenizer
    prefixes = [sorted({steps[:count] for steps in own for count in range(1, len(steps) + 1)}) for own in begun]
    prompts = {
        index: step_format.encode(tokenizer, problem.question)
        for index, (problem, own) in enumerate(zip(problems, prefixes, strict=True))
        if own
    }
    if not prompts:
        return
    lines = {steps[-1] for own in prefixes for steps in own}
    ids = {line: tokenizer.encode_after(line + step_format.between) for line in lines}
    longest = max(sum(len(ids[line]) for line in steps) for own in prefixes for steps in own)
    whole = max(sum(len(ids[steps[-1]]) for steps in own) for own in prefixes)
    work = work_of(config, len(prompts), longest, whole)
    engine = generator.engine(list(prompts.values()), work, config.sampling(config.completions, seed).params)
    under_way: dict[Request, Prefix] = {}
    left = [len(own) for own in prefixes]

    def ask(index: int) -> None:
        spans: dict[tuple[str, ...], Span] = {(): engine.open(prompts[index])}
        for steps in prefixes[index]:  # sorted: a prefix comes before what goes on from it
            spans[steps] = span = engine.follow(spans[steps[:-1]], ids[steps[-1]])
            name = f"{problems[index].id}/" + "".join(line + step_format.between for line in steps)
            limit = max(1, min(config.max_tokens, policy.config.positions - span.stop))
            under_way[engine.sample(span, row_keys(seed, name, config.completions), limit)] = index, steps

    for request in itertools.chain.from_iterable(engine.run(prompts, ask)):
        index, steps = under_way.pop(request)
        left[index] -= 1
        if not left[index]:
            engine.close(request.after)
        yield (index, steps), [tokenizer.decode(text.ids) for text in request.texts]
