"""The optimizer: AdamW with warm-up, a cosine or constant schedule, and clipping by global norm."""

from __future__ import annotations

import dataclasses

import optax


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW's settings.

    Attributes:
      learning_rate: at its peak.
      schedule: "cosine" (to `final_fraction` of the peak) or "constant" after the warm-up.
      warmup: share of all steps over which the rate rises from 0.
      final_fraction: the rate at the last step over the peak.
      b1, b2, eps: Adam's decay rates and denominator term.
      weight_decay: decoupled; on every parameter.
      clip: largest global norm of the gradient; 0 for none.
    """

    learning_rate: float = 1e-5
    schedule: str = "cosine"
    warmup: float = 0.03
    final_fraction: float = 0.0
    b1: float = 0.9
    b2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ValueError(f"optimizer.learning_rate = {self.learning_rate}: expected a number above 0")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f"optimizer.schedule = {self.schedule!r}: expected 'cosine' or 'constant'")
        for name in ("warmup", "final_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"optimizer.{name} = {getattr(self, name)}: expected a share from 0 to 1")
        if self.clip < 0:
            raise ValueError(f"optimizer.clip = {self.clip}: expected 0 (no clipping) or more")


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The learning rate as a function of the step, for a run of `steps` steps."""
    warmup = max(1, round(config.warmup * steps)) if config.warmup else 0
    peak = config.learning_rate
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(peak, max(1, steps - warmup), alpha=config.final_fraction)
    else:
        after = optax.constant_schedule(peak)
    if not warmup:
        return after
    rise = optax.linear_schedule(peak / warmup, peak, max(1, warmup - 1))  # the first step moves, the last is at the peak
    return optax.join_schedules([rise, after], [warmup])


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """AdamW as configured, at the rate 1: the step multiplies by the rate of its schedule, so that one program serves all."""
    adamw = optax.adamw(1.0, config.b1, config.b2, config.eps, weight_decay=config.weight_decay)
    return optax.chain(optax.clip_by_global_norm(config.clip), adamw) if config.clip else adamw
