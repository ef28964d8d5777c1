"""What texts are made of (thought statistics of O1 Replication Journey, Part 1): how long they are, which words they use.

Texts are read one after another and forgotten. What is kept is of constant size, but for counts of lengths (as many as there
are different lengths) and of n-grams, which are bounded (`BoundedCounts`).
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from jorney.config import expect_at_least
from jorney.thought.care.dedupe import TOKEN, ngrams

T = TypeVar("T", bound=Hashable)

# The phrases of the paper's style, and going back, which is ours. The first letter may be of either case.
FAMILIES: dict[str, tuple[str, ...]] = {
    "conclusion": ("Therefore",),
    "another path": ("Alternatively",),
    "reflection": ("Wait",),
    "calculation": ("Let me compute",),
    "branching": ("Consider", "If", "Possible"),
    "going back": ("Go back",),
}
_FAMILIES = {
    name: re.compile("|".join(rf"\b[{phrase[0].upper()}{phrase[0].lower()}]{re.escape(phrase[1:])}\b" for phrase in phrases))
    for name, phrases in FAMILIES.items()
}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
NGRAMS = (1, 2, 3, 4)
MANY = 20  # steps: from here on all count as one difficulty
BY = ("level", "solve rate", "solution steps", "own steps")


@dataclasses.dataclass(frozen=True)
class AnalyseConfig:
    """What is counted.

    Attributes:
      tokenizer: whose tokens are counted: a model's folder or hub id, or "embedded". Without one the tokens of
        `jorney evaluate` are taken where rows state them, else words and signs are counted.
      top: n-grams that are reported, of every length.
      capacity: n-grams of every length that are held at a time.
    """

    tokenizer: str = ""
    top: int = 20
    capacity: int = 200_000

    def __post_init__(self) -> None:
        expect_at_least(1, self, "analyse", "top")
        expect_at_least(2, self, "analyse", "capacity")


class Difficulty(NamedTuple):
    """How hard a problem is: by what that is told (one of BY), and a value that is larger the harder it is."""

    by: str
    value: float


class BoundedCounts(Generic[T]):
    """Counts of the most frequent among more things than can be held.

    When more than `capacity` are held, the rarest are dropped until half are left; one that comes back starts at 0. A count is
    therefore never too high, and too low by `error` at most, the sum over the droppings of the highest count that was dropped.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._counts: Counter[T] = Counter()
        self.error = 0

    def update(self, things: Iterable[T]) -> None:
        """Counts each once more."""
        self._counts.update(things)
        if len(self._counts) > self._capacity:
            ranked = self._counts.most_common()
            keep = self._capacity // 2
            self.error += ranked[keep][1]
            self._counts = Counter(dict(ranked[:keep]))

    def most_common(self, count: int) -> list[tuple[T, int]]:
        """The most frequent, with their counts; of equals the one seen first."""
        return self._counts.most_common(count)

    def __len__(self) -> int:
        return len(self._counts)


def families_in(text: str) -> list[str]:
    """The families of which a text has a phrase."""
    return [name for name, pattern in _FAMILIES.items() if pattern.search(text)]


def text_of(row: Mapping[str, Any], place: str) -> str:
    """The text that a row is about: a thought, what a model wrote, an assistant's turns, or a solution.

    Raises:
      ValueError: names `place` and the fields that were looked for.
    """
    for name in ("longCOT", "text", "completion", "solution", "answer"):
        value = row.get(name)
        if isinstance(value, str):
            return value
        if name == "completion" and isinstance(row.get("messages"), list):
            said = (turn for turn in row["messages"] if isinstance(turn, dict) and turn.get("role") == "assistant")
            if turns := [turn["content"] for turn in said if isinstance(turn.get("content"), str)]:
                return "\n".join(turns)
    raise ValueError(
        f"{place}: the fields are {', '.join(row) or 'none'}: "
        "expected a text named longCOT, text, completion, solution or answer, or messages"
    )


def difficulty_of(row: Mapping[str, Any], known: Mapping[str, Difficulty]) -> Difficulty | None:
    """A row's difficulty: its level; else what is known of its problem; else how many steps its own solution takes."""
    if (level := read_level(row)) is not None:
        return Difficulty("level", level)
    if (name := row.get("id")) in known:
        return known[str(name)]
    pieces = row.get("pieces")
    if isinstance(pieces, list):
        return Difficulty("own steps", min(MANY, sum(piece[1] == "step" for piece in pieces)))
    if isinstance(row.get("solution"), str) or (isinstance(row.get("answer"), str) and "####" in row["answer"]):
        return Difficulty("own steps", count_steps(str(row.get("solution") or row["answer"])))
    return None


def read_level(row: Mapping[str, Any]) -> float | None:
    """The level that a row or its meta states: a number, or a text with one (MATH: "Level 3")."""
    meta = row.get("meta")
    level = row.get("level", meta.get("level") if isinstance(meta, Mapping) else None)
    stated = None if isinstance(level, bool) else re.search(r"\d+", str(level))
    return float(stated[0]) if stated else None


