"""Full fine-tuning beside adapters of rank 1, 4, 16 and 64, on Countdown's journeys at equal tokens.

    python tools/lora_ranks.py runs/lora_ranks tuning     # seed 0, problems of the set "tuning": which learning rates
    python tools/lora_ranks.py runs/lora_ranks test       # seeds 0, 1, 2, the rates of RATES, 1,000 problems of "test"

Of each seed: phase 1 on 10,000 solutions, 1,000 trees, a journey of each that has one, all as the quickstart is set. Then every
arm learns from the same journeys, for as many epochs, in the same order; only what is trained differs. The rates are chosen on
"tuning" and written into RATES before "test" is opened. Goes on where it was stopped; --rows writes which problems each arm
solved, by seed. 45 minutes of two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import os
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import jorney
from jorney import storage
from jorney.api import derive, evaluate, train
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.model import lora
from jorney.model.lora import LoraConfig
from jorney.model.params import count
from jorney.policy import Policy, load, save
from jorney.run.recipes.journey import RunConfig, quickstart
from jorney.run.stages.derivation import read_thoughts
from jorney.solve.statistics import wilson
from jorney.text.step_format import ABEL
from jorney.thought.encode import encode_thought
from jorney.thought.thought import Thought
from jorney.train import training

RANKS = (0, 1, 4, 16, 64)  # 0 trains the whole model
SEEDS = (0, 1, 2)
TRIED = {0: (2.5e-4, 5e-4, 1e-3, 2e-3), 16: (1e-3, 2e-3, 5e-3, 1e-2)}
RATES = {0: 2.5e-4, 16: 2e-3}  # of adapters whatever their rank: alpha / R scales them
PROBLEMS = {"tuning": 300, "test": 1000}


def settings() -> RunConfig:
    return quickstart()


def prepared(folder: storage.Path, seed: int) -> tuple[Policy, list[Thought]]:
    """The model of phase 1 and the journeys of a seed, made once."""
    config, place = settings(), folder / f"seed{seed}"
    thoughts = place / "journeys.jsonl"
    if not thoughts.exists():
        task = Countdown()
        problems = sample_problems(task, "train", config.problems.train_count or 0, seed)
        student, _ = train(load(mesh=config.mesh), problems, config.sft, "abel", place / "phase1_training", seed)
        save(student, place / "phase1", np.float32)
        asked = sample_problems(task, "trees", config.problems.trees_count or 0, seed)
        journeys = derive(
            jorney.expand(student, asked, config.expand, seed=seed), config.derive, "journey", config.refine, seed
        )
        storage.write_jsonl(thoughts, [one.to_json() for one in journeys])
    return load(os.fspath(place / "phase1"), mesh=settings().mesh), read_thoughts(thoughts)


def learned(place: storage.Path, policy: Policy, journeys: Sequence[Thought], rank: int, rate: float, seed: int) -> Policy:
    config = settings().phase2
    optimizer = dataclasses.replace(config.optimizer, learning_rate=rate)
    config = dataclasses.replace(config, optimizer=optimizer, lora=LoraConfig(rank))
    examples = [encode_thought(policy.tokenizer, ABEL, one, settings().excursion_loss) for one in journeys]
    return training.train(policy, training.prepare(policy, examples, config, seed), config, seed, place)[0]


def measured(
    folder: storage.Path, seed: int, rank: int, rate: float, split: str, made: tuple[Policy, list[Thought]]
) -> dict[str, Any]:
    """{"right": [n] bool, "tokens": mean a problem} of an arm, made once."""
    place = folder / f"seed{seed}" / f"rank{rank}_rate{rate:g}"
    file = place / f"{split}.json"
    if not file.exists():
        policy = learned(place / "training", *made, rank, rate, seed)
        if policy.lora is not None:
            policy = dataclasses.replace(policy, params=lora.merged(policy.params), lora=None)
        problems = sample_problems(Countdown(), split, PROBLEMS[split], seed)
        graded = evaluate(policy, problems, settings().long(), "abel", seed)
        found = {"right": [one.correct for one in graded], "tokens": statistics.mean(one.tokens for one in graded)}
        storage.write_json(file, found)
    return storage.read_json(file)


def tuning(folder: storage.Path) -> Iterator[str]:
    made = prepared(folder, 0)
    for rank, rates in TRIED.items():
        for rate in rates:
            right = measured(folder, 0, rank, rate, "tuning", made)["right"]
            yield f"{name(rank)}, rate {rate:g}: {np.mean(right):.1%} of {len(right)}"


def test(folder: storage.Path, rows: str) -> Iterator[str]:
    found: dict[int, list[dict[str, Any]]] = {rank: [] for rank in RANKS}
    for seed in SEEDS:
        made = prepared(folder, seed)
        for rank in RANKS:
            found[rank].append(measured(folder, seed, rank, RATES[16 if rank else 0], "test", made))
    if rows:
        kept = []
        for rank, arms in found.items():
            for seed, one in zip(SEEDS, arms, strict=True):
                solved = "".join(str(int(right)) for right in one["right"])  # a digit a problem
                arm = {"seed": seed, "rank": rank, "rate": RATES[16 if rank else 0]}
                kept.append({**arm, "tokens": one["tokens"], "right": solved})
        with gzip.GzipFile(rows, "wb", mtime=0) as out:
            out.write("".join(json.dumps(row) + "\n" for row in kept).encode())
    whole = jorney.load().config
    yield "| trained | parameters | seed 0 | seed 1 | seed 2 | mean (95% interval) | beside full, points |"
    yield "|---|---|---|---|---|---|---|"
    full = np.concatenate([np.asarray(one["right"], float) for one in found[0]])
    for rank, arms in found.items():
        own = [np.asarray(one["right"], float) for one in arms]
        together = np.concatenate(own)
        low, high = wilson(int(together.sum()), len(together))
        differs = together - full
        middle, spread = 100 * differs.mean(), 196 * differs.std(ddof=1) / len(differs) ** 0.5
        size = lora.count(whole, LoraConfig(rank)) if rank else count(whole)
        cells = " | ".join(f"{one.mean():.1%}" for one in own)
        beside = f"{middle:+.1f} ({middle - spread:+.1f} to {middle + spread:+.1f})"
        mean = f"{together.mean():.1%} ({low:.1%} to {high:.1%})"
        yield f"| {name(rank)} | {size:,} | {cells} | {mean} | {beside if rank else ''} |"


def name(rank: int) -> str:
    return f"adapters of rank {rank}" if rank else "the whole model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="a folder, in which it goes on where it was stopped")
    parser.add_argument("problems", choices=PROBLEMS)
    parser.add_argument("--rows", default="", help="a .jsonl.gz for which problems were solved")
    options = parser.parse_args()
    use_persistent_cache()
    folder = storage.path(options.output)
    for line in tuning(folder) if options.problems == "tuning" else test(folder, options.rows):
        print(line, flush=True)


if __name__ == "__main__":
    main()
