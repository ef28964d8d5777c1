"""Training steps of Jorney beside TRL and a bare torch loop, on this machine's CPU, in float32.

    python tools/bench_trl.py MODEL step                                  # SFT, 4 rows of 512 tokens
    python tools/bench_trl.py MODEL gsm8k --problems gsm8k_train.jsonl    # SFT on real examples
    python tools/bench_trl.py MODEL lora                                  # SFT of adapters, rank 16, on rows as of "step"
    python tools/bench_trl.py MODEL dpo                                   # prompts of 512 tokens, completions of 128

MODEL is a Hugging Face folder; the figures in configs/RESULTS.md are of SmolLM2-135M-Instruct.

Every side is a process of its own that trains by its public entry point (`train.training.train`, `SFTTrainer.train`, ...). They
take turns: a round of one, a round of the next, and so on, the others asleep. Printed: the median of the rounds, the ratios
of the medians, and what share of the machine's own matrix product (the better of torch's and XLA's, measured in the same run)
the needed products come to. `--sides jorney torch torch_kept` adds the torch loop in a process that keeps the memory it
frees, as Jorney's does: the difference is the kernel's clearing of pages. Needs torch, accelerate, trl and peft: `make parity`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from turns import KEEPS_MEMORY, Turns, Worker, alternate, peak, processor, run_peak

ROWS, LENGTH = 4, 512  # of "step", and of a step of "gsm8k" with packing
PAIRS, PROMPT, COMPLETION = 2, 512, 128  # of "dpo"
SIDES = {
    "step": ("jorney", "trl", "torch"),
    "lora": ("jorney_lora", "trl_lora", "jorney"),  # the last trains the whole model
    "gsm8k": ("jorney", "trl_packing", "trl_default"),
    "dpo": ("jorney", "trl"),
}
STEPS = {"step": 1, "lora": 1, "gsm8k": 3, "dpo": 1}  # a round
RANK, ALPHA = 16, 32  # of "lora", on all linear layers
WARM_UP = 2  # steps: compilation, first allocations
EXAMPLES = 1024  # of GSM8K
SEED = 0


def step_tokens() -> Any:
    """[rows, LENGTH + 1] ids, the same for every side."""
    import numpy as np

    return np.random.default_rng(SEED).integers(100, 40_000, (64 * ROWS, LENGTH + 1))


def preference_tokens() -> tuple[Any, Any, Any]:
    """Ids of prompts [pairs, PROMPT], chosen and rejected completions [pairs, COMPLETION]."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    shapes = ((4 * PAIRS, PROMPT), (4 * PAIRS, COMPLETION), (4 * PAIRS, COMPLETION))  # few: both sides read them ahead
    prompts, chosen, rejected = (rng.integers(100, 40_000, shape) for shape in shapes)
    return prompts, chosen, rejected


def gsm8k_texts(file: str) -> list[tuple[str, str]]:
    """(prompt, completion) of the first problems."""
    from jorney.rows.problems import read_problems
    from jorney.text.step_format import ABEL

    return [(ABEL.ask(problem.question), str(problem.solution)) for problem in read_problems(file, EXAMPLES)]


# --- Jorney


