"""How well the quality score finds planted faults: `python tools/rank_faults.py thoughts.jsonl --unrelated gsm8k_test.jsonl`.

For thoughts of a file, or for the worked solutions of a problem set as thoughts: every kind of fault planted once in each, the
share that is ranked below its own clean original, and the probability that any clean thought is ranked above any faulty one.
The unrelated sentences are steps of other problems' solutions.
"""

from __future__ import annotations

import argparse
import itertools

from jorney.rows.problems import problems_of, read_problems
from jorney.rows.sources import read_rows
from jorney.text.step_format import ABEL
from jorney.thought.asked.human import from_solution, segments
from jorney.thought.care.faults import find_faults
from jorney.thought.care.quality import measure, summarise
from jorney.thought.thought import from_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="thoughts, or problems with solutions")
    parser.add_argument("--unrelated", required=True, help="problems with solutions, other ones")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rows = list(itertools.islice(read_rows(chosen.data), chosen.limit))
    if "pieces" in rows[0][1]:
        thoughts = [from_json(row, place) for place, row in rows]
    else:
        thoughts = [from_solution(problem, ABEL) for problem in problems_of(rows, chosen.data)]
    unrelated = [step for problem in read_problems(chosen.unrelated) for step in segments(problem, ABEL)]
    clean = summarise([measure(thought) for thought in thoughts])
    print("clean: " + ", ".join(f"{name} {value:.3f}" for name, value in clean.items()))
    print(f"{'fault':20} {'planted':>8} {'below':>8} {'AUC':>7}")
    for name, found in find_faults(thoughts, unrelated, chosen.seed).items():
        print(f"{name:20} {found.planted:8,} {found.below:8.1%} {found.auc:7.3f}")


if __name__ == "__main__":
    main()
