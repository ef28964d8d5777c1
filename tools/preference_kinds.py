"""Does preference training on pairs of steps help where whole solutions do not? DPO by kinds of pairs, on Countdown.

    python tools/preference_kinds.py runs/preference_kinds start     # the models that DPO starts from, of seeds 0, 1, 2
    python tools/preference_kinds.py runs/preference_kinds tuning    # seed 0, 500 problems of "tuning": the settings
    python tools/preference_kinds.py runs/preference_kinds test      # seeds 0, 1, 2, CHOSEN's settings, 1,000 of "test"
    python tools/preference_kinds.py runs/preference_kinds probe     # seed 0, "tuning": where the cause may lie
    python tools/preference_kinds.py runs/preference_kinds rows      # adds what was measured to ROWS
    python tools/preference_kinds.py runs/preference_kinds table     # the tables, of ROWS alone

Every stage goes on where it was stopped, and what ROWS holds is not measured again.

The start is the quickstart's: phase 1, 1,000 trees of it, a journey of each that has one. The pairs are made of 3,000 other
trees of the phase 1 model, of problems whose solutions it has learned; 200 of these are kept for measuring log-probabilities.
Every kind learns from the same 2,800 trees, and from as many tokens: TOKENS completion tokens of both sides, those that
bear loss; prompts come on top. BATCH makes an update of about as many of them (some 350 of steps, 310 of solutions, 400 of
subtrees, 285 of journeys), so updates are about as many, too. A kind that has fewer tokens is read again; of one that has more,
as many pairs as fit are drawn.

Chosen on "tuning", with seed 0 alone: beta and the learning rate of BETAS x RATES, then smoothing at these two; the highest
accuracy counts, of equal ones the first. "first-error" takes what is chosen for "step": 98% of its pairs are the same, as
nearly every wrong step is where some wrong solution first errs. Then "test" is opened once. (Eleven runs on "tuning" came
before this protocol, with pairs of 900 trees of the set "trees", which has but 164 sets of numbers; step pairs had to be read
three times. Where the start solved 47.6%, the rate 4e-4 left 0.2 and 1.0% with whole solutions, 1e-4 left 5.2% (beta 0.1) and
37.6% (0.5) with these and 5.6% (0.1) with steps; so RATES end below. After the grid, FASTER was tried.)

The bar: the kind that is best on "tuning" solves at least 3 points more of "test" than its start, over the three seeds, with
p < 0.01 by turning round the signs of clusters (problems of the same numbers, whatever the seed). Controls, with the settings
of that kind: the same pairs, each the wrong way round with the chance of 1 in 2 ("exchanged"), and supervised training on the
chosen sides alone, each read twice, so that it is as many tokens ("chosen-sft").

On two cores that other work shares: 27 minutes for `start`, 25 for `tuning`, 30 for `test` (7 of them "first-error"), which
reads what `tuning` trained. A stage that is stopped goes on by the same command.

All is of an AMD EPYC but "first-error" on "test", for which the starts were made anew on an Intel Xeon, where a seed gives a
slightly other model; they were measured there, too (AGAIN), and "first-error" is held against these.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import itertools
import json
import math
import os
import pathlib
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from preference_tables import AGAIN, tables, tuned

import jorney
from jorney import storage
from jorney.api import derive, evaluate, train
from jorney.batch.packing import Example
from jorney.batch.pairs import Preference, lay_out
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.model.params import count
from jorney.policy import Policy, load, save
from jorney.rows.step_pairs import encode_tree_pair
from jorney.run.recipes.journey import RunConfig, quickstart
from jorney.solve.behaviour import behaviour
from jorney.solve.evaluate import summarise
from jorney.text.step_format import ABEL
from jorney.thought.encode import encode_thought
from jorney.thought.tree_pairs import pairs_of
from jorney.train import training
from jorney.train.loop import LoopConfig
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import Tree, from_json

ROWS = pathlib.Path(__file__).parents[1] / "configs/results/preference_kinds.jsonl.gz"
SEEDS = (0, 1, 2)
PROBLEMS = {"tuning": 500, "test": 1000}
TREES = 1000  # for the journeys
PAIR_TREES, HELD_OUT = 3000, 200  # for the pairs, and how many of these are not trained on
TOKENS = 110_000
BATCH = {"step": 16, "first-error": 16, "subtree": 8, "leaf": 4, "journey": 4}
BETAS, RATES, SMOOTHING = (0.1, 0.5), (5e-6, 2e-5), ("none", "visits")
TUNED = ("leaf", "step", "journey")  # subtrees were left out for the time that they take
KINDS = (*TUNED, "first-error")
EXCHANGED, CHOSEN_SFT = "exchanged", "chosen-sft"


@dataclasses.dataclass(frozen=True)
class Setting:
    """How one kind of pairs is learned: DPO's beta, the learning rate, and whether pairs are doubted by their visits."""

    beta: float
    rate: float
    smoothing: str = "none"


