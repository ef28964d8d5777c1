"""From problems with solutions to training examples: which tokens are prompt and which bear loss."""

from __future__ import annotations

from collections.abc import Iterable

from jorney.data.packing import Example
from jorney.data.problems import Problem
from jorney.data.steps import StepFormat
from jorney.data.tokenizer import Tokenizer


def encode_example(tokenizer: Tokenizer, prompt: str, completion: str) -> Example:
    """bos + prompt | completion + eos.

    Prompt and completion are tokenised apart, so that training sees the very boundary that generation starts from; eos
    is part of the completion and bears loss.
    """
    head = tokenizer.encode_prompt(prompt)
    return Example((*head, *tokenizer.encode_after(completion), tokenizer.eos), prompt=len(head))


def encode_solutions(tokenizer: Tokenizer, step_format: StepFormat, problems: Iterable[Problem], source: str) -> list[Example]:
    """Every problem's prompt and its solution.

    Raises:
      ValueError: a problem has no solution; names it.
    """
    examples = []
    for problem in problems:
        if problem.solution is None:
            raise ValueError(f"{source}: the problem {problem.id!r} has no solution: training needs one for every problem")
        examples.append(encode_example(tokenizer, step_format.ask(problem.question), problem.solution))
    return examples
