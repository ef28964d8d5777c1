"""The arms of `tools/grpo_countdown.py`: how each is made, and what its training cost."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

import jorney
from jorney import storage
from jorney.api import derive, train
from jorney.batch.packing import Example
from jorney.batch.solutions import encode_solutions
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.model import flops
from jorney.policy import ABOUT, Policy, load, save
from jorney.progress import Progress
from jorney.reinforce.assessment import AssessConfig
from jorney.reinforce.samples import RoundFiles
from jorney.rows.problems import write_problems
from jorney.run.recipes.journey import RunConfig, quickstart
from jorney.run.stages.judges.reward_training import PrmCommand
from jorney.run.stages.reinforcement import GrpoCommand
from jorney.solve.sample_rows import cost
from jorney.text.step_format import ABEL
from jorney.thought.encode import encode_thought
from jorney.train import training
from jorney.train.loop import LoopConfig
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.tree.tree import from_json

PHASE1, SHORTCUT, JOURNEY, PLACEBO = KINDS = ("phase1", "shortcut", "journey", "placebo")
SFT = "sft"  # in the place of a credit: the right samples of "outcome" are learned as solutions are
TREES = 1000  # for the thoughts
ROUNDS, QUESTIONS, GROUP, LENGTH = 60, 16, 8, 192
JUDGED_PROBLEMS = 200  # that the reward model's solutions answer
ASSESSED, EVERY = 200, 20  # problems of "tuning" that a training is looked at by, and after how many rounds
_BRANCH_MULTIPLE = 32  # completions are laid out in multiples of so many tokens


@dataclasses.dataclass(frozen=True)
class Arm:
    """A model of the experiment.

    Attributes:
      start: which thoughts it learned, one of KINDS.
      credit: of GRPO; "" for the start itself, or SFT.
      values: of steps: "exact" or "judge".
      noise: share of the values that are turned round.
      shuffled: the rewards of a round are given to others than earned them.
    """

    start: str
    credit: str = ""
    values: str = "exact"
    noise: float = 0.0
    shuffled: bool = False

    @property
    def name(self) -> str:
        told = [self.start, *([self.credit] if self.credit else [])]
        told += ["judge"] if self.values == "judge" else []
        told += [f"noise{self.noise:g}"] if self.noise else []
        return "-".join([*told, *(["shuffled"] if self.shuffled else [])])


def settings() -> RunConfig:
    return quickstart()


def place_of(folder: storage.Path, seed: int, arm: Arm, rate: float) -> storage.Path:
    own = arm.credit and arm.credit != SFT
    return folder / f"seed{seed}" / (f"{arm.name}_rate{rate:g}" if own else arm.name)


def problems_of(seed: int) -> tuple[list[Problem], list[Problem]]:
    """Problems that GRPO asks, each in one round, and those of the reward model: the first of those that phase 1 learned."""
    asked = ROUNDS * QUESTIONS
    drawn = sample_problems(Countdown(), "train", asked + JUDGED_PROBLEMS, seed)
    return drawn[:asked], drawn[asked:]


def model_of(folder: storage.Path, seed: int, arm: Arm, rate: float) -> tuple[str, dict[str, Any]]:
    """The folder of an arm's model, made once; and what its training told, with "flops" in all."""
    if not arm.credit:
        return _start(folder, seed, arm.start)
    start, before = _start(folder, seed, arm.start)
    place, base = place_of(folder, seed, arm, rate), before["flops"]
    if arm.credit == SFT:
        source = _trained(folder, seed, Arm(arm.start, "outcome"), rate, start)[0]
        return _right_samples(place, seed, start, source, base)
    done, told = _trained(folder, seed, arm, rate, start)
    return os.fspath(done / "model"), {**told, "flops": base + told["sampling_flops"] + told["update_flops"]}