def run_jorney(case: str, model: str, turns: Turns, problems: str, lora: bool = False) -> None:
    """By `training.train`."""
    import jorney
    from jorney.batch.packing import Example
    from jorney.batch.pairs import Preference
    from jorney.batch.solutions import encode_example
    from jorney.compiled import use_persistent_cache
    from jorney.devices import keep_freed_memory
    from jorney.model.lora import LoraConfig
    from jorney.train import training
    from jorney.train.loop import LoopConfig
    from jorney.train.objectives.dpo import DpoConfig
    from jorney.train.objectives.sft import SftConfig
    from jorney.train.optimizer import OptimizerConfig

    use_persistent_cache()
    keep_freed_memory()  # as `jorney sft` and `jorney dpo` do
    policy = jorney.load(model)
    adamw, loop = OptimizerConfig(learning_rate=1e-5), LoopConfig(save_every=10**6, log_every=1)

    class NoMoreTurns(Exception):
        pass

    def follow(data: Any, work: Callable[[Any], tuple[int, int]]) -> Callable[[int, Any], None]:
        def on_step(step: int, record: Any) -> None:
            assert record is not None, "looked at, and so finished"
            if not turns.after_step():
                raise NoMoreTurns
            tokens, examples = work(data[step % data.steps])  # of the step to come
            turns.work["tokens"] += tokens
            turns.work["examples"] += examples

        return on_step

    def rows_work(batch: Any) -> tuple[int, int]:
        return int((batch["segment_ids"] > 0).sum()), int((batch["positions"] == 0)[batch["segment_ids"] > 0].sum())

    with tempfile.TemporaryDirectory() as folder:
        try:
            if case == "dpo":
                pairs = [Preference(*(tuple(map(int, ids)) for ids in pair)) for pair in zip(*preference_tokens(), strict=True)]
                config = DpoConfig(batch_pairs=PAIRS, epochs=100, optimizer=adamw, loop=loop)
                every = [[PAIRS * (PROMPT + 2 * COMPLETION), PAIRS]]

                class Same:
                    steps = 1

                    def __getitem__(self, step: int) -> Any:
                        return every[0]

                data = training.prepare(policy, pairs, config, SEED)
                training.train(policy, data, config, SEED, folder, on_step=follow(Same(), tuple), donate=True)
            else:
                if case in ("step", "lora"):
                    examples = [Example(tuple(map(int, row))) for row in step_tokens()]
                else:
                    examples = [encode_example(policy.tokenizer, *texts) for texts in gsm8k_texts(problems)]
                adapters = LoraConfig(RANK if lora else 0, ALPHA)
                config = SftConfig(batch_rows=ROWS, row_length=LENGTH, epochs=100, optimizer=adamw, loop=loop, lora=adapters)
                data = training.prepare(policy, examples, config, SEED)
                training.train(policy, data, config, SEED, folder, on_step=follow(data.batches, rows_work), donate=True)
        except NoMoreTurns:
            return


# --- torch and TRL


def torch_model(model: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(SEED)
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=False)


