"""What the completions of a round earned, by its files: rewards as a whole, and advantages of tokens."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from jorney.domain.problem import Problem
from jorney.reinforce.rewards.rewarding import Earned, earned
from jorney.reinforce.samples import RoundFiles, Row
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.policy_gradient.advantages import with_signal
from jorney.train.policy_gradient.credit import token_advantages
from jorney.train.policy_gradient.rewards import total_reward

Name = tuple[int, str]  # a problem of a round: the attempt in which it was drawn, and its id


class Earnings:
    """Reads what was sampled and rewarded.

    Args:
      weight_of: {term of the reward: its weight}.
    """

    def __init__(
        self, problems: Sequence[Problem], config: GrpoConfig, weight_of: Mapping[str, float], files: RoundFiles
    ) -> None:
        self._by_id = {one.id: one for one in problems}
        self._config, self._weight_of, self._files = config, dict(weight_of), files

    def of(self, number: int, names: Sequence[Name]) -> list[tuple[Earned, Row]]:
        """What completions earned, with the rows that they were sampled as, by the files."""
        found: list[tuple[Earned, Row]] = []
        for attempt, own in itertools.groupby(names, key=lambda name: name[0]):
            problems = [self._by_id[name] for _, name in own]
            samples = self._files.samples(number, attempt).rows(problems)
            rewards = self._files.rewards(number, attempt).rows(problems)
            for problem in problems:
                pairs = zip(samples[problem.id], rewards[problem.id], strict=True)
                found += [(earned(problem, sample, reward), sample) for sample, reward in pairs]
        return found

    def total(self, members: Sequence[Earned]) -> tuple[np.ndarray, dict[str, list[float]]]:
        """[N] rewards as a whole, and the terms that they are made of."""
        terms = {name: [one.terms[name] for one in members] for name in self._weight_of}
        return total_reward(terms, self._weight_of), terms

    def advantages(self, members: Sequence[Earned], penalty: np.ndarray | None = None) -> list[np.ndarray]:
        """Of each completion those of its tokens, float32.

        Args:
          penalty: [N], added to the rewards.
        """
        if not members:
            return []
        rewards = self.total(members)[0] + (0.0 if penalty is None else penalty)
        judged = [one.judged(float(reward), self._config.credit) for one, reward in zip(members, rewards, strict=True)]
        found, mask = token_advantages(self._config, judged, _groups_of(members))
        return [row[there] for row, there in zip(found, mask, strict=True)]

    def telling(self, number: int, names: Sequence[Name]) -> list[Name]:
        """The problems whose completions teach anything."""
        members = [one for one, _ in self.of(number, names)]
        cut = [self._config.mask_truncated and not one.episode.finished for one in members]
        found = [0.0 if out else float(np.abs(own).max()) for out, own in zip(cut, self.advantages(members), strict=True)]
        tells = with_signal(np.array(found), _groups_of(members))
        known = {one.episode.problem.id for one, tell in zip(members, tells, strict=True) if tell}
        return [name for name in names if name[1] in known]


def _groups_of(members: Sequence[Earned]) -> np.ndarray:
    """[N] which problem each completion answers."""
    order = {name: place for place, name in enumerate(dict.fromkeys(one.episode.problem.id for one in members))}
    return np.array([order[one.episode.problem.id] for one in members])
