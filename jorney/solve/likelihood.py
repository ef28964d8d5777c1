"""Multiple choice by likelihood: of a question's options that one is chosen which the model finds likeliest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from jorney.domain.choice_of_options import LETTERS
from jorney.domain.problem import Problem
from jorney.engine.scoring import Scorer
from jorney.solve.benchmarks.task_protocol import TaskProtocol
from jorney.solve.evaluate import Graded, about
from jorney.text.tokenizer import Tokenizer

PER_CHARACTER = "likelihood-per-character"


def evaluate_options(
    scorer: Scorer, tokenizer: Tokenizer, problems: Sequence[Problem], protocol: TaskProtocol
) -> Iterator[list[Graded]]:
    """The option of every problem that is likeliest, graded, as they are scored.

    lm-evaluation-harness's "acc" decides; beside it stands its "acc_norm", for which a log-likelihood is divided by the
    option's characters.
    """
    requests = [request for problem in problems for request in options(tokenizer, problem, protocol)]
    starts = [0, *itertools.accumulate(len(problem.meta["options"]) for problem in problems)]
    owner = [index for index, problem in enumerate(problems) for _ in problem.meta["options"]]
    found: dict[int, dict[int, float]] = {}
    for request, likelihood in scorer.stream(requests):
        index = owner[request]
        own = found.setdefault(index, {})
        own[request - starts[index]] = likelihood.log_prob
        if len(own) == len(problems[index].meta["options"]):
            of_option = [own[option] for option in range(len(own))]
            yield [_graded(problems[index], of_option, protocol, len(requests[starts[index]][0]))]


def options(tokenizer: Tokenizer, problem: Problem, protocol: TaskProtocol) -> list[tuple[list[int], list[int]]]:
    """The ids of the prompt and of each option behind it.

    A prompt and its option are tokenised together, and cut where the prompt alone would end, as lm-evaluation-harness does.
    """
    prompt, found = protocol.encode(tokenizer, problem), []
    for text in _scored(problem, protocol):
        if protocol.chat == "no":
            whole = tokenizer.encode_prompt(f"{protocol.text(problem)} {text}")
            found.append((whole[: len(prompt)], whole[len(prompt) :]))
        else:
            found.append((prompt, tokenizer.encode_after(text)))
    return found


def _scored(problem: Problem, protocol: TaskProtocol) -> Sequence[str]:
    texts: list[str] = problem.meta["options"]
    return texts if protocol.scored == "text" else LETTERS[: len(texts)]


def _graded(problem: Problem, log_probs: Sequence[float], protocol: TaskProtocol, prompt_tokens: int) -> Graded:
    texts = _scored(problem, protocol)
    by_sum, by_character = (
        LETTERS[max(range(len(log_probs)), key=lambda option: log_probs[option] / size[option])]
        for size in ([1] * len(texts), [len(text) for text in texts])
    )
    right = by_sum == problem.answer
    return Graded(
        id=problem.id,
        correct=right,
        answer=by_sum,
        note="" if right else f"answers {by_sum}, not {problem.answer}",
        tokens=0,
        finished=True,
        true_equations=0,
        equations=0,
        text=by_sum,
        prompt_tokens=prompt_tokens,
        others={PER_CHARACTER: {"answer": by_character, "correct": by_character == problem.answer}},
        about=about(problem),
    )
