"""What importers and exporters of trees share: a tree that grows as it is read, its steps as a form writes them, grades."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem, hash_id
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.shape import levels
from jorney.tree.tree import Node, Tree, path_to

_KEPT = 100_000  # verdicts on answers


class Writing(NamedTuple):
    """How a form writes a step that states an answer.

    Attributes:
      read: a text -> the step, and the final answer that it states; None where it states none in the form's way.
      write: the inverse.
    """

    read: Callable[[str], tuple[str, str | None]]
    write: Callable[[str, str | None], str]


def name_of(question: str, row: Any) -> str:
    """An id for a row without one: the question's, and what tells the row from others of the question."""
    whole = json.dumps(row, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")
    return f"{hash_id(question)}-{hashlib.blake2b(whole, digest_size=4).hexdigest()}"


def status_of(stated: str | None, right: bool, otherwise: str = "unfinished") -> str:
    """The status of a last step by the answer that it states; `otherwise` where it states none."""
    return otherwise if stated is None else "leaf-correct" if right else "leaf-wrong"


def is_right(node: Node, neutral: bool) -> bool:
    """A node's rating as a label; `neutral` says what a neutral one counts as."""
    assert node.rating is not None
    return node.rating >= (0 if neutral else 1)


class Answers:
    """Says whether stated answers are right; each pair is graded once, by a worker that is killed when it takes too long.

    Attributes:
      right: (known answer, stated one) -> whether they are equal.
    """

    def __init__(self, grader: Grader) -> None:
        self.right: Callable[[str, str], bool] = functools.lru_cache(_KEPT)(
            lambda answer, stated: grader.grade(Problem("", "", answer), f"#### {stated}").correct
        )


@dataclasses.dataclass
class Growing:
    """The nodes of a tree as they are read, root first; of each the answer that it states in the form's way."""

    step_format: StepFormat
    writing: Writing
    nodes: list[Node] = dataclasses.field(default_factory=lambda: [Node(None)])
    answers: list[str | None] = dataclasses.field(default_factory=lambda: [None])

    def add(self, parent: int, text: str, sibling: int, meta: dict[str, Any] | None = None, **more: Any) -> int:
        """Adds a step as the form writes it; returns its index. What `written` would not give back is kept as meta["text"]."""
        step, answer = self.writing.read(text)
        level = len(path_to(self.nodes, parent)) + 1
        own = self.step_format.opens(level) + self.step_format.stating(step, answer)
        kept = {"text": text} if _written(own, level, self.step_format, self.writing) != text else {}
        self.nodes.append(Node(parent, own, sibling=sibling, meta={**(meta or {}), **kept}, **more))
        self.answers.append(answer)
        return len(self.nodes) - 1

    def change(self, index: int, **fields: Any) -> None:
        """Changes fields of a node."""
        self.nodes[index] = dataclasses.replace(self.nodes[index], **fields)

    def parents(self) -> set[int | None]:
        """Of all nodes."""
        return {node.parent for node in self.nodes}

    def tree(self, id_: str, question: str, answer: str, meta: dict[str, Any]) -> Tree:
        """The tree that has grown."""
        return Tree(id_, question, answer, self.step_format.name, tuple(self.nodes), meta=meta)


def _written(text: str, level: int, step_format: StepFormat, writing: Writing) -> str:
    return writing.write(*step_format.stated(step_format.unopened(text, level)))


def written(tree: Tree, writing: Writing) -> list[str]:
    """Every node's step as a form writes it, without its opening; an imported one as it was. The root's is empty."""
    step_format, found = FORMATS[tree.step_format], [""]
    for node, level in list(zip(tree.nodes, levels(tree), strict=True))[1:]:
        kept = node.meta.get("text")
        text = node.text.strip() if node.tokens else node.text
        found.append(kept if isinstance(kept, str) else _written(text, level, step_format, writing))
    return found


def kept_of(tree: Tree, name: str) -> dict[str, Any] | None:
    """What an importer kept of a tree's row; None for a tree that it did not read."""
    kept = tree.meta.get(name)
    return kept if isinstance(kept, dict) else None
