"""How much better a reward is than those of its group: baselines and scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BASELINES = ("mean", "leave_one_out", "none")
SCALES = ("none", "population", "sample", "batch")


def group_advantages(
    rewards: Sequence[float] | np.ndarray,
    groups: Sequence[int] | np.ndarray,
    scale: str = "sample",
    baseline: str = "mean",
    epsilon: float = 1e-4,
    owners: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Rewards, less a baseline of their group, over a standard deviation plus epsilon (DeepSeekMath, arXiv 2402.03300, 4.1.2).

    Args:
      rewards: [N], one for each completion; or for each step of each completion, with `owners`.
      groups: [N] which problem each belongs to; any numbers, in any order, any number of each.
      scale: "none" (Dr. GRPO), "population" or "sample" for the group's standard deviation by n or by n - 1, "batch" for that
        of all rewards by n - 1.
      baseline: "mean" of the group; "leave_one_out", the mean over the group's other completions (RLOO); "none".
      epsilon: added to the standard deviation.
      owners: [N] which completion each reward belongs to, where one has several.

    Returns:
      [N] float64. With a baseline it is exactly 0 where all rewards of a group are equal, or one completion has no other.

    Raises:
      ValueError: an unknown scale or baseline, or rewards that are not finite.
    """
    rewards = np.asarray(rewards, np.float64)
    if baseline not in BASELINES or scale not in SCALES:
        raise ValueError(f"baseline {baseline!r}, scale {scale!r}: expected one of {BASELINES} and one of {SCALES}")
    if not np.isfinite(rewards).all():
        place = int(np.flatnonzero(~np.isfinite(rewards))[0])
        raise ValueError(f"reward {place} is {rewards[place]}: expected a finite number")
    if not len(rewards):
        return rewards
    group = np.unique(groups, return_inverse=True)[1]
    owner = np.arange(len(rewards)) if owners is None else np.unique(owners, return_inverse=True)[1]
    sums, counts = np.bincount(group, rewards), np.bincount(group)
    centred = rewards - _baseline(baseline, rewards, owner, sums[group], counts[group])
    if baseline != "none":
        # The mean of equal floats need not be one of them.
        alone = np.bincount(np.unique(np.stack([group, owner]), axis=1)[0])[group] < 2
        centred = np.where(alone | (_spread(rewards, group) == 0)[group], 0.0, centred)
    return centred / _divisor(scale, rewards, group, epsilon)


def with_signal(advantages: np.ndarray, groups: Sequence[int] | np.ndarray) -> np.ndarray:
    """Which completions are of a group that teaches anything: one whose advantages are not all 0.

    Args:
      advantages: [N], or [N, L] of tokens.
      groups: [N] which problem each completion belongs to.

    Returns:
      [N] bool. DAPO drops the others (arXiv 2503.14476, 3.2).
    """
    group = np.unique(groups, return_inverse=True)[1]
    moved = np.any(np.reshape(advantages, (len(group), -1)) != 0, axis=1)
    return np.bincount(group, moved)[group] > 0


def group_metrics(rewards: Sequence[float] | np.ndarray, groups: Sequence[int] | np.ndarray) -> dict[str, float]:
    """What to watch of a batch's rewards, by TRL's names.

    Args:
      rewards: [N], one for each completion.
      groups: [N] which problem each belongs to.

    Returns:
      reward: the mean; reward_std: the standard deviation of the batch by n - 1; frac_reward_zero_std: share of groups whose
      rewards are equal.
    """
    values, group = np.asarray(rewards, np.float64), np.unique(groups, return_inverse=True)[1]
    found = {
        "reward": values.mean(),
        "reward_std": values.std(ddof=1) if len(values) > 1 else 0.0,
        "frac_reward_zero_std": np.mean(_spread(values, group) == 0),
    }
    return {name: float(value) for name, value in found.items()}


def outcome_metrics(groups: Sequence[int] | np.ndarray, right: Sequence[bool] | np.ndarray) -> dict[str, float]:
    """What to watch of a batch's grades.

    Args:
      groups: [N] which problem each completion belongs to.
      right: [N] whether each was right.

    Returns:
      accuracy: share of completions; pass_at_group: share of groups of which one is right; frac_all_right, frac_all_wrong:
      shares of groups.
    """
    group, outcomes = np.unique(groups, return_inverse=True)[1], np.asarray(right, np.float64)
    share = np.bincount(group, outcomes) / np.bincount(group)
    found = {
        "accuracy": outcomes.mean(),
        "pass_at_group": np.mean(share > 0),
        "frac_all_right": np.mean(share == 1),
        "frac_all_wrong": np.mean(share == 0),
    }
    return {name: float(value) for name, value in found.items()}


def _baseline(kind: str, rewards: np.ndarray, owner: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray | float:
    """Of each reward; sums and counts are those of its group."""
    if kind == "none":
        return 0.0
    if kind == "leave_one_out":
        # Of all rewards of a completion together, which may be several.
        sums = sums - np.bincount(owner, rewards)[owner]
        counts = counts - np.bincount(owner)[owner]
    return sums / np.maximum(counts, 1)


def _spread(rewards: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The highest less the lowest reward of each group."""
    highest, lowest = (np.full(group.max() + 1, edge) for edge in (-np.inf, np.inf))
    np.maximum.at(highest, group, rewards)
    np.minimum.at(lowest, group, rewards)
    return highest - lowest


def _divisor(scale: str, rewards: np.ndarray, group: np.ndarray, epsilon: float) -> np.ndarray | float:
    """Of each reward. Where rewards are all equal it is 1: without a baseline a tiny epsilon would blow them up."""
    if scale == "none":
        return 1.0
    if scale == "batch":
        group = np.zeros_like(group)
    counts = np.bincount(group)
    deviations = rewards - (np.bincount(group, rewards) / counts)[group]
    degrees = counts if scale == "population" else np.maximum(counts - 1, 1)
    found = np.sqrt(np.bincount(group, deviations**2) / degrees) + epsilon
    return np.where(_spread(rewards, group) == 0, 1.0, found)[group]
