"""TRL's GRPOTrainer without its constructor: an object that holds the settings that its loss asks for."""

from __future__ import annotations

import collections
import contextlib
import functools
import inspect
import types
from typing import Any


class OneProcess:
    """What the loss asks of an accelerator."""

    num_processes = 1

    def gather(self, x: Any) -> Any:
        return x

    def reduce(self, x: Any, reduction: str) -> Any:
        return x

    def pad_across_processes(self, x: Any, dim: int, pad_index: float) -> Any:
        return x

    def autocast(self) -> Any:
        return contextlib.nullcontext()


def trainer(loss_type: str, stated: dict[str, Any], longest: int) -> Any:
    """Of these settings, by TRL's names; those that are not stated are off."""
    from trl import GRPOTrainer

    settings = {"beta": 0.0, "epsilon_high": 0.2, "delta": None, "importance": None, "use_bias_correction_kl": True} | stated
    made = types.SimpleNamespace(
        args=types.SimpleNamespace(
            delta=settings["delta"], use_bias_correction_kl=settings["use_bias_correction_kl"], steps_per_generation=1
        ),
        model=types.SimpleNamespace(training=True),
        accelerator=OneProcess(),
        loss_type=loss_type,
        beta=settings["beta"],
        epsilon_low=settings.get("epsilon", 0.2),
        epsilon_high=settings["epsilon_high"],
        importance_sampling_level=settings.get("level", "token"),
        top_entropy_quantile=settings.get("top_entropy_quantile", 1.0),
        use_vllm=settings["importance"] is not None,
        vllm_importance_sampling_correction=True,
        off_policy_mask_threshold=None,
        max_completion_length=longest,
        current_gradient_accumulation_steps=1,
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
        _metrics={"train": collections.defaultdict(list)},
    )
    made.get_high_entropy_mask = lambda *args: GRPOTrainer.get_high_entropy_mask(made, *args)
    forward = inspect.unwrap(GRPOTrainer._get_per_token_logps_and_entropies)  # without TRL's profiler
    made._get_per_token_logps_and_entropies = functools.partial(forward, made)
    return made


def importance(gap: Any, way: str, cap: float) -> Any:
    """TRL's weights, which its trainer computes amid generation, of log-ratios [B, T] that are 0 where there is no token."""
    import torch

    ratio = torch.exp(gap.sum(dim=-1, keepdim=True) if way.startswith("sequence") else gap)
    return torch.clamp(ratio, max=cap) if way.endswith("truncate") else ratio.masked_fill(ratio > cap, 0.0)
