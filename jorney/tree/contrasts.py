"""Two ways on from one place in a tree, of which one is better: what preference pairs are made of.

A contrast is nodes alone. `thought.tree_pairs` makes texts of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from jorney.config import expect, expect_at_least, expect_number, expect_one_of
from jorney.text.step_format import FORMATS
from jorney.tree.shape import children, solved
from jorney.tree.tree import Tree

CONTRASTS = ("step", "first-error", "subtree", "leaf")
MEASURES = ("rating", "score", "visits", "value")
DOUBTS = ("none", "visits", "score")


@dataclasses.dataclass(frozen=True)
class ContrastConfig:
    """Which sides are held against each other, and how many.

    Attributes:
      per_node: pairs that part at one node, at most; None takes all. Whole solutions part wherever they do.
      per_tree: pairs of a tree, at most; None takes all. Which are taken depends on the seed, the tree and their nodes.
      by: what tells the better side. "rating": one was judged right or neutral, the other wrong; "score", "visits" (how many
        samples were the step) and "value" (the share of right answers among those below it): it has more by `margin`.
      margin: by how much, at the least; any amount where it is 0.
      smoothing: how far each pair is doubted, for `dpo.smoothing = 'own'`: by "visits", by the gap of the "score" (of the
        rating, where there is no score), or "none".
    """

    per_node: int | None = 2
    per_tree: int | None = 8
    by: str = "rating"
    margin: float = 0.0
    smoothing: str = "none"

    def __post_init__(self) -> None:
        expect_at_least(1, self, "contrast", "per_node", "per_tree", none="None for all")
        expect_one_of(MEASURES, self, "contrast", "by")
        expect_one_of(DOUBTS, self, "contrast", "smoothing")
        expect_number(self, "contrast", "margin", least=0)
        if self.by == "rating":
            expect(lambda margin: margin == 0, "0 with contrast.by = 'rating', which has no amount", self, "contrast", "margin")


class Contrast(NamedTuple):
    """Two paths that go on from one node.

    Attributes:
      prefix: nodes from the root's child down to where both go on from; empty for the root.
      chosen, rejected: nodes of each side after the prefix.
      smoothing: the share of such pairs that is taken to be the wrong way round, up to 0.5; None where it is not asked for.
    """

    prefix: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    smoothing: float | None = None

    @property
    def parting(self) -> tuple[int, int]:
        """The first node of each side that is not the other's."""
        return next((a, b) for a, b in zip(self.chosen, self.rejected, strict=False) if a != b)


def contrasts(tree: Tree, kind: str, config: ContrastConfig, seed: int) -> list[Contrast]:
    """The contrasts of a tree.

    Args:
      kind: "step": two steps after the same right ones; "first-error": the same, the wrong one being where a solution with a
        wrong answer first goes wrong; "subtree": each goes on to an answer, a right and a wrong one; "leaf": whole solutions,
        one with the right answer and no wrong step, one with a wrong answer.

    Raises:
      ValueError: the kind is unknown, or a pair's doubt goes by scores that are not there.
    """
    if kind not in CONTRASTS:
        raise ValueError(f"pairs = {kind!r}: expected one of {', '.join(CONTRASTS)}")
    if kind == "leaf":
        found = (Contrast((), tuple(a), tuple(b)) for a, b in itertools.product(*whole_solutions(tree)))
        return _limited(tree, found, dataclasses.replace(config, per_node=None), seed)
    return _limited(
        tree, {"step": _steps, "first-error": _first_errors, "subtree": _subtrees}[kind](tree, config, seed), config, seed
    )


def detours(tree: Tree, config: ContrastConfig, seed: int) -> list[Contrast]:
    """Subtrees whose wrong side was followed beyond its first step: a thought can leave it there, or go on."""
    return _limited(tree, (one for one in _subtrees(tree, config, seed) if len(one.rejected) > 1), config, seed)


def whole_solutions(tree: Tree) -> tuple[list[list[int]], list[list[int]]]:
    """Paths to the right answer without a wrong step, and paths to a wrong answer."""
    wrong = [tree.path(leaf) for leaf in tree.leaves() if tree.nodes[leaf].status == "leaf-wrong"]
    return list(solved(tree)), wrong


def continuation(tree: Tree, node: int, right: bool) -> list[int]:
    """Nodes from below a node to where a solution through it ends: at a right (wrong) answer if there is one, else anywhere."""
    own = children(tree)
    ways = sorted(_ends_below(own, node), key=lambda end: (tree.nodes[end].status != _answer(right), end))
    return tree.path(ways[0])[tree.level(node) :]


def visits_doubt(better: int, worse: int) -> float:
    """How far a pair is doubted by its visits (MCTS-DPO, arXiv 2405.00451): 1 - 1 / (1 + worse / better), 0.5 at most."""
    return min(1 - 1 / (1 + worse / max(1, better)), 0.5)


def score_doubt(better: float, worse: float) -> float:
    """How far a pair is doubted by its scores, of 0 to 1: half of what the gap lacks to 1."""
    return min(max((1 - (better - worse)) / 2, 0.0), 0.5)


def score_of(tree: Tree, index: int) -> float | None:
    """A node's score, or what its rating is worth: 1, 0.5 or 0; None where it has neither."""
    node = tree.nodes[index]
    return node.score if node.score is not None else None if node.rating is None else (node.rating + 1) / 2


def _steps(tree: Tree, config: ContrastConfig, seed: int) -> Iterator[Contrast]:
    return (Contrast(prefix, (a,), (b,)) for prefix, a, b in _siblings(tree, config))


