"""The reward of a completion: weighted terms, DAPO's term for its length, a penalty for leaving the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def total_reward(terms: Mapping[str, Sequence[float] | np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Weighted sum of the terms of each completion's reward.

    Args:
      terms: {name: one number for each completion}.
      weights: {name: weight}, one for each term.

    Returns:
      [N] float64.

    Raises:
      ValueError: a term has no weight or a weight no term, terms are of different lengths, or a number is not finite; names
        the term, and the completion by its place.
    """
    if not terms:
        raise ValueError("there are no reward terms: expected at least one")
    if unknown := sorted(set(terms) ^ set(weights)):
        raise ValueError(
            f"rewards: {unknown[0]!r} is {'unweighted' if unknown[0] in terms else 'no term'}: expected one weight a term"
        )
    first, count = next((name, len(values)) for name, values in terms.items())
    total = np.zeros(count)
    for name, values in terms.items():
        array = np.asarray(values, np.float64)
        if array.shape != (count,):
            raise ValueError(f"reward {name!r} has shape {array.shape}: expected {count} numbers, as reward {first!r} has")
        if len(wrong := np.flatnonzero(~np.isfinite(array))):
            raise ValueError(f"reward {name!r} of completion {wrong[0]} is {array[wrong[0]]}: expected a finite number")
        total += weights[name] * array
    return total


def overlong(lengths: Sequence[int] | np.ndarray, longest: int, cache: int) -> np.ndarray:
    """DAPO's soft punishment of long completions (arXiv 2503.14476, equation 13).

    Args:
      lengths: [N] tokens of each completion.
      longest: tokens at which a completion is cut off.
      cache: the last tokens before that, over which the term falls from 0 to -1.

    Returns:
      [N] float64, from -1 to 0.

    Raises:
      ValueError: the cache is not from 1 to the longest.
    """
    if not 1 <= cache <= longest:
        raise ValueError(f"overlong cache = {cache}: expected from 1 to the longest completion's {longest} tokens")
    return np.clip((longest - cache - np.asarray(lengths, np.float64)) / cache, -1.0, 0.0)


def reference_penalty(log_probs: np.ndarray, reference: np.ndarray, mask: np.ndarray, beta: float) -> np.ndarray:
    """What a completion pays in its reward for leaving the reference: beta x the sum of k1 = log(policy / reference).

    In the reward k1 has the gradient of the reverse KL divergence; in a loss its gradient is 0 on average (`kl`).

    Args:
      log_probs: [N, L] log-probabilities of the tokens under the policy that drew them.
      reference: [N, L] those under the reference.
      mask: [N, L], 0 where there is no token.
      beta: the price.

    Returns:
      [N] float64, to be added to the reward.
    """
    # Padding may hold anything, infinities too.
    ours, theirs = (np.where(mask, x, 0.0).astype(np.float64) for x in (log_probs, reference))
    return -beta * (ours - theirs).sum(axis=1)
