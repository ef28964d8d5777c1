"""How likely each token of a step was: as shading behind the text, or where the text of the tokens is not known as a strip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from jorney.show.latex_text import MOST, Mark, marked, plain
from jorney.tree.tree import Node

# Pieces of text of token ids, one of each: together the text.
Decoder = Callable[[Sequence[int]], list[str]]

_BOUNDS = (0.9, 0.5, 0.2, 0.05, 0.01)  # probabilities: the shade of a token is how many of them lie above its own
_CELLS = 2_000  # of a strip
LEGEND = (
    "The darker a token, or the fuller its cell, the less likely it was to the model that sampled it: none from "
    f"{_BOUNDS[0]:.0%} on, then steps at {', '.join(f'{bound:.0%}' for bound in _BOUNDS[1:])}. "
    "Tokens that were given to the model have a dotted line."
)


def shaded(node: Node, decode: Decoder | None = None) -> str:
    """The tokens of a node with their probabilities; "" where it has none.

    Args:
      decode: tells the text of each token. Where what it gives does not make the node's text, or fails, a strip of cells is
        drawn instead, a cell for every token.

    Returns:
      `<div class="tokens">`: the text with a `<span class="t pN">` for every token, N from 0 (likely) to 5; or a
      `<span class="cell pN">` for each. Titles tell the id and the probability.
    """
    if not node.tokens:
        return ""
    pieces = _pieces(node, decode)
    if pieces is None:
        return _strip(node)
    marks, at, limit = [], 0, MOST
    for index, piece in enumerate(pieces):
        if piece and at < limit:
            marks.append(Mark(at, at + len(piece), f'<span class="{_kind(node, index, "t")}" title="{_title(node, index)}">'))
        at += len(piece)
    return f'<div class="tokens">{marked("".join(pieces), marks, draw=False)}</div>'


def _pieces(node: Node, decode: Decoder | None) -> list[str] | None:
    """The tokens' texts, where they make the node's text."""
    if decode is None:
        return None
    try:
        found = decode(node.tokens)
    except Exception:  # a tokenizer that does not fit the ids fails in ways of its own
        return None
    fits = len(found) == len(node.tokens) and all(isinstance(piece, str) for piece in found)
    # Space around a step is not always kept: some tokenizers drop that before the first word.
    return found if fits and "".join(found).strip() == node.text.strip() else None


def _strip(node: Node) -> str:
    cells = "".join(
        f'<span class="{_kind(node, index, "cell")}" title="{_title(node, index)}"></span>'
        for index in range(min(len(node.tokens), _CELLS))
    )
    left = len(node.tokens) - _CELLS
    more = f'<span class="cut">… {left:,} more tokens</span>' if left > 0 else ""
    least = min(range(len(node.tokens)), key=lambda index: _log_prob(node, index))
    words = f"{len(node.tokens)} tokens, the least likely: {_title(node, least)}"
    return f'<div class="tokens strip" role="img" aria-label="{plain(words)}">{cells}{more}</div>'


def _log_prob(node: Node, index: int) -> float:
    value = node.log_probs[index]
    return value if math.isfinite(value) else -math.inf


def _given(node: Node, index: int) -> bool:
    return index < (node.given or 0)


def _kind(node: Node, index: int, base: str) -> str:
    if _given(node, index):
        return f"{base} given"
    shade = sum(math.exp(min(0.0, _log_prob(node, index))) < bound for bound in _BOUNDS)
    return f"{base} p{shade}"


def _title(node: Node, index: int) -> str:
    if _given(node, index):
        return f"{index + 1}: id {node.tokens[index]}, given"
    return f"{index + 1}: id {node.tokens[index]}, p = {math.exp(min(0.0, _log_prob(node, index))):.3g}"