def _first_errors(tree: Tree, config: ContrastConfig, seed: int) -> Iterator[Contrast]:
    paths = whole_solutions(tree)[1]
    firsts = {next((step for step in path if tree.nodes[step].correct is False), None) for path in paths}
    return (one for one in _steps(tree, config, seed) if one.rejected[0] in firsts)


def _subtrees(tree: Tree, config: ContrastConfig, seed: int) -> Iterator[Contrast]:
    """Each side goes on to one of its answers, drawn by a hash."""
    own = children(tree)
    right = {path[-1] for path in solved(tree)}
    for prefix, a, b in _siblings(tree, config):
        good = [end for end in _ends_below(own, a) if end in right]
        bad = [end for end in _ends_below(own, b) if tree.nodes[end].status == "leaf-wrong"]
        if good and bad:
            chosen, rejected = (min(ends, key=lambda end: _drawn(seed, tree, end)) for ends in (good, bad))
            yield Contrast(prefix, tuple(tree.path(chosen)[len(prefix) :]), tuple(tree.path(rejected)[len(prefix) :]))


def _siblings(tree: Tree, config: ContrastConfig) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """(path to a node on which nothing was judged wrong, its better child, its worse one)."""
    own = children(tree)
    better = _better(tree, config, own)
    for parent, members in enumerate(own):
        if len(members) > 1 and tree.valid(parent):
            prefix = tuple(tree.path(parent))
            for a, b in itertools.permutations(members, 2):
                if tree.nodes[a].correct is not False and better(a, b):
                    yield prefix, a, b


def _better(tree: Tree, config: ContrastConfig, own: Sequence[Sequence[int]]) -> Callable[[int, int], bool]:
    """Whether one node is better than another."""
    if config.by == "rating":
        # A step that was judged wrong, and yet leads to the right answer, was misjudged.
        return lambda a, b: (
            tree.nodes[a].correct is True
            and tree.nodes[b].correct is False
            and not any(tree.nodes[end].status == "leaf-correct" for end in _ends_below(own, b))
        )
    measures: dict[str, Callable[[int], float | None]] = {
        "score": lambda node: tree.nodes[node].score,
        "visits": lambda node: tree.nodes[node].count,
        "value": lambda node: _value(tree, own, node),
    }
    measure = measures[config.by]

    def above(a: int, b: int) -> bool:
        more, less = measure(a), measure(b)
        return more is not None and less is not None and more > less and more - less >= config.margin

    return above


def _value(tree: Tree, own: Sequence[Sequence[int]], node: int) -> float | None:
    """The share of right ones among the answers below a node, its own included; None where there are none."""
    answers = [tree.nodes[end] for end in _ends_below(own, node) if tree.nodes[end].leaf]
    total = sum(one.count for one in answers)
    return sum(one.count for one in answers if one.status == "leaf-correct") / total if total else None


def _ends_below(own: Sequence[Sequence[int]], node: int) -> Iterator[int]:
    """The nodes at which the ways down from a node end; itself where nothing follows it."""
    waiting = [node]
    while waiting:
        if below := own[one := waiting.pop()]:
            waiting.extend(reversed(below))
        else:
            yield one


def _limited(tree: Tree, found: Iterable[Contrast], config: ContrastConfig, seed: int) -> list[Contrast]:
    """No more than the limits allow, of each text once, in the order of the tree; each with its doubt."""
    reaches = {index for path in solved(tree) for index in path}
    taken: dict[tuple[int, ...], int] = {}
    kept: list[Contrast] = []
    seen: set[tuple[str, ...]] = set()
    # Right sides that are known to lead to the answer come first: a judge's verdict alone says less.
    for one in sorted(
        found, key=lambda one: (one.chosen[0] not in reaches, _drawn(seed, tree, *one.chosen, -1, *one.rejected))
    ):
        if len(kept) == config.per_tree:
            break
        texts = _normal(tree, one.prefix), _normal(tree, one.chosen, one.prefix), _normal(tree, one.rejected, one.prefix)
        if texts in seen or texts[1] == texts[2] or not all(texts[1:]):
            continue
        if config.per_node is None or taken.get(one.prefix, 0) < config.per_node:
            seen.add(texts)
            taken[one.prefix] = taken.get(one.prefix, 0) + 1
            kept.append(one)
    return [one._replace(smoothing=_doubt(tree, one, config.smoothing)) for one in sorted(kept)]


def _doubt(tree: Tree, one: Contrast, by: str) -> float | None:
    if by == "none":
        return None
    a, b = one.parting
    if by == "visits":
        return visits_doubt(tree.nodes[a].count, tree.nodes[b].count)
    better, worse = score_of(tree, a), score_of(tree, b)
    if better is None or worse is None:
        node = a if better is None else b
        raise ValueError(
            f"tree {tree.id!r}: node {node}: has neither score nor rating: expected one, with contrast.smoothing = 'score'"
        )
    return score_doubt(better, worse)


def _normal(tree: Tree, path: Sequence[int], before: Sequence[int] = ()) -> str:
    """The steps of a path without their openings and with single spaces: what makes two texts the same."""
    step_format, found = FORMATS[tree.step_format], []
    for k, index in enumerate(path, start=len(before) + 1):
        text = step_format.bare(tree.nodes[index].text)
        found.append("" if text == step_format.opens(k).strip() else " ".join(text.split()))
    return "\n".join(found).strip()


def _drawn(seed: int, tree: Tree, *nodes: int) -> bytes:
    """By which members are drawn: the same on every machine, whatever else there is."""
    return hashlib.blake2b(f"{seed}/{tree.id}/{nodes}".encode(), digest_size=8).digest()


def _answer(right: bool) -> str:
    return "leaf-correct" if right else "leaf-wrong"
