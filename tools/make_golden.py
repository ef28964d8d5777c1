"""Writes tests/golden/embedded_logits.npz: the embedded model's logits by transformers. Needs `make parity`."""

from __future__ import annotations

import pathlib

import numpy as np
import torch
import transformers

ROOT = pathlib.Path(__file__).parent.parent
LENGTH = 30


def main() -> None:
    folder = ROOT / "jorney" / "embedded"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    texts = [
        "Question:\nMake 38 from 4, 13, 22, 25.\nAnswer:\nLet's think step by step.\n1. 22 + 25 = 47 (left: 4, 13, 47)\n",
        "Question:\nExplore 3, 4, 5, 9.\nAnswer:\nLet's think step by step.\n1. 3 * 4 = 12 (left: 5, 9, 12)\nGo back to 3, 4",
        "The quick brown fox \\frac{1}{2} jumps over a lazy dog, and nothing of this was ever in its training text.",
    ]
    tokens = np.array([tokenizer(text)["input_ids"][:LENGTH] for text in texts])
    with torch.no_grad():
        logits = model(torch.tensor(tokens)).logits.numpy()
    np.savez_compressed(ROOT / "tests" / "golden" / "embedded_logits.npz", tokens=tokens.astype(np.int32), logits=logits)
    print(tokens.shape, logits.shape)


if __name__ == "__main__":
    main()
