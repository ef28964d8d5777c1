"""What there is to tell of a round's completions, by the names that TRL has for it, where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jorney.domain.domains import domain_of
from jorney.reinforce.episode import Episode
from jorney.train.policy_gradient.advantages import group_metrics, outcome_metrics


def round_figures(
    episodes: Sequence[Episode], rewards: Sequence[float], terms: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Of all completions that a round sampled.

    Args:
      rewards: of each completion, as a whole.
      terms: {name: of each completion}, without weights.

    Returns:
      reward, reward_std, frac_reward_zero_std: see `advantages.group_metrics`; rewards/NAME/mean and .../std of each term;
      completions/mean_length, min_length, max_length, clipped_ratio (cut at the limit), mean_terminated_length, as TRL. Of
      problems whose answers are known: accuracy, pass_at_group, frac_all_right, frac_all_wrong, see
      `advantages.outcome_metrics`; completions/mean_length_right and mean_length_wrong. Where the domain can follow a text:
      excursion_rate, the share of completions that go back, justified_backtracks, the share of all their backtracks, and
      recovery_rate, the share of those that are right among those whose first attempt failed.
    """
    order = {name: place for place, name in enumerate(dict.fromkeys(one.problem.id for one in episodes))}
    groups = np.array([order[one.problem.id] for one in episodes])
    right = np.array([one.grade.correct for one in episodes])
    lengths = np.array([len(one.tokens) for one in episodes], np.float64)
    ended = np.array([one.finished for one in episodes])
    graded = np.array([domain_of(one.problem).answered for one in episodes])
    found = group_metrics(rewards, groups)
    for name, values in terms.items():
        found[f"rewards/{name}/mean"] = float(np.mean(values))
        found[f"rewards/{name}/std"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    found |= {
        "completions/mean_length": float(lengths.mean()),
        "completions/min_length": float(lengths.min()),
        "completions/max_length": float(lengths.max()),
        "completions/clipped_ratio": float(1 - ended.mean()),
    }
    if graded.any():
        found |= outcome_metrics(groups[graded], right[graded])
    for name, which in (("terminated_length", ended), ("length_right", right), ("length_wrong", graded & ~right)):
        if which.any():
            found[f"completions/mean_{name}"] = float(lengths[which].mean())
    return found | ways(episodes)


def ways(episodes: Sequence[Episode]) -> dict[str, float]:
    """How texts go about it: those of domains that can follow them; without what is a share of nothing."""
    walked = [
        (one, domain_of(one.problem).behaviour(one.problem, one.text)) for one in episodes if domain_of(one.problem).behaves
    ]
    shares = {
        "excursion_rate": [way.backs > 0 for _, way in walked],
        "first_attempt_accuracy": [way.first for _, way in walked],
        "justified_backtracks": [k < way.justified for _, way in walked for k in range(way.backs)],
        "recovery_rate": [one.grade.correct for one, way in walked if not way.first],
    }
    return {name: float(np.mean(those)) for name, those in shares.items() if those}
