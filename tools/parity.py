"""Holds a checkpoint's logits and greedy texts against transformers on torch, in float32.

    python tools/parity.py MODEL --problems test.jsonl

MODEL is a folder or a hub id; the questions are read as chat turns where the tokenizer has a template, and plainly elsewhere.
Needs `make parity`. Exit code 1 when an argmax or a text differs, or a logit by more than --tolerance.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

import jorney
from jorney.policy import resolve
from jorney.rows.problems import read_problems


def compare(model: str, problems: str, count: int, tokens: int, mesh: Any = None) -> dict[str, Any]:
    """Both sides on the first `count` questions: differences over all positions, and `tokens` greedy tokens of each."""
    import torch
    import transformers

    policy = jorney.load(model, mesh=mesh)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(resolve(model), dtype=torch.float32, trust_remote_code=False)
    tokenizer = policy.tokenizer
    questions = [problem.question for problem in read_problems(problems)[:count]]
    if tokenizer.chats:
        prompts = [tokenizer.render_chat([{"role": "user", "content": question}]) for question in questions]
    else:
        prompts = [f"Question: {question}\nAnswer:" for question in questions]
    found: dict[str, Any] = {"questions": len(prompts), "positions": 0, "argmax_equal": 0, "largest_difference": 0.0}
    expected = []
    for prompt in prompts:
        ids = tokenizer.encode_prompt(prompt)
        with torch.no_grad():
            theirs_logits = theirs(torch.tensor([ids])).logits[0].numpy()
            ends = {"eos_token_id": list(policy.ends), "pad_token_id": tokenizer.pad}
            text = theirs.generate(torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, **ends)[0, len(ids) :]
        expected.append(text.tolist())
        ours = np.asarray(jorney.logits(policy, [ids])[0])
        found["positions"] += len(ids)
        found["argmax_equal"] += int(np.sum(ours.argmax(-1) == theirs_logits.argmax(-1)))
        found["largest_difference"] = max(found["largest_difference"], float(np.max(np.abs(ours - theirs_logits))))
    ours_texts = jorney.generate(policy, prompts, max_tokens=tokens, temperature=0.0)
    equal = [list(completions[0].tokens) == text for completions, text in zip(ours_texts, expected, strict=True)]
    found["texts_equal"] = sum(equal)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--problems", required=True, help="a file of questions, as jorney evaluate reads them")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--tolerance", type=float, default=2e-3)
    chosen = parser.parse_args()
    found = compare(chosen.model, chosen.problems, chosen.count, chosen.tokens)
    print(f"argmax equal at {found['argmax_equal']:,} of {found['positions']:,} positions of {found['questions']} questions")
    print(f"largest difference of a logit: {found['largest_difference']:.2e}")
    print(f"greedy texts of {chosen.tokens} tokens identical: {found['texts_equal']} of {found['questions']}")
    same = found["argmax_equal"] == found["positions"] and found["texts_equal"] == found["questions"]
    sys.exit(0 if same and found["largest_difference"] <= chosen.tolerance else 1)


if __name__ == "__main__":
    main()