def count_steps(solution: str) -> float:
    """Lines of a solution without that of the answer, up to MANY."""
    lines = [line for line in solution.splitlines() if line.strip() and not line.lstrip().startswith("####")]
    return float(min(MANY, len(lines)))


@dataclasses.dataclass
class _Group:
    """Texts, their words, and the keywords in them."""

    texts: int = 0
    words: int = 0
    keywords: Counter[str] = dataclasses.field(default_factory=Counter)

    def per_1000_words(self, count: int) -> float:
        return 1000 * count / max(1, self.words)


def analyse(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    config: AnalyseConfig,
    count_tokens: Callable[[str], int] | None = None,
    known: Mapping[str, Difficulty] | None = None,
) -> dict[str, Any]:
    """Counts over (place, row) pairs; see `text_of` for what rows may be.

    Args:
      count_tokens: of the tokenizer, where the configuration names one.
      known: difficulties by the ids of problems, for rows that state none.

    Returns:
      JSON values. Lengths are given with their mean, quartiles, extremes and histogram; keywords per 1,000 words and as the
      share of the texts that hold one; difficulties from easy to hard.

    Raises:
      ValueError: a row has no text; names its place. Or there are no rows.
    """
    lengths: dict[str, Counter[int]] = {name: Counter() for name in ("tokens", "lines", "words_per_line")}
    grams: dict[int, BoundedCounts[str]] = {n: BoundedCounts(config.capacity) for n in NGRAMS}
    whole, holding, groups = _Group(), Counter[str](), defaultdict[Difficulty, _Group](_Group)
    as_generated = 0
    for place, row in rows:
        text = text_of(row, place)
        tokens = row.get("tokens")
        if count_tokens is None and isinstance(tokens, int) and not isinstance(tokens, bool):
            as_generated += 1
        else:
            tokens = count_tokens(text) if count_tokens else len(TOKEN.findall(text))
        lines = [_WORD.findall(line) for line in text.splitlines() if line.strip()]
        lengths["tokens"][tokens] += 1
        lengths["lines"][len(lines)] += 1
        lengths["words_per_line"].update(map(len, lines))
        for n, words in itertools.product(NGRAMS, lines):
            grams[n].update(map(" ".join, ngrams(words, n)))
        found = +Counter({name: len(pattern.findall(text)) for name, pattern in _FAMILIES.items()})
        holding.update(found.keys())
        difficulty = difficulty_of(row, known or {})
        for group in (whole, *([groups[difficulty]] if difficulty else [])):
            group.texts += 1
            group.words += sum(map(len, lines))
            group.keywords += found
    if not whole.texts:
        raise ValueError("holds no rows: expected at least one")
    counted = config.tokenizer or ("as generated" if as_generated == whole.texts else "words and signs")
    mixed = as_generated not in (0, whole.texts) and not config.tokenizer
    return {
        "texts": whole.texts,
        "words": whole.words,
        "tokens_counted_by": "as generated, or words and signs" if mixed else counted,
        **{name: describe(counts) for name, counts in lengths.items()},
        "ngrams": {str(n): [list(pair) for pair in counts.most_common(config.top)] for n, counts in grams.items()},
        "ngram_error": {str(n): counts.error for n, counts in grams.items()},
        "keywords": {
            name: {
                "count": whole.keywords[name],
                "per_1000_words": whole.per_1000_words(whole.keywords[name]),
                "share_of_texts": holding[name] / whole.texts,
            }
            for name in FAMILIES
        },
        "difficulty": _by_difficulty(groups),
    }


def describe(counts: Mapping[int, int]) -> dict[str, Any]:
    """Mean, quartiles, extremes and histogram ([value, how often], ascending) of counted values."""
    ordered = sorted(counts.items())
    total = sum(counts.values())
    if not total:
        return {"mean": 0.0, "histogram": []}
    passed = list(itertools.accumulate(count for _, count in ordered))
    return {
        "mean": sum(value * count for value, count in ordered) / total,
        "min": ordered[0][0],
        **{f"p{percent}": ordered[bisect.bisect_left(passed, percent / 100 * total)][0] for percent in (10, 25, 50, 75, 90)},
        "max": ordered[-1][0],
        "histogram": [list(pair) for pair in ordered],
    }


def _by_difficulty(groups: Mapping[Difficulty, _Group]) -> dict[str, Any] | None:
    """Keywords by difficulty, by whatever tells it of most texts."""
    if not groups:
        return None
    by = max(BY, key=lambda name: sum(group.texts for difficulty, group in groups.items() if difficulty.by == name))
    values = [
        {
            "value": difficulty.value,
            "texts": group.texts,
            "per_1000_words": {name: group.per_1000_words(group.keywords[name]) for name in FAMILIES},
            "all_per_1000_words": group.per_1000_words(sum(group.keywords.values())),
        }
        for difficulty, group in sorted(groups.items(), key=lambda pair: pair[0].value)
        if difficulty.by == by
    ]
    return {"by": by, "values": values}
