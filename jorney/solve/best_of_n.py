"""Best of N: whole solutions are sampled, and one of them is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.judge import Judge, beside
from jorney.solve.choice import Solutions
from jorney.solve.solver import Budget, Sampler, Solver, judged


class BestOfN(Solver):
    """`budget.n` solutions of every problem."""

    name = "best-of-n"

    def decides(self, budget: Budget) -> dict[str, Any]:
        return {name: getattr(budget, name) for name in ("n", "max_tokens", "temperature", "top_p", "grading_seconds")}

    def solve(self, problems: Sequence[Problem], sampler: Sampler, judge: Judge, budget: Budget) -> Iterator[Solutions]:
        generator, step_format = sampler.generator, sampler.step_format
        prompts = [step_format.encode(generator.policy.tokenizer, problem.question) for problem in problems]
        with Grader(budget.grading_seconds) as grader:
            sampling, names = budget.sampling(sampler.seed), [problem.id for problem in problems]
            together = beside(judge, problems, budget.max_tokens) if problems else []
            stream = generator.stream(prompts, sampling, names, beside=together)
            for index, completions in stream:
                yield judged(problems[index], completions, judge, grader, step_format)
