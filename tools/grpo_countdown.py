"""What does reinforcement make of journeys, and which credit for steps pays? GRPO on Countdown, by `jorney grpo`.

    python tools/grpo_countdown.py runs/grpo_countdown tuning   # seed 0, 500 problems of "tuning": the learning rates
    python tools/grpo_countdown.py runs/grpo_countdown all      # these, and 1,000 problems of "test", seeds 0, 1, 2
    python tools/grpo_countdown.py runs/grpo_countdown rows     # writes what was measured to ROWS and CURVES
    python tools/grpo_countdown.py runs/grpo_countdown table    # the tables, of ROWS and CURVES alone

Each goes on where it was stopped, and what ROWS holds is not measured again. --minutes M begins nothing new after M minutes;
a piece of work is 20 minutes at most. A round takes 6.2 seconds and 6.5 core-seconds (4.2 s of it sampling), a training of 60
some 7 minutes. There are 48 of them (those of "tuning" are tested, too), 70 evaluations and 12 sets of attempts: 8 hours.

Starts, of the quickstart's settings: phase 1 on 10,000 solutions; and, after it, shortcuts, journeys or placebo journeys of
the same 1,000 trees. GRPO: 60 rounds of 16 problems and 8 completions of 192 tokens at most (the limit of evaluations, too),
temperature 1, one update a round, all else as `jorney grpo` has it (no KL; the sample deviation; the mean over tokens). Its 960
problems are the first that phase 1 has learned. The reward is accuracy. (Before this protocol one run, rate 3e-5, had problems
that are drawn after the 10,000: rarer targets, of which the journeys of seed 0 solve 24% by sampling, as of those that phase 1
learned last. Of the first ones they solve 40%, of "tuning" 41%: that these were learned is nothing that can be seen.)

(b) "outcome" from the four starts; from journeys also with the rewards of each round permuted ("shuffled"), and supervised
training on the different right completions of the outcome run ("sft", one epoch: ReST-EM, with samples of its own). Asked
again: ATTEMPTS attempts at temperature 0.7 of journeys and shortcuts, before and after GRPO, taken until one states the target,
at equal tokens a problem: as many as the longest greedy arm of the seed (journeys before or after) uses on the mean; 2 and
4 times as many beside. The same attempts give pass@1 and pass@16. Operations are counted as `jorney.model.flops` does
(causal): solutions, thoughts, sampling and updates; trees, grading, evaluation and the reward model are not.

(c) The credits "outcome", "return", "myopic", "min", "progress", "progress_sum" on journeys with exact values (whether the
target can still be reached), seeds 0, 1, 2. On seed 0 "return", "min" and "progress" also with a reward model's values
(`jorney prm` of the start: labels from 4 completions of each step of 4 solutions of 200 problems) and with 20% of the exact
values turned round.

Chosen on "tuning", seed 0: the rate of RATES at which "outcome" on journeys solves most greedily, of equal ones the lower;
all arms of (b) have it. Advantages of other credits differ in scale, though Adam takes most of that away: each has the
rate of RATES that is best for it on "tuning" by the same rule, with exact values, whatever its values are on "test".

Primary question: does journeys + GRPO (greedy) solve more than shortcuts asked again with as many tokens, over three seeds,
with p < 0.05 by turning round the signs of clusters (problems of the same numbers)? All else is secondary; p-values of a table
are corrected by Holm's method.

Done so far (2026-12-01): "tuning", all credits and rates; (b), on seeds 0 and 1 after the rate of "outcome" was chosen and
before those of (c); (c). Before that "test" was not opened but for its first ten problems of seed 0, which a dry run of this
program asked of models of two rounds; nothing was chosen by it. Seeds 0 and 1 of (b), and the
exact values of seed 0, are of an AMD EPYC; all else is of an Intel Xeon, for which AGAIN were made anew, from their starts on:
a seed gives a slightly other model there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from grpo_arms import CURVES as FIGURES
from grpo_arms import JOURNEY, KINDS, LENGTH, SFT, SHORTCUT, Arm, curves, model_of, place_of, settings
from grpo_tables import tables

from jorney import storage
from jorney.api import evaluate
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.policy import load
from jorney.solve.behaviour import behaviour
from jorney.solve.evaluate import EvaluateConfig, Graded, summarise
from jorney.solve.resample import ResampleConfig, sample_attempts
from jorney.solve.sample_rows import cost
from jorney.text.step_format import ABEL

ROWS = "configs/results/grpo_countdown.jsonl.gz"
CURVES = "configs/results/grpo_countdown_curves.jsonl.gz"
SEEDS = (0, 1, 2)
PROBLEMS = {"tuning": 500, "test": 1000}
ATTEMPTS = 16
CREDITS = ("return", "myopic", "min", "progress", "progress_sum")
UNSURE = ("return", "min", "progress")  # with values that err
RATES = (3e-5, 1e-4, 3e-4)
AGAIN = {seed: [Arm(JOURNEY), Arm(JOURNEY, "outcome")] for seed in (0, 1)}  # on the machine of the credits measured later
AGAIN[0].append(Arm(JOURNEY, "return", values="judge"))
KEY = ("kind", "set", "seed", "arm", "rate")


def reinforced() -> list[Arm]:
    """The arms of (b), each before what is made of it."""
    found = [arm for kind in (JOURNEY, SHORTCUT, *KINDS) for arm in (Arm(kind), Arm(kind, "outcome"))]
    return list(dict.fromkeys([*found, Arm(JOURNEY, "outcome", shuffled=True), Arm(JOURNEY, SFT)]))


def credited(seed: int) -> list[Arm]:
    """The further arms of (c)."""
    unsure = [Arm(JOURNEY, one, values="judge") for one in UNSURE] + [Arm(JOURNEY, one, noise=0.2) for one in UNSURE]
    return [Arm(JOURNEY, one) for one in CREDITS] + (unsure if seed == 0 else [])


def limits() -> EvaluateConfig:
    run = settings().long()
    assert run.max_tokens == LENGTH, "texts are as long as those that are learned from"
    return run


def row_key(kind: str, split: str, seed: int, arm: Arm, rate: float) -> dict[str, Any]:
    trained = arm.credit != ""
    return {"kind": kind, "set": split, "seed": seed, "arm": arm.name, "rate": rate if trained else 0.0}


def measured_in(folder: storage.Path, seed: int, arm: Arm, rate: float) -> storage.Path:
    """Where an arm's rows lie: never beside its model, which stages know by all files of its folder."""
    place = place_of(folder, seed, arm, rate)
    return folder / "measured" / place.parent.name / place.name


