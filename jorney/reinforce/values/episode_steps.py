"""The steps of a completion, and at which of the sampled tokens each ends. Nothing is tokenised again."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer

_HALF = "\ufffd"  # what a decoder makes of a character of which bytes are missing
_MOST = 6  # tokens of a character: of four bytes, and what may stand between them


@dataclasses.dataclass(frozen=True)
class StepsOfText:
    """The steps of a completion.

    Attributes:
      texts: as written, without the space around them.
      ends: index of the last token of each, rising; that of the last is the completion's last token.
    """

    texts: tuple[str, ...]
    ends: tuple[int, ...]

    def bare(self, step_format: StepFormat) -> list[str]:
        """The steps without their openings, as judges take them."""
        return [step_format.bare(text) for text in self.texts]


def steps_of(tokenizer: Tokenizer, tokens: Sequence[int], step_format: StepFormat) -> StepsOfText:
    """The steps of a completion, as `StepFormat.split` cuts its text.

    A text without any is one empty step. Where two steps end within one token, they are one.
    """
    if not tokens:
        return StepsOfText((), ())
    text = tokenizer.decode(tokens)
    places = step_format.places(text) or [(0, 0)]
    ends, kept = last_tokens(tokenizer, tokens, [stop for _, stop in places])
    starts = [places[first][0] for first in (0, *(last + 1 for last in kept[:-1]))]
    return StepsOfText(tuple(text[a : places[last][1]] for a, last in zip(starts, kept, strict=True)), ends)


def last_tokens(tokenizer: Tokenizer, tokens: Sequence[int], stops: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The last token of each part of a completion's text.

    The space behind a part belongs to it, unless a token holds it together with what follows. The last part has all that is
    left. Of parts that end within one token only the last is there.

    Args:
      tokens: one at least.
      stops: where in the text each part ends, rising, in characters; one at least.

    Returns:
      Indexes of tokens, rising, and of the parts that end there.
    """
    covered, text = characters(tokenizer, tokens), tokenizer.decode(tokens)
    found: list[tuple[int, int]] = []
    for part, stop in enumerate(stops):
        end = len(tokens) - 1
        if part < len(stops) - 1:
            following = len(text) - len(text[stop:].lstrip())
            holds, reaches = bisect.bisect_left(covered, stop), bisect.bisect_left(covered, following)
            whole = reaches < len(covered) and covered[reaches] == following
            end = min(end, max(0, holds, reaches if whole else reaches - 1))
        while found and found[-1][0] >= end:
            found.pop()
        found.append((end, part))
    return tuple(end for end, _ in found), tuple(part for _, part in found)


def characters(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    """How many whole characters of the decoded text there are up to each token, itself included.

    A token that holds a part of a character alone adds none; the one that completes it does.
    """
    text = tokenizer.decode(tokens)
    pieces = _pieces(tokenizer)
    lengths, length, begun = [], 0, 0
    for index in range(len(tokens)):
        piece = pieces.text(tokens[begun : index + 1])
        whole = index in (begun + _MOST, len(tokens) - 1) or not piece.endswith(_HALF)
        lengths.append(length + len(piece if whole else piece.rstrip(_HALF)))
        if whole:
            length, begun = lengths[-1], index + 1
    # What begins a text may lose the space before it.
    lost = pieces.text(tokens, keep=False).removesuffix(text)
    if len(lost) <= 1 and lengths and lengths[-1] - len(lost) == len(text):
        return [max(0, one - len(lost)) for one in lengths]
    # A decoder that reads tokens otherwise together than apart, or bytes that are no text: every beginning is read.
    shared = (alike(tokenizer.decode(tokens[:count]), text) for count in range(1, len(tokens) + 1))
    return list(itertools.accumulate(shared, max))


def alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items two sequences begin with alike."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


class _Pieces:
    """Texts of tokens amid a text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._before = tokenizer.encode_after("1")
        self._skip = len(tokenizer.decode(self._before))
        self._known: dict[int, str] = {}

    def text(self, tokens: Sequence[int], keep: bool = True) -> str:
        """What tokens say behind others: some decoders drop the space that a text begins with."""
        if len(tokens) != 1 or not keep:
            return self._tokenizer.decode([*self._before, *tokens])[self._skip :]
        if tokens[0] not in self._known:
            self._known[tokens[0]] = self._tokenizer.decode([*self._before, *tokens])[self._skip :]
        return self._known[tokens[0]]


@functools.lru_cache(maxsize=4)
def _pieces(tokenizer: Tokenizer) -> _Pieces:
    return _Pieces(tokenizer)
