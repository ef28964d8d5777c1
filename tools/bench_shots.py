"""What shots cost once they are read: tokens a second behind a prompt with shots, beside the same questions without.

    python tools/bench_shots.py MODEL --problems gsm8k/test.jsonl --shots gsm8k/train.jsonl

Both sides decode the same questions in one process and take turns, a round of one, then a round of the other; printed are the
medians of the rounds after one of warm-up. Seconds are those of decoding alone, as the engine counts them: reading the shots,
which happens once for all questions, is told beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from typing import Any

from turns import processor

import jorney
from jorney.engine.engine import Engine
from jorney.engine.generate import Generator, SamplingConfig
from jorney.rows.problems import read_problems
from jorney.solve.benchmarks import shots
from jorney.solve.benchmarks.task_protocol import TaskProtocol


class Watched(Generator):
    """A generator whose last engine can be asked what it counted."""

    last: Engine

    def engine(self, *given: Any, **more: Any) -> Engine:
        self.last = super().engine(*given, **more)
        return self.last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--problems", required=True, help="questions")
    parser.add_argument("--shots", required=True, help="rows with a question and a solution")
    parser.add_argument("--count", type=int, default=8, help="of shots")
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="of a text, at most")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    problems = read_problems(given.problems, given.questions)
    plain = TaskProtocol("Question: {question}\nAnswer:")
    asked = {
        "no shots": plain,
        f"{given.count} shots": shots.read(dataclasses.replace(plain, shots=given.shots, count=given.count), given.problems),
    }
    policy = jorney.load(given.model)
    # Nothing ends a text but the limit: both sides write as many tokens, in as many rows.
    endless = dataclasses.replace(policy.tokenizer, eos=policy.config.vocab_size - 1)
    generator = Watched(dataclasses.replace(policy, tokenizer=endless, generation={}))
    tokenizer = policy.tokenizer
    sampling = SamplingConfig(max_tokens=given.tokens, temperature=1.0, top_p=1.0, rows=given.questions)
    names = [problem.id for problem in problems]
    rates: dict[str, list[float]] = {name: [] for name in asked}
    read: dict[str, tuple[int, int]] = {}
    for turn in range(given.rounds + 1):
        for name, protocol in asked.items():
            prompts = [protocol.encode(tokenizer, problem) for problem in problems]
            generator.generate(prompts, sampling, names)
            counts = generator.last.counts
            read[name] = sum(map(len, prompts)) // len(prompts), counts.read
            if turn:
                rates[name].append(counts.sampled / counts.decoding)
    for name, own in rates.items():
        median = statistics.median(own)
        print(
            f"{name}: {median:,.1f} tokens/s ({min(own):,.1f} to {max(own):,.1f}); prompts of {read[name][0]:,} tokens, "
            f"{read[name][1]:,} read for all beside what they share"
        )
    first, second = (statistics.median(own) for own in rates.values())
    print(f"ratio {second / first:.2f}; {processor()}")


if __name__ == "__main__":
    main()
