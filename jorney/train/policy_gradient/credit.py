"""Credit assignment: from outcomes, rewards or values of steps to advantages of tokens."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from jorney.config import expect_above, expect_number, expect_one_of
from jorney.train.policy_gradient.advantages import BASELINES, SCALES, group_advantages

# What each is the gradient of is tested in tests/train/test_credit_gradients.py.
CREDITS = ("outcome", "return", "myopic", "min", "progress", "progress_sum")
_OF_VALUES = ("progress", "progress_sum")


@dataclasses.dataclass(frozen=True)
class CreditConfig:
    """How rewards become advantages of tokens.

    Attributes:
      credit: what a token is credited with.
        "outcome": the completion's reward.
        "return": the sum of the rewards of its own step and of all later ones (DeepSeekMath, arXiv 2402.03300, 4.1.3). More
          steps of the better kind sum to more.
        "myopic": the reward of its own step.
        "min": the sum of the rewards of its own and all later steps, each times its weight in a soft minimum over the
          completion's steps (PURE, arXiv 2504.15275).
        "progress": the rise in value over its own step.
        "progress_sum": the rise in value from before its own step to the end.
      baseline: "mean", "leave_one_out" or "none", see `advantages`; of outcome, return and myopic alone. Rewards of
        steps are compared with all step rewards of the group.
      scale: "none", "population", "sample" or "batch", in the same way.
      epsilon: added to the standard deviation.
      credit_temperature: of the soft minimum; at 0.1 and rewards of -1 to 1 it is all but the minimum.
    """

    name: ClassVar[str] = "grpo"

    credit: str = "outcome"
    baseline: str = "mean"
    scale: str = "sample"
    epsilon: float = 1e-4
    credit_temperature: float = 0.1

    def __post_init__(self) -> None:
        self.expect_credit()

    def expect_credit(self) -> None:
        """Raises ValueError where a field is out of range."""
        expect_one_of(CREDITS, self, self.name, "credit")
        expect_one_of(BASELINES, self, self.name, "baseline")
        expect_one_of(SCALES, self, self.name, "scale")
        expect_number(self, self.name, "epsilon", least=0)
        expect_above(0, self, self.name, "credit_temperature")


@dataclasses.dataclass(frozen=True)
class JudgedCompletion:
    """What is known of a completion.

    Attributes:
      length: tokens.
      outcome: its reward as a whole.
      ends: index of the last token of each step, rising. Tokens behind the last belong to no step; whoever wants the end token
        credited lets the last step end there.
      rewards: of each step.
      values: one more than steps, before the first and after each: the chance of a right answer from there on.
    """

    length: int
    outcome: float = 0.0
    ends: tuple[int, ...] = ()
    rewards: tuple[float, ...] | None = None
    values: tuple[float, ...] | None = None


def token_advantages(
    config: CreditConfig,
    completions: Sequence[JudgedCompletion],
    groups: Sequence[int] | np.ndarray,
    width: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The advantage of every token.

    Args:
      completions: N of them, of all groups that are trained on together.
      groups: [N] which problem each belongs to.
      width: L, by default the longest completion's tokens.

    Returns:
      [N, L] float32, 0 where no step holds the token, and [N, L] bool: whether there is a token.

    Raises:
      ValueError: a completion lacks what the credit is made of, or its steps lie outside it; names it by its place.
    """
    for place, one in enumerate(completions):
        _check(config.credit, one, f"completion {place}")
    lengths = np.array([one.length for one in completions], np.int64)
    L = max(lengths, default=0) if width is None else width
    if len(lengths) and lengths.max() > L:
        raise ValueError(f"completion {lengths.argmax()} has {lengths.max()} tokens: expected at most the width of {L}")
    index = np.arange(L)
    mask = index[None, :] < lengths[:, None]
    advantages = np.zeros((len(completions), L), np.float32)
    if not completions:
        return advantages, mask
    if config.credit == "outcome":
        found = group_advantages([one.outcome for one in completions], groups, config.scale, config.baseline, config.epsilon)
        return np.where(mask, found[:, None], 0).astype(np.float32), mask
    for row, credit in enumerate(_step_credits(config, completions, groups)):
        if config.credit in ("return", "min", "progress_sum"):
            credit = np.cumsum(credit[::-1])[::-1]
        # The step that holds a token is the first that does not end before it; behind the last there is none.
        step = np.searchsorted(completions[row].ends, index)
        advantages[row] = np.append(credit, 0.0)[step]
    return advantages * mask, mask


def soft_minimum(rewards: Sequence[float] | np.ndarray, temperature: float) -> np.ndarray:
    """Rewards of a completion's steps, each times its softmax of -reward / temperature. They sum to about the least."""
    values = np.asarray(rewards, np.float64)
    if not len(values):
        return values
    weights = np.exp((values.min() - values) / temperature)
    return weights / weights.sum() * values


def _step_credits(
    config: CreditConfig, completions: Sequence[JudgedCompletion], groups: Sequence[int] | np.ndarray
) -> list[np.ndarray]:
    """What each step of each completion brings."""
    if config.credit in _OF_VALUES:
        return [np.diff(np.asarray(one.values, np.float64)) for one in completions]
    rewards = [np.asarray(one.rewards, np.float64) for one in completions]
    if config.credit == "min":
        return [soft_minimum(one, config.credit_temperature) for one in rewards]
    counts = [len(one) for one in rewards]
    owners = np.repeat(np.arange(len(rewards)), counts)
    flat = np.concatenate([np.zeros(0), *rewards])
    found = group_advantages(flat, np.repeat(np.asarray(groups), counts), config.scale, config.baseline, config.epsilon, owners)
    return np.split(found, np.cumsum(counts)[:-1])


def _check(credit: str, one: JudgedCompletion, place: str) -> None:
    """Raises ValueError where the credit cannot be made of a completion."""
    field, numbers = ("values", one.values) if credit in _OF_VALUES else ("rewards", one.rewards)
    if credit == "outcome":
        field, numbers = "outcome", (one.outcome,)
    else:
        wanted = len(one.ends) + (credit in _OF_VALUES)
        if numbers is None or len(numbers) != wanted:
            found = "none" if numbers is None else len(numbers)
            raise ValueError(
                f"{place} has {found} step {field}: expected {wanted} for its {len(one.ends)} steps, which {credit!r} takes"
            )
        edges = (-1, *one.ends, one.length)
        if any(later <= earlier for earlier, later in itertools.pairwise(edges)):
            raise ValueError(
                f"{place} has steps that end at {one.ends}: expected rising token indexes below its {one.length} tokens"
            )
    if not np.isfinite(np.asarray(numbers, np.float64)).all():
        raise ValueError(f"{place} has {field} {numbers}: expected finite numbers")
