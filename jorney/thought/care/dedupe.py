"""Duplicates among texts: equal ones after normalisation, and near ones by their shingles.

Two texts are near duplicates where the Jaccard similarity of their sets of shingles (runs of `shingle` words) is at least
`threshold`. Candidates come from MinHash with locality-sensitive hashing (datasketch), and are then compared exactly, so that
nothing is called a duplicate by chance; with 128 hash functions a pair at similarity s is found with probability
1 - (1 - s^r)^b, r and b as datasketch chooses them for the threshold.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jorney.config import expect_at_least, expect_share

PERMUTATIONS = 128
TOKEN = re.compile(r"\w+|[^\w\s]")  # a word or a sign


@dataclasses.dataclass(frozen=True)
class DedupeConfig:
    """What counts as a duplicate.

    Attributes:
      threshold: Jaccard similarity from which two texts are near duplicates; 1 for equal texts alone.
      shingle: words in a row.
    """

    threshold: float = 0.8
    shingle: int = 5

    def __post_init__(self) -> None:
        expect_share(self, "dedupe", "threshold")
        expect_at_least(1, self, "dedupe", "shingle")


class Duplicate(NamedTuple):
    """What a text repeats.

    Attributes:
      of: index of the earlier text.
      similarity: of their shingles; 1 for equal texts.
      exact: equal after normalisation.
    """

    of: int
    similarity: float
    exact: bool


def normalise(text: str) -> str:
    """Lower case, words and signs in single spaces, without the numbers of steps."""
    bare = re.sub(r"^\s*\d+\.\s", "", text, flags=re.MULTILINE)
    return " ".join(TOKEN.findall(bare.lower()))


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """The runs of `n` words."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def shingles(text: str, size: int) -> set[int]:
    """Hashes of a text's runs of `size` words, told apart as `normalise` does; of a shorter text, of all of it."""
    words = normalise(text).split()
    runs = map(" ".join, list(ngrams(words, size)) or [tuple(words)])
    return {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "little") for run in runs}


def jaccard(one: set[int], other: set[int]) -> float:
    """Size of the intersection over the size of the union; 1 for two empty sets."""
    return len(one & other) / len(one | other) if one or other else 1.0


def duplicates(texts: Iterable[str], config: DedupeConfig) -> Iterator[Duplicate | None]:
    """For each text, in order, which earlier kept one it repeats, or None: it is kept.

    The first of several stays. Memory: 8 bytes a shingle and some 2 KB a kept text.
    """
    from datasketch import MinHash, MinHashLSH

    index: Any = MinHashLSH(threshold=config.threshold, num_perm=PERMUTATIONS) if config.threshold < 1 else None
    first: dict[bytes, int] = {}
    kept: dict[int, np.ndarray] = {}
    for number, text in enumerate(texts):
        name = hashlib.blake2b(normalise(text).encode(), digest_size=16).digest()
        if name in first:
            yield Duplicate(first[name], 1.0, True)
            continue
        if index is not None:
            own = shingles(text, config.shingle)
            sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
            sketch.update_batch([value.to_bytes(8, "little") for value in own])
            compared = ((jaccard(own, set(kept[other].tolist())), other) for other in index.query(sketch))
            likeness, other = max(compared, key=lambda pair: (pair[0], -pair[1]), default=(0.0, 0))
            if likeness >= config.threshold:
                yield Duplicate(other, likeness, False)
                continue
            index.insert(number, sketch)
            kept[number] = np.fromiter(own, np.uint64, len(own))
        first[name] = number
        yield None
