"""From problems with solutions to training examples: which tokens are prompt and which bear loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jorney.batch.packing import Example
from jorney.domain.answers import final_answer
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL, BOXED, StepFormat, rewrite
from jorney.text.tokenizer import Tokenizer


def encode_example(tokenizer: Tokenizer, prompt: str | Sequence[int], completion: str) -> Example:
    """bos + prompt (a text, or its ids) | completion + eos.

    Prompt and completion are tokenised apart, so that training sees the very boundary that generation starts from; eos
    is part of the completion and bears loss.
    """
    head = tokenizer.encode_prompt(prompt) if isinstance(prompt, str) else list(prompt)
    return Example((*head, *tokenizer.encode_to_end(completion)), prompt=len(head))


def stated(problem: Problem) -> str:
    """A problem's solution, which ends with its answer where it does not say it: a model has to learn how that is said."""
    solution = problem.solution or ""
    says = final_answer(solution) is not None or final_answer(solution, BOXED) is not None
    return solution if says else f"{solution.rstrip()}\n{ABEL.mark} {problem.answer}"


def encode_solutions(tokenizer: Tokenizer, step_format: StepFormat, problems: Iterable[Problem], source: str) -> list[Example]:
    """Every problem's prompt and its solution, which is rewritten where the format is another than `problems` have (Abel's).

    Raises:
      ValueError: a problem has no solution, or the tokenizer would lose some of its text; names it.
    """
    examples = []
    for problem in problems:
        place = f"{source}: the problem {problem.id!r}"
        if problem.solution is None:
            raise ValueError(
                f"{place} has no solution: training needs one for every problem: a field 'solution', or an 'answer' as GSM8K "
                "has it, the working before '#### '"
            )
        tokenizer.expect_held((problem.question, problem.solution), place)
        solution = rewrite(stated(problem), ABEL, step_format)
        examples.append(encode_example(tokenizer, step_format.encode(tokenizer, problem.question), solution))
    return examples
