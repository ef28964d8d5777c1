"""How various a round of thoughts is, whether variety is lost from round to round, and what temperature comes next.

A model that learns from its own thoughts repeats itself more with every round. Rounds are compared at equal size: distinct
n-grams and entropy fall with the length of a text, whoever wrote it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence

from jorney.config import expect_above, expect_at_least
from jorney.thought.care.dedupe import TOKEN, jaccard, ngrams, shingles

MEASURES = ("distinct_1", "distinct_2", "distinct_3", "self_similarity", "entropy")


@dataclasses.dataclass(frozen=True)
class DiversityConfig:
    """How variety is measured, and what is done about its loss.

    Attributes:
      sample: texts of a round that are looked at.
      shingle: words in a row, of the self-similarity.
      lost: share of the first round's variety whose loss is a collapse (see `collapse`).
      raise_by: how much the temperature rises after a collapse.
      most: temperature that is never exceeded: above it the steps get wrong faster than various.
    """

    sample: int = 200
    shingle: int = 3
    lost: float = 0.1
    raise_by: float = 0.1
    most: float = 1.2

    def __post_init__(self) -> None:
        expect_at_least(2, self, "diversity", "sample")
        expect_at_least(1, self, "diversity", "shingle")
        expect_above(0, self, "diversity", "lost", "raise_by", "most")


@dataclasses.dataclass(frozen=True)
class Diversity:
    """The variety of one round.

    Attributes:
      texts: that were looked at.
      distinct_1, distinct_2, distinct_3: different n-grams of words to all of them, over the whole sample (Li et al., 2016).
      self_similarity: mean Jaccard similarity of the shingles of two texts of the sample; 0 where nothing is in common.
      entropy: of words, bits a word.
      temperature: that the round was sampled at, where it is known.
    """

    texts: int
    distinct_1: float
    distinct_2: float
    distinct_3: float
    self_similarity: float
    entropy: float
    temperature: float | None = None


def measure_rounds(
    rounds: Sequence[Sequence[str]],
    config: DiversityConfig,
    seed: int = 0,
    temperatures: Sequence[float | None] | None = None,
) -> list[Diversity]:
    """The variety of each round, of equally many texts and words of each.

    Raises:
      ValueError: a round holds fewer than two texts.
    """
    for number, texts in enumerate(rounds):
        if len(texts) < 2:
            raise ValueError(f"round {number}: holds {len(texts)} texts: expected 2 at least")
    count = min(config.sample, *map(len, rounds))
    drawn = [random.Random(f"{seed}").sample(list(texts), count) for texts in rounds]
    split = [[TOKEN.findall(text) for text in texts] for texts in drawn]
    words = min(sum(map(len, texts)) for texts in split)
    known = temperatures or [None] * len(rounds)
    return [
        _measure(texts, list(itertools.islice(itertools.chain(*told), words)), config, temperature)
        for texts, told, temperature in zip(drawn, split, known, strict=True)
    ]


def _measure(texts: Sequence[str], words: Sequence[str], config: DiversityConfig, temperature: float | None) -> Diversity:
    def distinct(n: int) -> float:
        runs = list(ngrams(words, n))
        return len(set(runs)) / len(runs) if runs else 0.0

    sets = (shingles(text, config.shingle) for text in texts)
    pairs = [jaccard(one, other) for one, other in itertools.combinations(sets, 2)]
    shares = [count / len(words) for count in Counter(words).values()]
    entropy = -sum(share * math.log2(share) for share in shares) if words else 0.0
    return Diversity(len(texts), distinct(1), distinct(2), distinct(3), sum(pairs) / len(pairs), entropy, temperature)


def collapse(history: Sequence[Diversity], config: DiversityConfig) -> list[str]:
    """The measures by which the last round has collapsed against the first; none while variety holds.

    A collapse: distinct 2- or 3-grams, or entropy, have fallen by more than the share `lost` of the first round's; or what two
    texts do not have in common (1 - self-similarity) has.
    """
    found = []
    for name in ("distinct_2", "distinct_3", "entropy", "self_similarity") if history else ():
        first, last = _variety(history[0], name), _variety(history[-1], name)
        if first and last / first < 1 - config.lost:
            found.append(name)
    return found


def next_temperature(history: Sequence[Diversity], config: DiversityConfig, default: float = 0.7) -> float:
    """The temperature for the next round: raised while the last round has collapsed, else the last round's.

    Args:
      default: of a history that states none.
    """
    last = next((round_.temperature for round_ in reversed(history) if round_.temperature is not None), default)
    return min(max(config.most, last), round(last + config.raise_by, 6)) if collapse(history, config) else last


def trend(history: Sequence[Diversity]) -> dict[str, float]:
    """The slope of every measure, a round (least squares); 0 for a single round."""
    offsets = [x - (len(history) - 1) / 2 for x in range(len(history))]
    spread = sum(offset**2 for offset in offsets) or 1.0
    return {
        name: sum(offset * getattr(round_, name) for offset, round_ in zip(offsets, history, strict=True)) / spread
        for name in MEASURES
    }


def _variety(round_: Diversity, name: str) -> float:
    """A measure, turned so that more is more various."""
    value: float = getattr(round_, name)
    return 1 - value if name == "self_similarity" else value