def known(key: dict[str, Any], file: storage.Path) -> dict[str, Any] | None:
    """A row that is committed, or lies in the folder."""
    if file.exists():
        found: dict[str, Any] = storage.read_json(file)
        return found
    return next((row for row in committed(ROWS) if all(row[name] == key[name] for name in KEY)), None)


def measured(folder: storage.Path, split: str, seed: int, arm: Arm, rate: float, kind: str = "greedy") -> dict[str, Any]:
    """What an arm solves greedily; its training, too, is done once.

    Args:
      kind: "again" measures beside a row that is known, of a model that was made anew.

    Returns:
      JSON values: "right" has a digit a problem; "tokens" and "mflops" (of the prompt and the text) a number a problem, in the
      order in which the set's problems are drawn.
    """
    name = split if kind == "greedy" else f"{split}_{kind}"
    key, file = row_key(kind, split, seed, arm, rate), measured_in(folder, seed, arm, rate) / f"{name}.json"
    if (row := known(key, file)) is not None:
        return row
    model, trained = model_of(folder, seed, arm, rate)
    began, policy = time.monotonic(), load(model, mesh=settings().mesh)
    problems = sample_problems(Countdown(), split, PROBLEMS[split], seed)
    graded = evaluate(policy, problems, limits(), "abel", seed)
    spent = [sum(cost(policy.config, one.prompt_tokens, one.tokens, True)) for one in graded]
    row = {**key, "trained": trained, "summary": {**summarise(graded, limits()), **ways(problems, graded)}}
    row |= {"right": "".join(str(int(one.correct)) for one in graded), "tokens": [one.tokens for one in graded]}
    row |= {"mflops": [round(one / 1e6) for one in spent], "seconds": time.monotonic() - began}
    storage.write_json(file, row)
    with gzip.open(os.fspath(file).replace(".json", "_texts.json.gz"), "wt") as out:
        json.dump([one.text for one in graded], out)
    return row


