"""Preference pairs of a tree as texts: what both sides go on from, and how each goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jorney.batch.sides import PairSide
from jorney.domain import domains
from jorney.text.step_format import FORMATS
from jorney.thought.derive import Visit
from jorney.thought.refine import RefineConfig, compose
from jorney.tree.contrasts import CONTRASTS, Contrast, ContrastConfig, contrasts, detours, score_of
from jorney.tree.shape import response
from jorney.tree.tree import ROOT, Tree

JOURNEY = "journey"
PAIR_KINDS = (*CONTRASTS, JOURNEY)


@dataclasses.dataclass(frozen=True)
class TreePair:
    """A preference pair of a tree.

    Attributes:
      tree: the tree's id.
      kind: one of PAIR_KINDS.
      question, step_format: the tree's.
      prefix: the part of the response that both sides go on from, up to the opening of the next step where both have it.
      chosen, rejected: how each side goes on.
      nodes: where the texts come from.
    """

    tree: str
    kind: str
    question: str
    step_format: str
    prefix: str
    chosen: PairSide
    rejected: PairSide
    nodes: Contrast


def pairs_of(
    tree: Tree, kind: str, config: ContrastConfig | None = None, seed: int = 0, refine: RefineConfig | None = None
) -> list[TreePair]:
    """The pairs of a tree, within the limits of the configuration.

    Args:
      kind: as `tree.contrasts` has them, or "journey": both sides have taken the same wrong step; the chosen one notices, goes
        back and solves the problem, the rejected one goes on to a wrong answer.
      refine: the words of journeys.

    Raises:
      ValueError: the kind is unknown, or a pair's doubt goes by scores that are not there.
    """
    if kind not in PAIR_KINDS:
        raise ValueError(f"pairs = {kind!r}: expected one of {', '.join(PAIR_KINDS)}")
    config = config or ContrastConfig()
    if kind == JOURNEY:
        return [_journey(tree, one, refine or RefineConfig(), seed) for one in detours(tree, config, seed)]
    return [_paths(tree, kind, one) for one in contrasts(tree, kind, config, seed)]


def _paths(tree: Tree, kind: str, nodes: Contrast) -> TreePair:
    """Both sides are steps of the tree."""
    chosen, rejected = (path_side(tree, path) for path in (nodes.chosen, nodes.rejected))
    prefix = response(tree, nodes.prefix, goes_on=True)
    # The opening is given to a policy that is asked for a step; the space behind it often is part of the next token.
    opening = FORMATS[tree.step_format].opens(len(nodes.prefix) + 1).rstrip()
    if kind != "leaf" and opening and all(side.text.startswith(opening) for side in (chosen, rejected)):
        prefix += opening
        chosen, rejected = (_without(side, len(opening)) for side in (chosen, rejected))
    return TreePair(tree.id, kind, tree.question, tree.step_format, prefix, chosen, rejected, nodes)


def path_side(tree: Tree, path: Sequence[int]) -> PairSide:
    """The steps of a path, with what divides the last from the next, where there is one."""
    last = tree.nodes[path[-1]]
    goes_on = not last.leaf and last.status != "unfinished"
    lines = FORMATS[tree.step_format].lines([tree.nodes[index].text.strip() for index in path], goes_on)
    scores = [score_of(tree, index) for index in path]
    known = [score for score in scores if score is not None]
    steps = tuple(zip(map(len, lines), known, strict=True)) if len(known) == len(scores) else ()
    return PairSide("".join(lines), last.leaf, steps)


def _without(side: PairSide, count: int) -> PairSide:
    """A side without its first characters."""
    steps = ((side.steps[0][0] - count, side.steps[0][1]), *side.steps[1:]) if side.steps else ()
    return PairSide(side.text[count:], side.ends, steps)


def _journey(tree: Tree, nodes: Contrast, refine: RefineConfig, seed: int) -> TreePair:
    """The prefix holds the wrong step; the chosen side leaves it for the right ones."""
    wrong, *after = nodes.rejected
    back_to = nodes.prefix[-1] if nodes.prefix else ROOT
    visits = [*map(Visit, nodes.prefix), Visit(wrong, True, back_to), *map(Visit, nodes.chosen)]
    pieces = compose(tree, visits, JOURNEY, domains.state, refine, seed).pieces
    place = next(index for index, piece in enumerate(pieces) if piece.kind == "reflection")
    prefix, chosen = ("".join(piece.text for piece in part) for part in (pieces[:place], pieces[place:]))
    return TreePair(
        tree.id,
        JOURNEY,
        tree.question,
        tree.step_format,
        prefix,
        PairSide(chosen),
        path_side(tree, after)._replace(steps=()),
        nodes,
    )