FASTER = Setting(0.5, 1e-4, "visits")  # tried after the rest: pairs that are doubted bear a higher rate
# On "tuning".
CHOSEN = {"leaf": Setting(0.1, 5e-6), "step": Setting(0.5, 2e-5, "visits"), "journey": Setting(0.5, 5e-6, "visits")}
BEST = "step"  # the kind that is best there


def settings() -> RunConfig:
    return quickstart()


def started(folder: storage.Path, seed: int) -> tuple[Policy, list[Tree]]:
    """The model that DPO starts from, and the trees that pairs are made of; made once."""
    config, place, began = settings(), folder / f"seed{seed}", time.monotonic()
    if not (place / "phase1" / "config.json").exists():
        problems = sample_problems(Countdown(), "train", config.problems.train_count or 0, seed)
        student, _ = train(load(mesh=config.mesh), problems, config.sft, "abel", place / "phase1_training", seed)
        save(student, place / "phase1", np.float32)
    student = load(os.fspath(place / "phase1"), mesh=config.mesh)
    trees = grown(place / "trees.jsonl", student, "trees", TREES, seed)
    pair_trees = grown(place / "pair_trees.jsonl", student, "train", PAIR_TREES, seed)  # the first that phase 1 has learned
    if not (place / "start" / "config.json").exists():
        journeys = derive(trees, config.derive, "journey", config.refine, seed)
        examples = [encode_thought(student.tokenizer, ABEL, one, config.excursion_loss) for one in journeys]
        data = training.prepare(student, examples, config.phase2, seed)
        policy, _ = training.train(student, data, config.phase2, seed, place / "start_training")
        save(policy, place / "start", np.float32)
        storage.write_json(place / "start.json", {"journeys": len(journeys), "seconds": time.monotonic() - began})
    return load(os.fspath(place / "start"), mesh=config.mesh), pair_trees


def grown(file: storage.Path, student: Policy, split: str, count: int, seed: int) -> list[Tree]:
    """A model's trees of the first problems of a set; made once."""
    if not file.exists():
        trees = jorney.expand(student, sample_problems(Countdown(), split, count, seed), settings().expand, seed=seed)
        storage.write_jsonl(file, [tree.to_json() for tree in trees])
    return [from_json(row) for _, row in storage.read_jsonl(file)]


def preferences(policy: Policy, trees: Sequence[Tree], kind: str, seed: int) -> list[Preference]:
    """All pairs of a kind that the trees have, each with the doubt of its visits."""
    doubted = ContrastConfig(smoothing="visits")
    found = [one for tree in trees for one in pairs_of(tree, kind, doubted, seed, settings().refine)]
    return [encode_tree_pair(policy.tokenizer, one, f"tree {one.tree!r}", ABEL) for one in found]


def completion_tokens(pairs: Sequence[Preference]) -> int:
    return sum(len(one.chosen) + len(one.rejected) for one in pairs)


def equal_tokens(pairs: Sequence[Preference], tokens: int, seed: int) -> tuple[list[Preference], int]:
    """(pairs, epochs) that come to so many completion tokens, within a pair an epoch: as few epochs as will do."""
    epochs = math.ceil(tokens / completion_tokens(pairs))
    drawn = random.Random(f"pairs/{seed}").sample(list(pairs), len(pairs))
    kept, total = 0, 0
    while total * epochs < tokens:
        total += completion_tokens(drawn[kept : kept + 1])
        kept += 1
    return drawn[:kept], epochs


