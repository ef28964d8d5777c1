"""Writes tests/golden/families.npz: logits of every family and head by transformers' own classes. Needs `make parity`."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import numpy as np
import torch
import transformers

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "model")]

import test_family_goldens as cases  # noqa: E402


class ProcessRewardModel(torch.nn.Module):
    """Qwen2.5-Math-PRM as its folder's own code has it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        D = config.hidden_size
        self.model = transformers.Qwen2Model(config)
        self.score = torch.nn.Sequential(torch.nn.Linear(D, D), torch.nn.ReLU(), torch.nn.Linear(D, 2))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.score(self.model(tokens).last_hidden_state)


def logits(family: str, suffix: str, tokens: np.ndarray) -> np.ndarray:
    fields = cases.fields(family, suffix)
    name = fields["architectures"][0]
    config = getattr(transformers, name.removesuffix(suffix) + "Config")(**fields)
    kind = ProcessRewardModel if suffix == "ForProcessRewardModel" else getattr(transformers, name)
    model = kind(config).eval()
    drawn = {name: torch.tensor(cases.draw(name, tuple(value.shape))) for name, value in model.state_dict().items()}
    if fields.get("tie_word_embeddings") and "lm_head.weight" in drawn:
        drawn["lm_head.weight"] = drawn["model.embed_tokens.weight"]
    model.load_state_dict(drawn)
    with torch.no_grad():
        # One text at a time: transformers looks for the padding of a batch by an id, and there is none.
        found = [model(torch.tensor(row[None])) for row in tokens.astype(np.int64)]
    return np.concatenate([(each if torch.is_tensor(each) else each.logits).numpy() for each in found])


def main() -> None:
    tokens = cases.tokens()
    found = {f"{family}/{suffix}": logits(family, suffix, tokens) for family, suffix in cases.CASES}
    weights = cases.draw("model.layers.0.mlp.up_proj.weight", (24, 16))
    np.savez_compressed(cases.GOLDEN, tokens=tokens, weights=weights, **found)
    for name, value in found.items():
        print(f"{name:40} {value.shape!s:12} std {value.std():.2f}")


if __name__ == "__main__":
    main()