def run_torch(case: str, model: str, turns: Turns, problems: str) -> None:
    """The bare loop: forward, backward, clip, AdamW."""
    import torch

    net = torch_model(model).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    rows = torch.tensor(step_tokens())
    for step in range(10**6):
        at = step * ROWS % len(rows)
        batch = rows[at : at + ROWS]
        logits = net(input_ids=batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        turns.work["tokens"] += ROWS * LENGTH
        turns.work["examples"] += ROWS
        if not turns.after_step():
            return


def run_trl(case: str, model: str, turns: Turns, problems: str, packing: bool | None = None, lora: bool = False) -> None:
    """SFTTrainer and DPOTrainer with their defaults, but for float32, no recomputation and no logging."""
    import datasets
    from transformers import AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    class Callback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            control.should_training_stop = not turns.after_step()
            return control

    def counted(collate: Any) -> Any:
        def counting(rows: Any) -> Any:
            batch = collate(rows)
            if case == "dpo":
                turns.work["tokens"] += PAIRS * (PROMPT + 2 * COMPLETION)
            elif "attention_mask" in batch:
                turns.work["tokens"] += int(batch["attention_mask"].sum())
            else:
                turns.work["tokens"] += batch["input_ids"].numel()
            turns.work["examples"] += int((batch["position_ids"] == 0).sum()) if "position_ids" in batch else len(rows)
            return batch

        return counting

    common: dict[str, Any] = {
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "max_steps": 10**6,
        "dataloader_pin_memory": False,
        "learning_rate": 1e-5,
        "adam_beta2": 0.95,
        "lr_scheduler_type": "cosine",
    }
    tokenizer, net = AutoTokenizer.from_pretrained(model, trust_remote_code=False), torch_model(model)
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any
        if case == "dpo":
            prompts, chosen, rejected = preference_tokens()
            texts = {name: [str(row) for row in range(len(prompts))] for name in ("prompt", "chosen", "rejected")}

            class OfIds(DPOTrainer):
                """Given the ids themselves, so that lengths are exact."""

                def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
                    ids = {"prompt_ids": prompts, "chosen_ids": chosen, "rejected_ids": rejected}
                    return datasets.Dataset.from_dict({name: rows.tolist() for name, rows in ids.items()})

            config = DPOConfig(
                output_dir=folder, per_device_train_batch_size=PAIRS, precompute_ref_log_probs=True, max_length=None, **common
            )
            trainer = OfIds(net, args=config, train_dataset=datasets.Dataset.from_dict(texts), processing_class=tokenizer)
        else:
            if case in ("step", "lora"):
                rows = datasets.Dataset.from_dict({"input_ids": step_tokens()[:, :-1].tolist()})
            else:
                pairs = gsm8k_texts(problems)
                rows = datasets.Dataset.from_dict(
                    {"prompt": [prompt for prompt, _ in pairs], "completion": [completion for _, completion in pairs]}
                )
            batch = {} if packing is False else {"per_device_train_batch_size": ROWS}  # 8 is the default
            config = SFTConfig(output_dir=folder, packing=bool(packing), max_length=LENGTH, **batch, **common)
            adapters = None
            if lora:
                from peft import LoraConfig

                adapters = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
            trainer = SFTTrainer(net, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=adapters)
        trainer.data_collator = counted(trainer.data_collator)
        trainer.add_callback(Callback())
        trainer.train()


# --- the parent


def operations(case: str, model: str, tokens: float, read: float, lora: bool = False) -> float:
    """What the products of a training on so many tokens need, causal, by Jorney's own count of a row."""
    from jorney.convert import config_json
    from jorney.model import flops
    from jorney.model.lora import LoraConfig

    config, _ = config_json.read(model)
    if case == "dpo":
        return flops.training(config, flops.group_row(PROMPT, COMPLETION, 2), PAIRS, 2 * COMPLETION * PAIRS, "causal")
    adapters = LoraConfig(RANK if lora else 0, ALPHA)
    return flops.training(config, flops.packed_row(LENGTH), tokens / LENGTH, read, "causal", adapters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("case", choices=SIDES)
    parser.add_argument("--problems", default="", help="GSM8K's train.jsonl, for the case gsm8k")
    parser.add_argument("--runs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--sides", nargs="*", help="some of them only")
    parser.add_argument("--verbose", action="store_true", help="show what the sides print")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case == "gsm8k" and not os.path.exists(options.problems):
        parser.error("--problems: expected GSM8K's train.jsonl")
    if options.side:
        work(options)
        return
    sides = options.sides or list(SIDES[options.case])
    arguments = [options.model, options.case, "--problems", options.problems, "--side"]
    workers = {
        side: Worker([*arguments, side], side, not options.verbose, KEEPS_MEMORY if side == "torch_kept" else None)
        for side in (*sides, "peak_torch", "peak_xla")
    }
    alternate(list(workers.values()), options.runs)
    show(options, sides, workers)


def work(options: argparse.Namespace) -> None:
    """What a worker does."""
    turns = Turns(STEPS[options.case], WARM_UP, ("tokens", "examples"))
    side, arguments = options.side, (options.case, options.model, turns, options.problems)
    if side.startswith("peak"):
        run_peak(side.removeprefix("peak_"))
    elif side.startswith("jorney"):
        run_jorney(*arguments, lora=side == "jorney_lora")
    elif side in ("torch", "torch_kept"):
        run_torch(*arguments)
    else:
        packing = {"trl_packing": True, "trl_default": False}.get(side)
        run_trl(*arguments, packing=packing, lora=side == "trl_lora")


def show(options: argparse.Namespace, sides: Sequence[str], workers: dict[str, Worker]) -> None:
    machine = peak([workers["peak_torch"], workers["peak_xla"]])
    print(f"{processor()}; its matrix product: {machine / 1e9:,.0f} GFLOP/s")
    unit = "tokens" if options.case in ("step", "lora") else "examples"
    rates = {}
    for side in sides:
        worker = workers[side]
        rates[side] = worker.median(lambda one: one[unit] / one["seconds"])
        by_cpu = worker.median(lambda one: one[unit] / one["cpu"])
        times = [one["seconds"] / STEPS[options.case] for one in worker.rounds]
        line = f"{side:12} {rates[side]:9,.2f} {unit}/s {by_cpu:9,.2f} {unit}/CPU s; a step {statistics.median(times):.2f} s"
        tokens = worker.median(lambda one: one["tokens"] / one["seconds"])
        line += f" ({min(times):.2f} to {max(times):.2f}), {tokens:,.0f} tokens/s"
        if options.case != "gsm8k":
            needed = operations(options.case, options.model, ROWS * LENGTH, ROWS * LENGTH, side.endswith("_lora"))
            line += f"; needed products at {needed / statistics.median(times) / machine:.0%} of the machine's"
        print(line)
    for side in sides[1:]:
        print(f"{sides[0]} / {side}: {rates[sides[0]] / rates[side]:.2f}")


if __name__ == "__main__":
    main()