def attempted(folder: storage.Path, split: str, seed: int, arm: Arm, rate: float) -> dict[str, Any]:
    """ATTEMPTS attempts of an arm at every problem; made once.

    Returns:
      JSON values, lists with an entry a problem: "tokens" has a number an attempt, "states" a digit: 2 where it states the
      target, and 1 more where it is right.
    """
    key, file = row_key("attempts", split, seed, arm, rate), measured_in(folder, seed, arm, rate) / f"{split}_attempts.json"
    if (row := known(key, file)) is not None:
        return row
    began, policy = time.monotonic(), load(model_of(folder, seed, arm, rate)[0], mesh=settings().mesh)
    problems = sample_problems(Countdown(), split, PROBLEMS[split], seed)
    how = ResampleConfig(attempts=ATTEMPTS)
    found = {one.id: one for one in sample_attempts(Generator(policy), problems, ABEL, limits(), how, seed)}
    row = {**key, "tokens": [found[one.id].tokens for one in problems], "states": []}
    for one in problems:
        own = found[one.id]
        pairs = zip(own.answers, own.correct, strict=True)
        row["states"].append("".join(str(2 * (answer == one.answer) + right) for answer, right in pairs))
    storage.write_json(file, {**row, "seconds": time.monotonic() - began})
    return row


def ways(problems: Sequence[Problem], graded: Sequence[Graded]) -> dict[str, float | None]:
    """How texts go about it; "excursion_rate" is the share that goes back."""
    pairs = zip(problems, graded, strict=True)
    backs = [domain_of(problem).behaviour(problem, one.text).backs > 0 for problem, one in pairs]
    return {**behaviour(problems, graded), "excursion_rate": float(np.mean(backs))}


def committed(name: str) -> list[dict[str, Any]]:
    """The rows of a file of this checkout."""
    file = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name)
    if not os.path.exists(file):
        return []
    with gzip.open(file, "rt") as lines:
        return [json.loads(line) for line in lines]


def chosen(folder: storage.Path, arm: Arm) -> float:
    """The rate of an arm's training, by what its credit solved of "tuning" with exact values.

    Raises:
      SystemExit: the rates of this credit were not tried yet.
    """
    if not arm.credit:
        return 0.0
    tried, found = Arm(JOURNEY, "outcome" if arm.credit == SFT else arm.credit), dict[float, float]()
    for rate in RATES:
        file = measured_in(folder, 0, tried, rate) / "tuning.json"
        row = known(row_key("greedy", "tuning", 0, tried, rate), file)
        if row is None:
            raise SystemExit(f"{tried.name}: rate {rate:g} was not tried yet: expected `tuning` before `test`")
        found[rate] = row["summary"]["accuracy"]
    return max(RATES, key=lambda rate: (found[rate], -rate))


def tuning(folder: storage.Path, credits: Sequence[str] = ("outcome", *CREDITS)) -> Iterator[str]:
    yield line(measured(folder, "tuning", 0, Arm(JOURNEY), 0.0))
    for credit in credits:
        for rate in RATES:
            yield line(measured(folder, "tuning", 0, Arm(JOURNEY, credit), rate))