def exchanged(pairs: Sequence[Preference], seed: int) -> list[Preference]:
    """The pairs, each with the chance of 1 in 2 the wrong way round."""
    rng = random.Random(f"exchanged/{seed}")
    return [dataclasses.replace(one, chosen=one.rejected, rejected=one.chosen) if rng.random() < 0.5 else one for one in pairs]


def lengths(pairs: Sequence[Preference]) -> dict[str, int]:
    """Tokens of a row's prompt and completions, as the longest need, rounded up to a multiple of 8."""
    longest = {
        "prompt_length": max(len(one.prompt) for one in pairs),
        "completion_length": max(max(len(one.chosen), len(one.rejected)) for one in pairs),
    }
    return {name: -(-length // 8) * 8 for name, length in longest.items()}


def arm_pairs(policy: Policy, trees: Sequence[Tree], arm: str, seed: int) -> tuple[str, list[Preference], list[Preference]]:
    """(kind, pairs to learn from, pairs held out) of an arm."""
    kind = arm if arm in KINDS else BEST
    own = preferences(policy, trees[:-HELD_OUT], kind, seed)
    return kind, exchanged(own, seed) if arm == EXCHANGED else own, preferences(policy, trees[-HELD_OUT:], kind, seed)


def learned(
    place: storage.Path, policy: Policy, trees: Sequence[Tree], arm: str, setting: Setting, seed: int, more: dict[str, Any]
) -> tuple[Policy, dict[str, Any]]:
    """The model of an arm, and what its training tells.

    Args:
      more: fields of `DpoConfig` that are otherwise than the protocol has them, and "tokens": how many times as many.
    """
    run, more = settings(), dict(more)
    kind, pairs, held_out = arm_pairs(policy, trees, arm, seed)
    kept, epochs = equal_tokens(pairs, TOKENS * more.pop("tokens", 1), seed)
    optimizer = dataclasses.replace(run.dpo.optimizer, learning_rate=setting.rate)
    loop, began = LoopConfig(save_every=100_000, keep=1), time.monotonic()
    config = dataclasses.replace(
        run.dpo,
        beta=setting.beta,
        epochs=epochs,
        batch_pairs=BATCH[kind],
        optimizer=optimizer,
        loop=loop,
        **{**lengths(kept + held_out), "smoothing": "own" if setting.smoothing == "visits" else "number", **more},
    )
    told: dict[str, Any] = {"pairs": len(kept), "epochs": epochs, "shorter_wins": dpo.shorter_wins(kept)}
    if arm == CHOSEN_SFT:
        taught = [Example((*one.prompt, *one.chosen), prompt=len(one.prompt)) for one in kept]
        sft = dataclasses.replace(run.phase2, epochs=2 * epochs, batch_rows=4, optimizer=optimizer, loop=loop)
        data = training.prepare(policy, taught, sft, seed)
        after, _ = training.train(policy, data, sft, seed, place)
        own = 2 * epochs * sum(len(one.chosen) for one in kept)
        told |= {"completion_tokens": own, "tokens": own + 2 * epochs * sum(len(one.prompt) for one in kept)}
    else:
        data = training.prepare(policy, kept, config, seed)
        after, records = training.train(policy, data, config, seed, place)
        last = records[-max(1, len(records) // 10) :]
        told |= dpo.Dpo().summary(config, kept, data.batches, records)
        for name in ("accuracy", "margin", "chosen_log_prob", "rejected_log_prob"):
            told[name] = float(np.mean([one[name] for one in last]))
    told |= {"updates": data.batches.steps, "seconds": time.monotonic() - began}
    return after, told | {"held_out": compared(policy, after, held_out, config)}


def compared(before: Policy, after: Policy, pairs: Sequence[Preference], config: DpoConfig) -> dict[str, Any]:
    """Mean log-probabilities of both sides under two models, and in how many pairs each prefers the chosen one."""
    rows = lay_out(pairs, config.batch_pairs, config.prompt_length, config.completion_length)
    there, n = rows.pair_mask > 0, len(pairs)
    found: dict[str, Any] = {"pairs": n}
    margins = []
    for name, policy in (("before", before), ("after", after)):
        own = dpo.with_reference(policy, rows, config)
        chosen, rejected = own.reference_chosen[there], own.reference_rejected[there]
        margins.append(chosen - rejected)
        found |= {f"chosen_{name}": float(chosen.mean()), f"rejected_{name}": float(rejected.mean())}
        found[f"prefers_{name}"] = float((chosen > rejected).mean())
    return found | {"accuracy": float((margins[1] > margins[0]).mean())}


def measured(
    folder: storage.Path, split: str, seed: int, arm: str, setting: Setting | None, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What an arm solves of a set, how it goes about it, and what its training told; measured once.

    Returns:
      JSON values: "right" has a digit a problem, "tokens" a number a problem, in the order of "problems".
    """
    more = more or {}
    key = {"set": split, "seed": seed, "arm": arm, "setting": setting and dataclasses.asdict(setting), "more": more}
    for row in committed():
        if all(row[name] == value for name, value in key.items()):
            return row
    place = place_of(folder, seed, arm, setting, more)
    if not (file := place / f"{split}.json").exists():
        policy, trees = started(folder, seed)
        trained: dict[str, Any] = {}
        if setting is not None:
            policy, trained = learned(place / "training", policy, trees, arm, setting, seed, more)
        began, limits = time.monotonic(), settings().long()
        problems = sample_problems(Countdown(), split, PROBLEMS[split], seed)
        graded = evaluate(policy, problems, limits, "abel", seed)
        found = {**key, "trained": trained, "summary": {**summarise(graded, limits), **behaviour(problems, graded)}}
        found |= {"problems": [one.id for one in problems], "right": "".join(str(int(one.correct)) for one in graded)}
        found |= {"tokens": [one.tokens for one in graded], "seconds": time.monotonic() - began}
        found["parameters"] = count(policy.config)
        storage.write_json(file, found)
        with gzip.open(place / f"{split}_texts.json.gz", "wt") as out:
            json.dump([one.text for one in graded], out)
    known: dict[str, Any] = storage.read_json(file)
    return known


def place_of(folder: storage.Path, seed: int, arm: str, setting: Setting | None, more: dict[str, Any]) -> storage.Path:
    told = "start" if setting is None else f"{arm}_beta{setting.beta:g}_rate{setting.rate:g}_{setting.smoothing}"
    return folder / f"seed{seed}" / "_".join([told, *(f"{name}{value}" for name, value in more.items())])


def committed() -> list[dict[str, Any]]:
    """The rows that are there already, from this checkout."""
    if not ROWS.exists():
        return []
    with gzip.open(ROWS, "rt") as lines:
        return [json.loads(line) for line in lines]


def write_rows(folder: storage.Path) -> Iterator[str]:
    """Adds what was measured to ROWS."""
    kept = {json.dumps([row[name] for name in ("set", "seed", "arm", "setting", "more")]): row for row in committed()}
    for file in sorted(os.fspath(one) for split in PROBLEMS for one in folder.glob(f"seed*/*/{split}.json")):
        row = storage.read_json(file)
        kept.setdefault(json.dumps([row[name] for name in ("set", "seed", "arm", "setting", "more")]), row)
    with gzip.GzipFile(ROWS, "wb", mtime=0) as out:
        out.write("".join(json.dumps(row) + "\n" for row in kept.values()).encode())
    yield f"{len(kept)} rows, {ROWS.stat().st_size:,} bytes"


def tuning(folder: storage.Path) -> Iterator[str]:
    yield line(measured(folder, "tuning", 0, "start", None))
    for kind in TUNED:
        tried = []
        for beta, rate in itertools.product(BETAS, RATES):
            tried.append(measured(folder, "tuning", 0, kind, Setting(beta, rate)))
            yield line(tried[-1])
        best = max(tried, key=lambda one: one["summary"]["accuracy"])["setting"]
        for smoothing in SMOOTHING[1:]:
            yield line(measured(folder, "tuning", 0, kind, Setting(best["beta"], best["rate"], smoothing)))
    for kind in ("leaf", "step"):
        yield line(measured(folder, "tuning", 0, kind, FASTER))


def test(folder: storage.Path) -> Iterator[str]:
    for seed in SEEDS:
        yield line(measured(folder, "test", seed, "start", None))
        for kind in TUNED:
            yield line(measured(folder, "test", seed, kind, CHOSEN[kind]))
        for control in (EXCHANGED, CHOSEN_SFT):
            yield line(measured(folder, "test", seed, control, CHOSEN[BEST]))
    for seed in SEEDS:  # the start of these is measured, too: see AGAIN
        yield line(measured(folder, "test", seed, "start", None, AGAIN))
        yield line(measured(folder, "test", seed, "first-error", CHOSEN["step"]))


def drift(folder: storage.Path, kind: str, setting: Setting, count: int = 200) -> str:
    """How much likelihood the start's own texts lose by a training: an estimate of the divergence, of greedy texts."""
    policy, trees = started(folder, 0)
    after, _ = learned(place_of(folder, 0, kind, setting, {}) / "training", policy, trees, kind, setting, 0, {})
    with gzip.open(folder / "seed0" / "start" / "tuning_texts.json.gz", "rt") as file:
        texts = json.load(file)[:count]
    asked = sample_problems(Countdown(), "tuning", count, 0)
    heads = [ABEL.encode(policy.tokenizer, one.question) for one in asked]
    ids = [policy.tokenizer.encode_after_with_spans(policy.tokenizer.without_end(text))[0] for text in texts]
    pairs = [Preference(tuple(a), tuple(b), (policy.tokenizer.eos,)) for a, b in zip(heads, ids, strict=True)]
    rows = lay_out(pairs, 8)
    config = dataclasses.replace(settings().dpo, batch_pairs=8)
    before, now = (dpo.with_reference(one, rows, config).reference_chosen[:count] for one in (policy, after))
    told = f"{kind} {setting}: the start's texts lose {np.mean(before - now):.2f} nats"
    return f"{told} of {-np.mean(before):.2f}, {np.sum(before - now) / sum(map(len, ids)):.4f} a token"


def probe(folder: storage.Path) -> Iterator[str]:
    """What four times the tokens do, what a loss that keeps the chosen sides likely does, and how far trainings went."""
    for kind, beta, rate, smoothing in itertools.product(("leaf", "step"), BETAS, RATES, SMOOTHING):
        setting = Setting(beta, rate, smoothing)
        if (place_of(folder, 0, kind, setting, {}) / "tuning.json").exists():
            yield drift(folder, kind, setting)
    yield drift(folder, "journey", CHOSEN["journey"])
    plain = {"leaf": CHOSEN["leaf"], "step": dataclasses.replace(CHOSEN["step"], smoothing="none")}
    for kind, setting in plain.items():
        yield line(measured(folder, "tuning", 0, kind, setting, {"nll": 0.2}))
    for kind in plain:
        yield line(measured(folder, "tuning", 0, kind, CHOSEN[kind], {"tokens": 4}))


def line(one: dict[str, Any]) -> str:
    """What was measured of one arm, for whoever waits."""
    told, trained = one["summary"], one["trained"]
    found = f"{one['set']} seed {one['seed']} {one['arm']} {one['setting']} {one['more']}: {told['accuracy']:.1%}"
    found += f", first {told['first_attempt_accuracy']:.1%}, recovers {told['recovery_rate']:.1%}"
    found += (
        f", justified {told['justified_backtracks']:.1%}, true {told['true_equations']:.1%}, {told['mean_tokens']:.0f} tokens"
    )
    found += f", cut {told['cut']}, {one['seconds']:.0f} s"
    if trained:
        held = trained["held_out"]
        found += f"; {trained['updates']} updates, {trained['seconds']:.0f} s, held out {held['accuracy']:.1%}"
        found += f" ({held['prefers_before']:.1%} to {held['prefers_after']:.1%}), chosen {held['chosen_before']:.2f} to"
        found += f" {held['chosen_after']:.2f}, rejected {held['rejected_before']:.2f} to {held['rejected_after']:.2f}"
    return found


def starts(folder: storage.Path) -> Iterator[str]:
    for seed in SEEDS:
        began = time.monotonic()
        started(folder, seed)
        yield f"seed {seed}: {time.monotonic() - began:.0f} s"


def table(folder: storage.Path) -> Iterator[str]:
    yield from tables(committed(), BEST)
    yield ""
    yield from tuned(committed())


STAGES = {"start": starts, "tuning": tuning, "test": test, "probe": probe, "rows": write_rows, "table": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="a folder, in which it goes on where it was stopped")
    parser.add_argument("stage", choices=STAGES)
    options = parser.parse_args()
    use_persistent_cache()
    for told in STAGES[options.stage](storage.path(options.output)):
        print(told, flush=True)


if __name__ == "__main__":
    main()
