"""Rounds of GRPO by Jorney beside TRL's GRPOTrainer with its own generate, on this machine's CPU, in float32.

    python tools/bench_grpo.py MODEL [--runs 5]

MODEL is a Hugging Face folder; the figures in configs/RESULTS.md are of SmolLM2-135M-Instruct. A round asks 8 prompts of 128
tokens for 8 completions of at most 128 tokens each, rewards them by a function of their texts, and takes one update: no
reference, one iteration, the token mean (TRL's defaults). Both sides are processes of their own that take turns: a round of
one, a round of the other. Printed: the median of the completion tokens a second, and their ratio; of Jorney's side how long it
samples, and the positions that its update reads: P + G * L a prompt, where a row a completion reads G * (P + L). Needs torch,
accelerate and trl: `make parity`.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
from collections.abc import Sequence
from typing import Any

from turns import Turns, Worker, alternate, processor

PROMPTS, GROUP, PROMPT, COMPLETION = 8, 8, 128, 128
MICRO = 8  # completions that TRL trains on at a time: all 64 take more memory than most machines have
WARM_UP, SEED, RATE = 1, 0, 1e-6
SIDES = ("jorney", "trl")


def reward(completions: Sequence[str], **columns: Any) -> list[float]:
    """Something that differs from text to text."""
    return [len(set(text)) / 100 for text in completions]


def questions(tokenizer: Any) -> list[str]:
    """Texts of so many tokens, of words that are one token each."""
    words = [word for word, _ in sorted(tokenizer.get_vocab().items()) if word.startswith("Ġ") and word[1:].isalpha()]
    words = [word[1:] for word in words if word[1:].islower() and 3 < len(word) < 9]
    rng = random.Random(SEED)
    texts = ["the " + " ".join(rng.choices(words, k=PROMPT - 2)) for _ in range(16 * PROMPTS)]
    found = [text for text in texts if abs(len(tokenizer(text).input_ids) - PROMPT) <= 1]
    assert len(found) >= 4 * PROMPTS, "expected a tokenizer that keeps words whole"
    return found


def run_jorney(model: str, turns: Turns) -> None:
    """By what `jorney grpo` does."""
    import jorney
    from jorney.compiled import Compilations, use_persistent_cache
    from jorney.devices import keep_freed_memory
    from jorney.domain.problem import Problem
    from jorney.model.lora import LoraConfig
    from jorney.reinforce.assessment import AssessConfig, Assessment
    from jorney.reinforce.own_weights import OwnWeights
    from jorney.reinforce.references import References
    from jorney.reinforce.rewards.rewarding import Rewarder
    from jorney.reinforce.rollouts import Rollouts
    from jorney.reinforce.samples import RoundFiles
    from jorney.solve.evaluate import EvaluateConfig
    from jorney.text.step_format import StepFormat
    from jorney.train import training
    from jorney.train.loop import LoopConfig
    from jorney.train.objectives.grpo import GrpoConfig
    from jorney.train.optimizer import OptimizerConfig
    from jorney.train.training import Data

    use_persistent_cache()
    keep_freed_memory()
    policy, compilations = jorney.load(model), Compilations()
    plain = StepFormat("plain", "{question}", r"^(\d+)\. ", "{k}. ", "#### {answer}")
    asked = questions(policy.tokenizer.backend)
    problems = [Problem(str(number), text, "0") for number, text in enumerate(asked)]
    longest = plain.longest(policy.tokenizer, asked)
    config = GrpoConfig(
        rounds=10**4,
        questions=PROMPTS,
        group=GROUP,
        prompt_length=longest,
        completion_length=COMPLETION,
        patience=10**4,
        accumulate=PROMPTS * GROUP // MICRO // 2,
        optimizer=OptimizerConfig(learning_rate=RATE, schedule="constant"),
        loop=LoopConfig(save_every=10**6, log_every=1),
    )

    class NoMoreTurns(Exception):
        pass

    with tempfile.TemporaryDirectory() as folder:
        files = RoundFiles(folder, GROUP)
        terms = {"reward": lambda episodes, context: reward([one.text for one in episodes])}
        about = (OwnWeights(policy, LoraConfig(), compilations), None)
        rewarder = Rewarder(policy.tokenizer, plain, config, terms, SEED, 5.0)
        references = References(policy, config, folder, compilations)
        nothing = Assessment(AssessConfig(), [], plain, EvaluateConfig(), (1.0, 1.0), SEED, files)
        rollouts = Rollouts(
            problems,
            policy.tokenizer,
            plain,
            config,
            SEED,
            *about,
            rewarder,
            {"reward": 1.0},
            references,
            nothing,
            files,
            compilations,
        )

        def on_step(step: int, record: Any) -> None:
            turns.work["tokens"] += int(record["completions/mean_length"] * PROMPTS * GROUP)
            turns.work["sampling"] += record["seconds/sampling"]
            turns.work["positions"] += rollouts.rows.tokens.size
            if not turns.after_step():
                raise NoMoreTurns

        try:
            training.train(policy, Data(rollouts), config, SEED, folder, compilations, on_step, donate=True)
        except NoMoreTurns:
            return


def run_trl(model: str, turns: Turns) -> None:
    """By GRPOTrainer, with its defaults but for float32, no recomputation and no logging."""
    import datasets
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(SEED)

    class Callback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            control.should_training_stop = not turns.after_step()
            return control

    def counted(completions: Sequence[str], completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float]:
        turns.work["tokens"] += sum(map(len, completion_ids))
        turns.work["positions"] += len(completion_ids) * (PROMPT + COMPLETION)
        return reward(completions)

    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=False)
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            max_steps=10**6,
            dataloader_pin_memory=False,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            per_device_train_batch_size=MICRO,
            gradient_accumulation_steps=PROMPTS * GROUP // MICRO,
            num_generations=GROUP,
            max_completion_length=COMPLETION,
        )
        rows = datasets.Dataset.from_dict({"prompt": questions(tokenizer)})
        trainer = GRPOTrainer(net, counted, args=config, train_dataset=rows, processing_class=tokenizer)
        trainer.add_callback(Callback())
        trainer.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each side")
    parser.add_argument("--sides", nargs="*", default=list(SIDES), help="some of them only")
    parser.add_argument("--verbose", action="store_true", help="show what the sides print")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        turns = Turns(1, WARM_UP, ("tokens", "sampling", "positions"))
        (run_jorney if options.side == "jorney" else run_trl)(options.model, turns)
        return
    workers = {side: Worker([options.model, "--side", side], side, not options.verbose) for side in options.sides}
    alternate(list(workers.values()), options.runs)
    print(processor())
    rates = {}
    for side, worker in workers.items():
        rates[side] = worker.median(lambda one: one["tokens"] / one["seconds"])
        times = [one["seconds"] for one in worker.rounds]
        line = f"{side:8} {rates[side]:8,.1f} tokens/s; a round {statistics.median(times):.1f} s"
        line += f" ({min(times):.1f} to {max(times):.1f}), {worker.median(lambda one: one['tokens']):,.0f} tokens"
        if side == "jorney":
            line += f", of it sampling {worker.median(lambda one: one['sampling']):.1f} s"
        print(f"{line}; the update reads {worker.median(lambda one: one['positions']):,.0f} positions")
    if {"jorney", "trl"} <= rates.keys():
        print(f"jorney / trl: {rates['jorney'] / rates['trl']:.2f}")


if __name__ == "__main__":
    main()