def test_starts(folder: storage.Path, seed: int) -> Iterator[str]:
    """(b) of a seed."""
    for arm in reinforced():
        yield line(measured(folder, "test", seed, arm, chosen(folder, arm)))
    for arm in (Arm(kind, credit) for kind in (JOURNEY, SHORTCUT) for credit in ("", "outcome")):
        attempted(folder, "test", seed, arm, chosen(folder, arm))
        yield f"test seed {seed} {arm.name}: {ATTEMPTS} attempts"


def test_credits(folder: storage.Path, seed: int) -> Iterator[str]:
    """(c) of a seed."""
    for arm in AGAIN.get(seed, ()):
        yield line(measured(folder, "test", seed, arm, chosen(folder, arm), "again"))
    for arm in credited(seed):
        yield line(measured(folder, "test", seed, arm, chosen(folder, arm)))


def whole(folder: storage.Path) -> Iterator[str]:
    """All of it, what matters most first; no rate is chosen by looking at "test"."""
    yield from tuning(folder, ["outcome"])
    yield from test_starts(folder, 0)
    yield from tuning(folder)
    yield from test_credits(folder, 0)
    for seed in SEEDS[1:]:
        yield from test_starts(folder, seed)
        yield from test_credits(folder, seed)


def line(row: dict[str, Any]) -> str:
    """What was measured of an arm, for whoever waits."""
    told, trained = row["summary"], row["trained"]
    names = ("first_attempt_accuracy", "excursion_rate", "recovery_rate", "justified_backtracks", "true_equations")
    shares = ", ".join(f"{name} {told[name]:.1%}" for name in names if told[name] is not None)
    found = f"{row['set']} seed {row['seed']} {row['arm']} rate {row['rate']:g}: {told['accuracy']:.1%}, {shares}"
    found += f", {told['mean_tokens']:.0f} tokens, cut {told['cut']}, {row.get('seconds', 0):.0f} s; "
    return found + f"training {trained['flops'] / 1e12:.1f} TFLOP, {trained.get('seconds', 0):.0f} s"


def write_rows(folder: storage.Path) -> Iterator[str]:
    """Adds what was measured to ROWS, and trainings' figures to CURVES."""
    kept = {json.dumps([row[name] for name in KEY]): row for row in committed(ROWS)}
    courses = {json.dumps([row[name] for name in KEY[2:]]): row for row in committed(CURVES)}
    for split in PROBLEMS:
        for name in (f"{split}.json", f"{split}_attempts.json", f"{split}_again.json"):
            for file in sorted((folder / "measured").glob(f"seed*/*/{name}"), key=os.fspath):
                row = storage.read_json(file)
                kept.setdefault(json.dumps([row[name] for name in KEY]), row)
                own = folder / file.parent.parent.name / file.parent.name / "grpo" / "stages"
                for stage in sorted(own.glob("grpo-*"), key=os.fspath):
                    rounds = curves(stage)
                    course = {name: row[name] for name in KEY[2:]}
                    for figure in FIGURES:
                        course[figure] = [None if figure not in one else round(one[figure], 4) for one in rounds]
                    courses.setdefault(json.dumps([row[name] for name in KEY[2:]]), course)
    for name, rows in ((ROWS, kept), (CURVES, courses)):
        with gzip.GzipFile(name, "wb", mtime=0) as out:
            out.write("".join(json.dumps(row) + "\n" for row in rows.values()).encode())
        yield f"{name}: {len(rows)} rows, {os.path.getsize(name):,} bytes"


def table(folder: storage.Path) -> Iterator[str]:
    return tables(committed(ROWS), committed(CURVES))


STAGES = {"tuning": tuning, "all": whole, "rows": write_rows, "table": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="a folder, in which it goes on where it was stopped")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--minutes", type=float, default=0.0, help="begin nothing new after so many; 0 for no end")
    options = parser.parse_args()
    use_persistent_cache()
    began = time.monotonic()
    for told in STAGES[options.stage](storage.path(options.output)):
        print(told, flush=True)
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            break
    else:
        print(f"{options.stage}: done", flush=True)


if __name__ == "__main__":
    main()
