"""What texts are made of (thought statistics of O1 Replication Journey, Part 1): how long they are, which words they use.

Texts are read one after another and forgotten. What is kept is of constant size, but for counts of lengths (as many as there
are different lengths) and of n-grams, which are bounded (`BoundedCounts`).
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from jorney.config import expect_at_least

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
_TOKEN = re.compile(r"\w+|[^\w\s]")
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
            turns = [turn["content"] for turn in said if isinstance(turn.get("content"), str)]
            if turns:
                return "\n".join(turns)
    found = ", ".join(row) or "none"
    raise ValueError(
        f"{place}: the fields are {found}: expected a text named longCOT, text, completion, solution or answer, or messages"
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
    stated = re.search(r"\d+", str(level)) if level is not None and not isinstance(level, bool) else None
    return float(stated[0]) if stated else None


def count_steps(solution: str) -> float:
    """Lines of a solution without that of the answer, up to MANY."""
    lines = [line for line in solution.splitlines() if line.strip() and not line.lstrip().startswith("####")]
    return float(min(MANY, len(lines)))


@dataclasses.dataclass
class _Group:
    """Texts of one difficulty, and their keywords."""

    texts: int = 0
    words: int = 0
    keywords: Counter[str] = dataclasses.field(default_factory=Counter)


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
    keywords, holding = Counter[str](), Counter[str]()
    groups: dict[Difficulty, _Group] = {}
    texts = words_in_all = as_generated = 0
    for place, row in rows:
        text = text_of(row, place)
        texts += 1
        stated = row.get("tokens")
        if count_tokens is None and isinstance(stated, int) and not isinstance(stated, bool):
            as_generated += 1
            lengths["tokens"][stated] += 1
        else:
            lengths["tokens"][count_tokens(text) if count_tokens else sum(1 for _ in _TOKEN.finditer(text))] += 1
        lines = [_WORD.findall(line) for line in text.splitlines() if line.strip()]
        lengths["lines"][len(lines)] += 1
        for words in lines:
            lengths["words_per_line"][len(words)] += 1
            for n in NGRAMS:
                grams[n].update(" ".join(words[start : start + n]) for start in range(len(words) - n + 1))
        found = Counter({name: sum(1 for _ in pattern.finditer(text)) for name, pattern in _FAMILIES.items()})
        count = sum(map(len, lines))
        words_in_all += count
        keywords += found
        holding.update(name for name, number in found.items() if number)
        if (difficulty := difficulty_of(row, known or {})) is not None:
            group = groups.setdefault(difficulty, _Group())
            group.texts += 1
            group.words += count
            group.keywords += found
    if not texts:
        raise ValueError("holds no rows: expected at least one")
    counted = config.tokenizer or ("as generated" if as_generated == texts else "words and signs")
    return {
        "texts": texts,
        "words": words_in_all,
        "tokens_counted_by": counted if as_generated in (0, texts) or config.tokenizer else "as generated, or words and signs",
        **{name: describe(counts) for name, counts in lengths.items()},
        "ngrams": {str(n): [list(pair) for pair in counts.most_common(config.top)] for n, counts in grams.items()},
        "ngram_error": {str(n): counts.error for n, counts in grams.items()},
        "keywords": {
            name: {
                "count": keywords[name],
                "per_1000_words": 1000 * keywords[name] / max(1, words_in_all),
                "share_of_texts": holding[name] / texts,
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

    def quantile(share: float) -> int:
        passed = 0
        for value, count in ordered:
            passed += count
            if passed >= share * total:
                return value
        return ordered[-1][0]

    return {
        "mean": sum(value * count for value, count in ordered) / total,
        "min": ordered[0][0],
        **{f"p{percent}": quantile(percent / 100) for percent in (10, 25, 50, 75, 90)},
        "max": ordered[-1][0],
        "histogram": [list(pair) for pair in ordered],
    }


def _by_difficulty(groups: Mapping[Difficulty, _Group]) -> dict[str, Any] | None:
    """Keywords by difficulty, by whatever tells it of most texts."""
    if not groups:
        return None
    texts = Counter[str]()
    for difficulty, group in groups.items():
        texts[difficulty.by] += group.texts
    by = max(BY, key=lambda name: texts[name])
    values = [
        {
            "value": difficulty.value,
            "texts": group.texts,
            "per_1000_words": {name: 1000 * group.keywords[name] / max(1, group.words) for name in FAMILIES},
            "all_per_1000_words": 1000 * sum(group.keywords.values()) / max(1, group.words),
        }
        for difficulty, group in sorted(groups.items(), key=lambda pair: pair[0].value)
        if difficulty.by == by
    ]
    return {"by": by, "values": values}
