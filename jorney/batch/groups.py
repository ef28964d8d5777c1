"""Groups of completions: one prompt in a row, and beside it several completions of it with what is known of their tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from jorney.batch.row_arrays import RowArrays, fitted_length
from jorney.model.flops import RowShape, group_row

_OPTIONAL = {"sampled": np.float32, "old": np.float32, "reference": np.float32, "chosen": np.bool_}


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """A completion and what is known of its tokens: one number a token.

    Attributes:
      tokens: ids, the end token included where it ended by itself.
      advantages: what each token's log-probability is multiplied by.
      sampled: log-probabilities that it was drawn by; None where that is not known.
      old: those under the policy that started this round of updates, by the trainer's own forward.
      reference: those under the reference.
      chosen: tokens that have a surrogate (`surrogate.high_entropy`); None for all.
    """

    tokens: Sequence[int]
    advantages: Sequence[float] | np.ndarray
    sampled: Sequence[float] | np.ndarray | None = None
    old: Sequence[float] | np.ndarray | None = None
    reference: Sequence[float] | np.ndarray | None = None
    chosen: Sequence[bool] | np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Group:
    """Token ids of a prompt, and its completions: those that bear loss, at least one."""

    prompt: Sequence[int]
    completions: tuple[Trajectory, ...]


@dataclasses.dataclass(frozen=True)
class GroupRows(RowArrays):
    """Rows of P + C*L positions: the prompt, padded on the left, then C completions, each padded on the right to L.

    So the prompt ends where all completions go on, and distances in a row are distances in the text.

    Attributes:
      tokens: [R, P + C*L] int32.
      positions: [R, P + C*L] int32; all completions go on from the prompt's end.
      parts: [R, P + C*L] int32; 0 padding, 1 prompt, from 2 on the completions.
      segments: [R, C*L] int32; which completion of the row, from 1 on, a token is of; 0 for padding.
      lengths: [R, C] int32, tokens of each completion; 0 for a branch that is empty.
      owners: [R] int32, which group, from 0 on, the row's completions are of; -1 for a row that only fills the batch.
      advantages: [R, C*L] float32.
      sampled, old, reference: [R, C*L] float32, log-probabilities; None where no completion has them.
      chosen: [R, C*L] bool; None where no completion says.
    """

    filled: ClassVar[str] = "parts"

    tokens: np.ndarray
    positions: np.ndarray
    parts: np.ndarray
    segments: np.ndarray
    lengths: np.ndarray
    owners: np.ndarray
    advantages: np.ndarray
    sampled: np.ndarray | None = None
    old: np.ndarray | None = None
    reference: np.ndarray | None = None
    chosen: np.ndarray | None = None

    @property
    def row(self) -> RowShape:
        C, width = self.lengths.shape[1], self.segments.shape[1]
        return group_row(self.tokens.shape[1] - width, width // C, C)

    @classmethod
    def read_out(cls, batch: Mapping[str, np.ndarray]) -> int:
        return int(np.count_nonzero(batch["segments"]))

    def per_completion(self, values: np.ndarray) -> list[list[np.ndarray]]:
        """Numbers of tokens by group and completion: the inverse of the layout.

        Args:
          values: [R, C*L], such as the rows' advantages, or log-probabilities that a forward has found for them.

        Returns:
          A list for each group, in their order, of an array [tokens] for each completion.
        """
        R, C = self.lengths.shape
        found: list[list[np.ndarray]] = [[] for _ in range(int(self.owners.max(initial=-1)) + 1)]
        split = np.asarray(values).reshape(R, C, -1)
        for row in range(R):
            found[self.owners[row]] += [one[:count] for one, count in zip(split[row], self.lengths[row], strict=True) if count]
        return found


def lay_out_groups(
    groups: Sequence[Group],
    branches: int,
    rows_multiple: int = 1,
    prompt_length: int | None = None,
    completion_length: int | None = None,
    rows: int | None = None,
) -> GroupRows:
    """Rows for all groups; a group of more completions than a row has branches takes several. Empty rows fill the last batch.

    Args:
      branches: C, completions of a row at most.
      rows_multiple: R is one of these.
      prompt_length, completion_length: P and L, tokens; by default as the longest need, rounded up to a multiple of 32.
      rows: R, in the place of a multiple.

    Raises:
      ValueError: there are no groups; one has no completion, or something empty; numbers are not one a token, or some
        completions have them and others have not; something does not fit in the lengths or the rows given.
    """
    if not groups:
        raise ValueError("there are no groups: expected at least one")
    known = _known(groups)
    P = fitted_length("prompt_length", prompt_length, [len(group.prompt) for group in groups], "group")
    L = fitted_length(
        "completion_length", completion_length, [max(len(t.tokens) for t in group.completions) for group in groups], "group"
    )
    placed = list(_placed(groups, branches))
    if rows is not None and len(placed) > rows:
        raise ValueError(f"{len(groups)} groups take {len(placed)} rows of {branches} completions: expected at most {rows}")
    R = -(-len(placed) // rows_multiple) * rows_multiple if rows is None else rows
    width = branches * L
    tokens, positions, parts = (np.zeros((R, P + width), np.int32) for _ in range(3))
    lengths, owners = np.zeros((R, branches), np.int32), np.full(R, -1, np.int32)
    numbers = {"advantages": np.zeros((R, width), np.float32)} | {n: np.zeros((R, width), _OPTIONAL[n]) for n in known}
    for row, (owner, completions) in enumerate(placed):
        prompt, owners[row] = groups[owner].prompt, owner
        first = P - len(prompt)
        tokens[row, first:P], parts[row, first:P], positions[row, first:P] = prompt, 1, np.arange(len(prompt))
        for branch, one in enumerate(completions):
            count = lengths[row, branch] = len(one.tokens)
            there = slice(branch * L, branch * L + count)
            where = slice(P + there.start, P + there.stop)
            tokens[row, where], parts[row, where] = one.tokens, 2 + branch
            positions[row, where] = len(prompt) + np.arange(count)
            for name, values in numbers.items():
                values[row, there] = getattr(one, name)
    segments = np.maximum(parts[:, P:] - 1, 0)
    return GroupRows(tokens, positions, parts, segments, lengths, owners, **numbers)


def _placed(groups: Sequence[Group], branches: int) -> Iterator[tuple[int, tuple[Trajectory, ...]]]:
    """Of each row its group's number and its completions."""
    for owner, group in enumerate(groups):
        for start in range(0, len(group.completions), branches):
            yield owner, group.completions[start : start + branches]


def _known(groups: Sequence[Group]) -> list[str]:
    """The optional numbers that all completions have. Raises ValueError where something is missing."""
    first: Trajectory | None = None
    for number, group in enumerate(groups):
        if not group.prompt or not group.completions:
            raise ValueError(f"group {number}: expected a prompt and at least one completion")
        for place, one in enumerate(group.completions):
            if not len(one.tokens):
                raise ValueError(f"group {number}, completion {place}: expected at least one token")
            first = first or one
            for name in ("advantages", *_OPTIONAL):
                values = getattr(one, name)
                if values is not None and len(values) != len(one.tokens):
                    told = f"group {number}, completion {place} has {len(values)} {name}"
                    raise ValueError(f"{told}: expected one for each of its {len(one.tokens)} tokens")
                if (values is None) != (getattr(first, name) is None):
                    raise ValueError(f"group {number}, completion {place}: expected {name} of all completions, or of none")
    return [name for name in _OPTIONAL if getattr(first, name) is not None]
