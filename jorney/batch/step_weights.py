"""Weights of the steps of preference pairs (Full-Step-DPO, arXiv 2502.14356), and what else rows hold of single pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jorney.batch.pairs import Preference, PreferenceRows


def softmax_weights(scores: Sequence[float], gamma: float) -> np.ndarray:
    """[steps] float64 of sum 1: softmax of gamma times the scores. A gamma of 0 weighs all steps alike."""
    powers = np.exp(gamma * (np.asarray(scores, np.float64) - (max(scores) if gamma >= 0 else min(scores))))
    return powers / powers.sum()


def with_step_weights(rows: PreferenceRows, preferences: Sequence[Preference], gamma: float) -> PreferenceRows:
    """The rows with a weight for every token, that of its step: the best chosen steps and the worst rejected ones weigh most.

    Args:
      gamma: how much more; 0 weighs all steps of a side alike.

    Raises:
      ValueError: a pair does not say where its steps are and what they are worth; names it.
    """
    found = {}
    for side, sign in (("chosen", 1), ("rejected", -1)):
        weights = np.zeros(rows.chosen_mask.shape, np.float32)
        for row, one in enumerate(preferences):
            steps = getattr(one, f"{side}_steps")
            if not steps:
                raise ValueError(
                    f"preference {row}: nothing is known of the steps of its {side} side: expected their scores, as pairs of "
                    f"trees have them, or the columns {side}_steps and {side}_scores; or dpo.step_weights = 'none'"
                )
            own = softmax_weights([score for _, score in steps], sign * gamma)
            own = np.repeat(own, [count for count, _ in steps])
            assert len(own) == len(getattr(one, side)), f"preference {row}: its steps are not its {side} tokens"
            weights[row, : len(own)] = own
        found[side] = weights
    return dataclasses.replace(rows, chosen_weights=found["chosen"], rejected_weights=found["rejected"])


def with_smoothing(rows: PreferenceRows, preferences: Sequence[Preference]) -> PreferenceRows:
    """The rows with how far each pair is doubted. Raises ValueError where a pair does not say it; names the pair."""
    smoothing = np.zeros(len(rows), np.float32)
    for row, one in enumerate(preferences):
        if one.smoothing is None:
            raise ValueError(
                f"preference {row}: has no smoothing of its own: expected pairs of trees with contrast.smoothing = 'visits' or "
                "'score', or a column smoothing; or dpo.smoothing = 'number'"
            )
        smoothing[row] = one.smoothing
    return dataclasses.replace(rows, smoothing=smoothing)