def _start(folder: storage.Path, seed: int, kind: str) -> tuple[str, dict[str, Any]]:
    """A model that GRPO starts from: phase 1, or what learned one kind of thoughts from its trees."""
    config, place = settings(), folder / f"seed{seed}"
    phase1 = place / PHASE1
    if not (place / f"{PHASE1}.json").exists():
        problems = sample_problems(Countdown(), "train", config.problems.train_count or 0, seed)
        base = load(mesh=config.mesh)
        student, _ = train(base, problems, config.sft, "abel", place / f"{PHASE1}_training", seed)
        save(student, phase1, np.float32)
        learned = _sft_flops(base, encode_solutions(base.tokenizer, ABEL, problems, "countdown"), config.sft, seed)
        storage.write_json(place / f"{PHASE1}.json", {"flops": learned})
    before = storage.read_json(place / f"{PHASE1}.json")
    if kind == PHASE1:
        return os.fspath(phase1), before
    about = place / f"{kind}.json"
    if not about.exists():
        student = load(os.fspath(phase1), mesh=config.mesh)
        thoughts = derive(_trees(place / "trees.jsonl", student, seed), config.derive, kind, config.refine, seed)
        examples = [encode_thought(student.tokenizer, ABEL, one, config.excursion_loss) for one in thoughts]
        data = training.prepare(student, examples, config.phase2, seed)
        policy, _ = training.train(student, data, config.phase2, seed, place / f"{kind}_training")
        save(policy, place / kind, np.float32)
        learned = before["flops"] + _sft_flops(student, examples, config.phase2, seed)
        storage.write_json(about, {"thoughts": len(thoughts), "flops": learned})
    return os.fspath(place / kind), storage.read_json(about)


def _trees(file: storage.Path, student: Policy, seed: int) -> list[Any]:
    if not file.exists():
        asked = sample_problems(Countdown(), "trees", TREES, seed)
        storage.write_jsonl(file, [one.to_json() for one in jorney.expand(student, asked, settings().expand, seed=seed)])
    return [from_json(row) for _, row in storage.read_jsonl(file)]


def _sft_flops(policy: Policy, examples: Sequence[Example], config: SftConfig, seed: int) -> float:
    """Operations of a supervised training, padding included."""
    batches = training.prepare(policy, examples, config, seed).batches
    rows, layout = batches.steps * config.batch_rows, batches.rows
    read = config.epochs * layout.read_out(layout.arrays)
    return flops.training(policy.config, layout.row, rows, read, "causal")


def _trained(folder: storage.Path, seed: int, arm: Arm, rate: float, start: str) -> tuple[storage.Path, dict[str, Any]]:
    """The stage of an arm's GRPO, run by its own command."""
    place, own = place_of(folder, seed, arm, rate), folder / f"seed{seed}"
    asked, looked_at = own / "asked.jsonl", own / "looked_at.jsonl"
    if not looked_at.exists():
        write_problems(asked, problems_of(seed)[0])
        write_problems(looked_at, sample_problems(Countdown(), "tuning", ASSESSED, seed))
    grpo = GrpoConfig(
        rounds=ROUNDS,
        questions=QUESTIONS,
        group=GROUP,
        completion_length=LENGTH,
        decode_rows=QUESTIONS * GROUP,
        chunk=16,
        credit=arm.credit,
        values=arm.values,
        value_noise=arm.noise,
        rewards="shuffled_rewards:permuted" if arm.shuffled else "accuracy",
        patience=ROUNDS,
        optimizer=OptimizerConfig(learning_rate=rate, schedule="constant"),
        loop=LoopConfig(save_every=20, keep=1),
    )
    command = GrpoCommand(
        model=start,
        problems=os.fspath(asked),
        output=os.fspath(place / "grpo"),
        step_format="abel",
        seed=seed,
        mesh=settings().mesh,
        judge=_judge(folder, seed, start) if arm.values == "judge" else "verifier",
        assess=AssessConfig(every=EVERY, problems=os.fspath(looked_at), limit=ASSESSED),
        grpo=grpo,
    )
    done = command.run(Progress())
    return done.folder, {**_costs(done.folder, seed, start), "seconds": done.seconds}


def _judge(folder: storage.Path, seed: int, start: str) -> str:
    """A reward model of the start: the chance, by four completions of each step, that it comes to a right answer."""
    run, place = settings(), folder / f"seed{seed}"
    file = place / "judged.jsonl"
    if not file.exists():
        write_problems(file, problems_of(seed)[1])
    command = PrmCommand(
        model=start,
        problems=os.fspath(file),
        limit=None,
        output=os.fspath(place / "prm"),
        step_format="abel",
        seed=seed,
        mesh=run.mesh,
        rollouts=dataclasses.replace(run.rollouts, solutions=4, completions=4, hard=False, max_tokens=LENGTH),
        prm=dataclasses.replace(run.prm, row_length=256),
    )
    return os.fspath(command.run(Progress()).folder / "model")


