"""What is known of a node, in words: its verdict, score, likelihood and fate."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from jorney.tree.rerate import JUDGED
from jorney.tree.tree import ROOT, Node, Tree

SIGNS = {"right": "●", "wrong": "■", "neutral": "◆", "not judged": "◇"}
_LONG = 300  # characters of a text in a title
_FATES = {
    "kept": "expanded",
    "pruned": "pruned",
    "leaf-correct": "states the right answer",
    "leaf-wrong": "states a wrong answer",
    "unfinished": "unfinished: the limits came first",
}


def verdict(node: Node) -> str:
    """A node's verdict: "right", "wrong", "neutral" or "not judged"."""
    return {1: "right", -1: "wrong", 0: "neutral", None: "not judged"}[node.rating]


def fate(node: Node) -> str:
    """What became of a node: its status in words."""
    return _FATES[node.status]


def sampled(node: Node) -> tuple[int, float] | None:
    """How many of a node's tokens were sampled, and their mean log-probability in nats; None where none is known."""
    own = node.log_probs[node.given or 0 :]
    return (len(own), sum(own) / len(own)) if own and all(map(math.isfinite, own)) else None


def short(text: str, most: int = _LONG) -> str:
    """A text on one line; of a long one its beginning."""
    line = " ".join(text[: 2 * most].split())
    return line if len(line) <= most and len(text) <= 2 * most else f"{line[:most]} …"


@dataclasses.dataclass(frozen=True)
class Told:
    """What can be told of a tree's nodes.

    Attributes:
      before: each node's verdict before the tree was judged again; None where it was not, or where that is not known.
    """

    tree: Tree
    before: tuple[int | None, ...] | None

    @classmethod
    def of(cls, tree: Tree) -> Told:
        """Of a tree; what `meta` says of an earlier judge is taken only where it fits the nodes."""
        judged: Any = tree.meta.get(JUDGED)
        before: Any = judged.get("before") if isinstance(judged, dict) else None
        fits = isinstance(before, list | tuple) and len(before) == len(tree.nodes) - 1
        if not fits or not all(one in (1, 0, -1, None) and not isinstance(one, bool | float) for one in before):
            return cls(tree, None)
        return cls(tree, (None, *before))

    def facts(self, index: int) -> list[tuple[str, str]]:
        """(what, how much) of what is known of a node, the verdict first."""
        node = self.tree.nodes[index]
        if index == ROOT:
            return [("Answer", short(self.tree.answer)), ("Tokens generated", f"{self.tree.generated_tokens:,}")]
        found = [("Judged", verdict(node))]
        if self.before is not None:
            earlier = {1: "right", -1: "wrong", 0: "neutral", None: "not judged"}[self.before[index]]
            found.append(("Judged before", earlier + ("" if earlier == verdict(node) else " (changed)")))
        if node.score is not None:
            found.append(("Score", f"{node.score:.3g}"))
        found.append(("Then", fate(node) + (", on an excursion" if node.excursion else "")))
        if node.count > 1:
            found.append(("Sampled", f"{node.count} times"))
        if likely := sampled(node):
            found += [("Tokens", f"{likely[0]:,}"), ("Mean log-prob", f"{likely[1]:.3f}")]
        elif node.tokens:
            found.append(("Tokens", f"{len(node.tokens):,}"))
        return found

    def line(self, index: int) -> str:
        """What is known of a node on one line."""
        plainly = ("Judged", "Then")
        return " · ".join(value if what in plainly else f"{what.lower()} {value}" for what, value in self.facts(index))

    def short(self, index: int) -> str:
        """A node in a few words, for who does not see it."""
        node = self.tree.nodes[index]
        words = short(node.text, 120) or ("the question" if index == ROOT else "an empty step")
        return words if index == ROOT else f"{words}, judged {verdict(node)}, {fate(node)}"

    def sentence(self, index: int) -> str:
        """All that is known of a node, line by line."""
        node = self.tree.nodes[index]
        words = short(self.tree.question if index == ROOT else node.text) or "(empty)"
        facts = " · ".join(f"{what}: {value}" for what, value in self.facts(index))
        return "\n".join(filter(None, (words, facts, short(node.justification))))
