"""Game of 24, as the Tree-of-Thoughts paper took it from 4nums.com (its 24.csv): rows of puzzles -> Countdown problems.

A solution in Countdown's steps stays within the whole numbers from 1 to `countdown.LARGEST`. Some puzzles have solutions with
fractions, negative numbers or larger ones only: `reachable` tells them.
"""

from __future__ import annotations

from collections.abc import Sequence

from jorney.rows.sources import Row, Rows

TARGET = 24
RANKS = range(901, 1001)  # of the paper's 100 puzzles


def is_game24(row: Row) -> bool:
    """Whether a row has the published columns."""
    return "Rank" in row and "Puzzles" in row


def puzzles(rows: Rows) -> Rows:
    """Rows of id, question, answer and what Countdown's verifier reads; `meta` keeps the rank.

    Args:
      rows: as published, (place, row); "Puzzles" holds numbers with spaces between.

    Raises:
      ValueError: a row has another form; names its place and the field.
    """
    from jorney.domain.countdown.sets import make_problem  # it reads problems itself

    for place, row in rows:
        words, rank = str(row["Puzzles"]).split(), str(row["Rank"])
        if len(words) < 2 or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise ValueError(
                f"{place}: field 'Puzzles': expected numbers from 1 up with spaces between, got {row['Puzzles']!r}"
            )
        if not rank.isdecimal():
            raise ValueError(f"{place}: field 'Rank': expected a number, got {row['Rank']!r}")
        made = make_problem(tuple(map(int, words)), TARGET)
        yield (
            place,
            {
                "id": made.id,
                "question": made.question,
                "answer": made.answer,
                "verifier": made.verifier,
                "meta": {**made.meta, "rank": int(rank)},
            },
        )


def reachable(numbers: Sequence[int], target: int = TARGET) -> bool:
    """Whether some solution stays within what Countdown's steps can say."""
    from jorney.domain.countdown.game import paths_to

    return target in paths_to(tuple(sorted(numbers)))