def _rounds(folder: storage.Path) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """(completions, what they earned) of each round of a GRPO stage."""
    files, found = RoundFiles(folder / "rollouts", GROUP), []
    for number in range(ROUNDS):
        names = [Problem(id=name, question="", answer="") for _, name in files.read_round(number)["groups"]]
        kinds = files.samples(number, 0).rows(names), files.rewards(number, 0).rows(names)
        found.append(tuple([row for one in names for row in rows[one.id]] for rows in kinds))
    return found


def _prompts(seed: int, tokenizer: Any) -> dict[str, list[int]]:
    return {one.id: ABEL.encode(tokenizer, one.question) for one in problems_of(seed)[0]}


def _costs(folder: storage.Path, seed: int, start: str) -> dict[str, Any]:
    """Operations of a GRPO stage's sampling and updates, and its figures at the end: means over the last ten rounds."""
    policy = load(start, mesh=settings().mesh)
    prompts, model = _prompts(seed, policy.tokenizer), policy.config
    width = storage.read_json(folder / "model" / ABOUT)["settings"]["prompt_length"]
    found, tokens = {"sampling_flops": 0.0, "update_flops": 0.0}, 0
    for samples, _ in _rounds(folder):
        lengths = [len(row["tokens"]) for row in samples]
        for row in samples:
            found["sampling_flops"] += sum(cost(model, len(prompts[row["id"]]), len(row["tokens"]), row["sample"] == 0))
        longest = min(LENGTH, -(-max(lengths) // _BRANCH_MULTIPLE) * _BRANCH_MULTIPLE)
        row = flops.group_row(width, longest, GROUP)
        found["update_flops"] += flops.training(model, row, QUESTIONS, sum(lengths), "causal")
        tokens += sum(lengths)
    last = curves(folder)[-10:]
    ended = {name: float(np.mean([one[name] for one in last])) for name in CURVES if all(name in one for one in last)}
    return {**found, "sampled_tokens": tokens, "ended": ended}


CURVES = (
    *("reward", "accuracy", "pass_at_group", "first_attempt_accuracy", "excursion_rate", "justified_backtracks"),
    *("recovery_rate", "completions/mean_length", "completions/clipped_ratio", "entropy", "grad_norm"),
    *("frac_reward_zero_std", "frac_all_right", "frac_all_wrong", "seconds/sampling", "seconds/rewards", "seconds"),
    *("eval/accuracy", "eval/mean_length", "eval/clipped_ratio", "eval/excursion_rate", "eval/first_attempt_accuracy"),
    *("eval/justified_backtracks", "eval/recovery_rate"),
)


def curves(folder: storage.Path) -> list[dict[str, float]]:
    """The figures of every round of a GRPO stage."""
    parts = sorted((folder / "training" / "metrics").glob("*.jsonl"), key=lambda part: part.name)
    return [{name: row[name] for name in CURVES if name in row} for part in parts for _, row in storage.read_jsonl(part)]


def _right_samples(place: storage.Path, seed: int, start: str, source: storage.Path, base: float) -> tuple[str, dict[str, Any]]:
    """The start, trained on the different right completions that "outcome" sampled: one round of ReST-EM, on such samples."""
    run, about = settings(), place / "made.json"
    if not about.exists():
        policy = load(start, mesh=run.mesh)
        prompts, taught = _prompts(seed, policy.tokenizer), dict[tuple[str, tuple[int, ...]], Example]()
        for samples, rewards in _rounds(source):
            for sample, reward in zip(samples, rewards, strict=True):
                head, tokens = prompts[sample["id"]], tuple(sample["tokens"])
                if reward["correct"] and sample["finished"]:
                    taught[sample["id"], tokens] = Example((*head, *tokens), prompt=len(head))
        config = dataclasses.replace(run.phase2, epochs=1)
        data = training.prepare(policy, list(taught.values()), config, seed)
        after, _ = training.train(policy, data, config, seed, place / "training")
        save(after, place / "model", np.float32)
        told = {"examples": len(taught), "updates": data.batches.steps}
        learned = _sft_flops(policy, list(taught.values()), config, seed)
        sampled = _costs(source, seed, start)["sampling_flops"]
        storage.write_json(about, {**told, "sampling_flops": sampled, "flops": base + sampled + learned})
    return os.fspath(place / "model"), storage.read_json(about)
