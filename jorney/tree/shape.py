"""The shape of a tree: levels, children, and the paths that hold a solution."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from jorney.text.step_format import FORMATS
from jorney.tree.tree import ROOT, Tree


def levels(tree: Tree) -> list[int]:
    """Steps from the root, of every node."""
    found: list[int] = []
    for node in tree.nodes:
        found.append(0 if node.parent is None else found[node.parent] + 1)
    return found


def children(tree: Tree) -> list[list[int]]:
    """Of every node, in the order in which they were sampled."""
    found: list[list[int]] = [[] for _ in tree.nodes]
    for index, node in enumerate(tree.nodes):
        if node.parent is not None:
            found[node.parent].append(index)
    for own in found:
        own.sort(key=lambda child: tree.nodes[child].sibling)
    return found


def ends(tree: Tree) -> Iterator[list[int]]:
    """The paths down to every node without children, in the order of the nodes."""
    parents = {node.parent for node in tree.nodes}
    return (tree.path(index) for index in range(ROOT + 1, len(tree.nodes)) if index not in parents)


def rated(tree: Tree) -> Iterator[tuple[int, ...]]:
    """The paths to every end, up to the first step without a rating: nothing is known of what follows. Each once."""
    known = (itertools.takewhile(lambda index: tree.nodes[index].rating is not None, path) for path in ends(tree))
    return filter(None, dict.fromkeys(map(tuple, known)))


def solved(tree: Tree) -> Iterator[list[int]]:
    """Paths to the right answer on which no step was judged wrong; each text once."""
    seen: set[str] = set()
    for leaf in tree.leaves():
        path = tree.path(leaf)
        if tree.nodes[leaf].status == "leaf-correct" and tree.valid(leaf) and (text := response(tree, path)) not in seen:
            seen.add(text)
            yield path


def response(tree: Tree, path: Sequence[int], goes_on: bool = False) -> str:
    """The steps of a path as one text; `goes_on` says whether others follow."""
    return "".join(FORMATS[tree.step_format].lines([tree.nodes[index].text.strip() for index in path], goes_on))
