"""Preference pairs whose sides go on amid a text: the tokens are those of the whole text, and a side may end before it does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from jorney.batch.pairs import Preference
from jorney.text.tokenizer import Tokenizer

StepScores = tuple[tuple[int, float], ...]  # of each step how long it is, and its score


class PairSide(NamedTuple):
    """How a text goes on.

    Attributes:
      text: what bears loss.
      ends: whether the solution ends with it. Else it gets no end token: a model would learn to stop after a step.
      steps: of each step how many characters it takes, and its score; empty where that is not known.
    """

    text: str
    ends: bool = True
    steps: StepScores = ()


def encode_sides(
    tokenizer: Tokenizer,
    head: Sequence[int],
    prefix: str,
    chosen: PairSide,
    rejected: PairSide,
    smoothing: float | None = None,
) -> Preference:
    """The tokens of a pair.

    Each side is tokenised together with the prefix. So the prompt is a beginning of both whole texts, and a token that reaches
    over the prefix's end belongs to the sides.

    Args:
      head: ids of the question's prompt.
      prefix: what stands of the response already.
      smoothing: see `Preference`.
    """
    wholes = [
        tokenizer.encode_after_with_spans(prefix + (tokenizer.without_end(one.text) if one.ends else one.text))
        for one in (chosen, rejected)
    ]
    (first, spans), (second, _) = wholes
    shared = 0
    for a, b, (_, stop) in zip(first, second, spans, strict=False):
        if a != b or stop > len(prefix):
            break
        shared += 1

    def own(ids: Sequence[int], places: Sequence[tuple[int, int]], side: PairSide) -> tuple[tuple[int, ...], StepScores]:
        tokens = (*ids[shared:], *([tokenizer.eos] if side.ends else []))
        return tokens, _tokens_of_steps(places[shared:], len(prefix), len(tokens), side)

    better, worse = own(*wholes[0], chosen), own(*wholes[1], rejected)
    return Preference((*head, *first[:shared]), better[0], worse[0], smoothing, better[1], worse[1])


def _tokens_of_steps(places: Sequence[tuple[int, int]], start: int, count: int, side: PairSide) -> StepScores:
    """Of each step how many tokens begin in it, and its score; what follows the last, the end token, is of the last."""
    if not side.steps:
        return ()
    ends = list(itertools.accumulate((characters for characters, _ in side.steps), initial=start))[1:]
    cuts = [sum(begin < end for begin, _ in places) for end in ends[:-1]] + [count]
    return tuple((cut - before, score) for before, cut, (_, score) in zip([0, *cuts], cuts, side.steps, strict=False))
