"""Which nodes of a tree are drawn: all of a small one, of a large one its beam; and where the others are folded away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence

from jorney.tree.shape import children, levels
from jorney.tree.tree import ROOT, Tree

MANY = 300  # nodes; above, a tree is folded to its beam
MOST = 3_000  # nodes that are drawn whatever is asked
FOLDS = ("auto", "all", "beam", "level", "best")


@dataclasses.dataclass(frozen=True)
class Folding:
    """What is asked to be drawn.

    Attributes:
      by: "auto" (all of a tree of up to `many` nodes, else its beam), "all", "beam" (what was expanded, and the leaves of
        solved paths), "level" (the levels down to `level`) or "best" (the best path alone).
      level: for "level": levels below `root` that are drawn.
      root: the node that the drawing begins with.
      selected: a node that is drawn whatever is folded, with the path to it.
      unfolded: nodes whose children are drawn whatever is folded.
      many: nodes, for "auto" and "beam": of a larger beam the first levels are drawn.
    """

    by: str = "auto"
    level: int = 3
    root: int = ROOT
    selected: int | None = None
    unfolded: Collection[int] = frozenset()
    many: int = MANY

    def __post_init__(self) -> None:
        if self.by not in FOLDS:
            raise ValueError(f"fold = {self.by!r}: expected one of {', '.join(FOLDS)}")


@dataclasses.dataclass(frozen=True)
class Folded:
    """What is drawn.

    Attributes:
      root: the node that the drawing begins with.
      children: by node, its children that are drawn, from left to right; nodes without any are missing.
      order: the nodes that are drawn, level by level, from left to right.
      hidden: by node that is drawn, how many nodes below it are folded away where it has children that are; others are missing.
      beside: how many nodes stand outside the part below `root`.
    """

    root: int
    children: dict[int, list[int]]
    order: list[int]
    hidden: dict[int, int]
    beside: int

    @property
    def total(self) -> int:
        """How many nodes are folded away."""
        return sum(self.hidden.values())


def fold(tree: Tree, asked: Folding) -> Folded:
    """Which nodes are drawn.

    Raises:
      ValueError: a node that is asked for is not in the tree.
    """
    count = len(tree.nodes)
    for name, node in (("root", asked.root), ("selected", asked.selected)):
        if node is not None and not 0 <= node < count:
            raise ValueError(f"{name} = {node}: expected a node of tree {tree.id!r}, from 0 to {count - 1}")
    below, at = children(tree), levels(tree)
    inside = _down(asked.root, lambda node: below[node])
    shown = _shown(tree, asked, inside, below, at)
    kept = {node: own for node in inside if node in shown and (own := [child for child in below[node] if child in shown])}
    sizes = [1] * count
    for node in range(count - 1, 0, -1):  # parents come before their children
        sizes[tree.nodes[node].parent or 0] += sizes[node]
    hidden = {
        node: sum(sizes[child] for child in gone)
        for node in inside
        if node in shown and (gone := [child for child in below[node] if child not in shown])
    }
    return Folded(asked.root, kept, _down(asked.root, lambda node: kept.get(node, [])), hidden, count - len(inside))


def best_path(tree: Tree, root: int = ROOT) -> list[int]:
    """The path, from below `root` down, that one would show: the right answer by the steps of the best worst score.

    Paths to the right answer on which no step was judged wrong come first, then those to it at all, then any answer, then all.
    A step without a score counts by its verdict: right 1, neutral or not judged 0.5, wrong 0.
    """
    worst, valid, inside = [1.0] * len(tree.nodes), [True] * len(tree.nodes), [False] * len(tree.nodes)
    ends = [True] * len(tree.nodes)
    inside[root] = True
    for index, node in enumerate(tree.nodes):
        if index <= root or node.parent is None or not inside[node.parent]:
            continue
        score = node.score if node.score is not None else {1: 1.0, -1: 0.0}.get(node.rating or 0, 0.5)
        inside[index], ends[node.parent] = True, False
        worst[index] = min(worst[node.parent], score)
        valid[index] = valid[node.parent] and node.correct is not False

    def worth(index: int) -> tuple[bool, bool, bool, float, int]:
        node = tree.nodes[index]
        right = node.status == "leaf-correct"
        return right and valid[index], right, node.leaf, worst[index], -index

    last = max((index for index in range(len(tree.nodes)) if inside[index] and ends[index]), key=worth)
    found = []
    while last != root:
        found.append(last)
        last = tree.nodes[last].parent or 0
    return found[::-1]


def _shown(tree: Tree, asked: Folding, inside: list[int], below: Sequence[Sequence[int]], at: Sequence[int]) -> set[int]:
    """The nodes that are drawn: what is asked for, as much of it as may be, and what is drawn in any case."""
    among = set(inside)
    surely = {asked.root, *_up(tree, asked.selected, among)}
    for node in asked.unfolded:
        if node in among:
            surely.update(below[node][: asked.many])
            surely.update(_up(tree, node, among))
    most = asked.many
    if asked.by == "all" or (asked.by == "auto" and len(inside) <= asked.many + 1):
        wanted, most = among, MOST
    elif asked.by == "level":
        wanted, most = {node for node in inside if at[node] - at[asked.root] <= asked.level}, MOST
    elif asked.by == "best":
        wanted = {*best_path(tree, asked.root)}
    else:
        wanted = {node for node in inside if tree.nodes[node].status == "kept" and not tree.nodes[node].excursion}
        solved = (leaf for leaf in tree.leaves() if leaf in among and tree.nodes[leaf].status == "leaf-correct")
        for leaf in solved:
            if tree.valid(leaf):
                wanted.update(_up(tree, leaf, among))
    if len(wanted) > most + 1:
        surely.update(best_path(tree, asked.root)[:most])
        wanted = set([node for node in inside if node in wanted][:most])
    # A node is drawn where its parent is: what an excursion holds is not, though it was expanded.
    found = {asked.root}
    for node in inside:
        if node in surely or (node in wanted and tree.nodes[node].parent in found):
            found.add(node)
    return found


def _up(tree: Tree, node: int | None, among: Collection[int]) -> list[int]:
    """A node and those above it, within the part that is drawn."""
    found = []
    while node is not None and node in among:
        found.append(node)
        node = tree.nodes[node].parent
    return found


def _down(root: int, below: Callable[[int], Sequence[int]]) -> list[int]:
    """A node and those below it, level by level, from left to right."""
    found = [root]
    for node in found:  # it grows as it is walked
        found.extend(below(node))
    return found
