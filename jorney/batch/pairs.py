"""Preference pairs: two completions of one prompt in a row that holds the prompt once."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np

from jorney.batch.row_arrays import RowArrays, fitted_length
from jorney.model.flops import RowShape, group_row

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Preference:
    """Token ids of a prompt and of two completions, each with its end token where it ended by itself.

    Attributes:
      smoothing: the share of such pairs that is taken to be the wrong way round, 0 to 0.5; None where the pair does not say.
      chosen_steps, rejected_steps: of each step of a completion how many of its tokens it takes, and its score; empty where
        that is not known.
    """

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    smoothing: float | None = None
    chosen_steps: tuple[tuple[int, float], ...] = ()
    rejected_steps: tuple[tuple[int, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class PreferenceRows(RowArrays):
    """Rows of P + 2L positions: the prompt, padded on the left, then chosen and rejected, padded on the right.

    So the prompt ends where both completions go on, and distances in a row are distances in the text.

    Attributes:
      tokens: [R, P + 2L] int32.
      positions: [R, P + 2L] int32; both completions go on from the prompt's end.
      parts: [R, P + 2L] int32; 1 prompt, 2 chosen, 3 rejected, 0 padding.
      chosen_mask, rejected_mask: [R, L] int32, 1 for a completion's tokens.
      pair_mask: [R] int32, 0 for a row that only fills the batch.
      reference_chosen, reference_rejected: [R] float32, log-probabilities under the reference, weighted as the policy's are.
      smoothing: [R] float32, how far each pair is doubted; None where one number is for all.
      chosen_weights, rejected_weights: [R, L] float32, of each token; None where every token counts once.
    """

    filled: ClassVar[str] = "parts"

    tokens: np.ndarray
    positions: np.ndarray
    parts: np.ndarray
    chosen_mask: np.ndarray
    rejected_mask: np.ndarray
    pair_mask: np.ndarray
    reference_chosen: np.ndarray
    reference_rejected: np.ndarray
    smoothing: np.ndarray | None = None
    chosen_weights: np.ndarray | None = None
    rejected_weights: np.ndarray | None = None

    @property
    def row(self) -> RowShape:
        L = self.chosen_mask.shape[1]
        return group_row(self.tokens.shape[1] - 2 * L, L, 2)

    @classmethod
    def read_out(cls, batch: Mapping[str, np.ndarray]) -> int:
        return sum(int(np.count_nonzero(batch[name])) for name in ("chosen_mask", "rejected_mask"))


def lay_out(
    preferences: Sequence[Preference],
    rows_multiple: int = 1,
    prompt_length: int | None = None,
    completion_length: int | None = None,
) -> PreferenceRows:
    """Rows for all pairs; rows that hold nothing fill the last batch.

    Args:
      prompt_length, completion_length: P and L, tokens; by default as the longest need, rounded up to a multiple of 32.

    Raises:
      ValueError: there are no pairs, a prompt or a completion is empty, or one does not fit in the lengths given.
    """
    if not preferences:
        raise ValueError("there are no preference pairs: expected at least one")
    for index, one in enumerate(preferences):
        if not (one.prompt and one.chosen and one.rejected):
            raise ValueError(f"preference {index}: expected a prompt and two completions, none of them empty")
    P = fitted_length("prompt_length", prompt_length, [len(one.prompt) for one in preferences], "preference")
    L = fitted_length(
        "completion_length", completion_length, [max(len(one.chosen), len(one.rejected)) for one in preferences], "preference"
    )
    R = -(-len(preferences) // rows_multiple) * rows_multiple
    tokens, positions, parts = (np.zeros((R, P + 2 * L), np.int32) for _ in range(3))
    pairs = (np.arange(R) < len(preferences)).astype(np.int32)
    for row, one in enumerate(preferences):
        for part, ids, start, first in (
            (1, one.prompt, P - len(one.prompt), 0),
            (2, one.chosen, P, len(one.prompt)),
            (3, one.rejected, P + L, len(one.prompt)),
        ):
            where = slice(start, start + len(ids))
            tokens[row, where], parts[row, where] = ids, part
            positions[row, where] = first + np.arange(len(ids))
    chosen, rejected = ((half > 0).astype(np.int32) for half in (parts[:, P : P + L], parts[:, P + L :]))
    nothing = np.zeros(R, np.float32)
    return PreferenceRows(tokens, positions, parts, chosen, rejected, pairs, nothing, nothing)


def choose_pairs(right: Sequence[T], wrong: Sequence[T], limit: int, rng: random.Random) -> list[tuple[T, T]]:
    """(chosen, rejected): as many pairs as the scarcer side and `limit` allow, drawn at random, nothing twice."""
    count = min(len(right), len(wrong), limit)
    return list(zip(rng.sample(right, count), rng.sample(wrong, count), strict=True))
