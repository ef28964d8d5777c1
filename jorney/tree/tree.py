"""A reasoning tree: the root is the question, every other node is one step, with what was sampled and what a judge said.

Trees are written as JSON lines, one tree a line; `from_json` refuses what `to_json` would not have written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jorney.data.problems import Problem

VERSION = 1
ROOT = 0
STATUSES = ("kept", "pruned", "leaf-correct", "leaf-wrong", "unfinished")


@dataclasses.dataclass(frozen=True)
class Node:
    """One step, or the root.

    Attributes:
      parent: index of the parent in its tree, always lower than the node's own; None for the root.
      text: the step as sampled, its opening ("2. ") included; "" for the root.
      tokens: ids of the text.
      log_probs: of each token under the policy's own distribution.
      sibling: which of its parent's samples it was, from 0; of equal samples the first.
      count: how many of its parent's samples were this step.
      correct: the judge's verdict; None where none was asked for.
      score: the judge's score, where it gives one.
      justification: what the judge saw, in words.
      status: "kept" (it was expanded), "pruned" (it was not), "leaf-correct" or "leaf-wrong" (it states an answer), or
        "unfinished" (the limits of depth or length came first).
      excursion: it lies outside the beam, on a wrong step that was followed to see where it leads.
    """

    parent: int | None
    text: str = ""
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    sibling: int = 0
    count: int = 1
    correct: bool | None = None
    score: float | None = None
    justification: str = ""
    status: str = "kept"
    excursion: bool = False

    @property
    def leaf(self) -> bool:
        """It states an answer."""
        return self.status.startswith("leaf")


@dataclasses.dataclass(frozen=True)
class Tree:
    """All steps that were sampled for one problem.

    Attributes:
      id, question, answer: the problem's.
      step_format: how its steps are written; a key of `data.steps.FORMATS`.
      nodes: parents before children, siblings in the order in which they were sampled.
      generated_tokens: how many the policy generated for it, those of merged duplicates included.
      verifier, meta: the problem's.
    """

    id: str
    question: str
    answer: str
    step_format: str
    nodes: tuple[Node, ...]
    generated_tokens: int = 0
    verifier: str = "math"
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def problem(self) -> Problem:
        """The problem that it was grown for, without a solution."""
        return Problem(self.id, self.question, self.answer, None, self.verifier, self.meta)

    def __post_init__(self) -> None:
        where = f"tree {self.id!r}"
        if not self.nodes or self.nodes[ROOT].parent is not None:
            raise ValueError(f"{where}: node 0: expected the root, without a parent")
        for index, node in enumerate(self.nodes[1:], start=1):
            if node.parent is None or not 0 <= node.parent < index:
                raise ValueError(f"{where}: node {index}: parent = {node.parent}: expected an index from 0 to {index - 1}")
            if node.status not in STATUSES:
                raise ValueError(f"{where}: node {index}: status = {node.status!r}: expected one of {', '.join(STATUSES)}")
            if self.nodes[node.parent].leaf:
                raise ValueError(
                    f"{where}: node {index}: its parent {node.parent} states an answer: expected no steps after it"
                )
            if len(node.tokens) != len(node.log_probs):
                raise ValueError(f"{where}: node {index}: {len(node.tokens)} tokens, {len(node.log_probs)} log_probs")

    def children(self, index: int) -> list[int]:
        """Indices of a node's children, in the order in which they were sampled."""
        found = [child for child, node in enumerate(self.nodes) if node.parent == index]
        return sorted(found, key=lambda child: self.nodes[child].sibling)

    def path(self, index: int) -> list[int]:
        """Indices from the root's child down to a node; empty for the root."""
        return path_to(self.nodes, index)

    def level(self, index: int) -> int:
        """Steps from the root."""
        return len(self.path(index))

    def valid(self, index: int) -> bool:
        """No step up to a node was judged wrong."""
        return all(self.nodes[step].correct is not False for step in self.path(index))

    def leaves(self) -> Iterator[int]:
        """Indices of all nodes that state an answer."""
        return (index for index, node in enumerate(self.nodes) if node.leaf)

    def to_json(self) -> dict[str, Any]:
        """The tree as plain values."""
        return {"version": VERSION, **dataclasses.asdict(self)}


def path_to(nodes: Sequence[Node], index: int) -> list[int]:
    """Indices from the root's child down to a node."""
    found = []
    while (parent := nodes[index].parent) is not None:
        found.append(index)
        index = parent
    return found[::-1]


def from_json(fields: Mapping[str, Any]) -> Tree:
    """The tree of `Tree.to_json`.

    Raises:
      ValueError: a field is missing, unknown or of the wrong type; names the tree, the node and the field.
    """
    where = f"tree {fields.get('id')!r}"
    if fields.get("version") != VERSION:
        raise ValueError(f"{where}: version = {fields.get('version')!r}: expected {VERSION}")
    stated = {name: value for name, value in fields.items() if name != "version"}
    _check_fields(stated, Tree, where)
    nodes = []
    for index, node in enumerate(stated["nodes"]):
        if not isinstance(node, Mapping):
            raise ValueError(f"{where}: node {index}: expected an object")
        _check_fields(node, Node, f"{where}: node {index}")
        nodes.append(Node(**{**node, "tokens": tuple(node.get("tokens", ())), "log_probs": tuple(node.get("log_probs", ()))}))
    return Tree(**{**stated, "nodes": tuple(nodes)})


# What JSON holds for each annotation of the two classes.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "None": (type(None),),
    "tuple": (list, tuple),
    "dict": (dict,),
}


def _check_fields(fields: Mapping[str, Any], kind: type, where: str) -> None:
    known = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(fields.keys() - known.keys()):
        raise ValueError(f"{where}: the field {unknown[0]!r} is unknown: expected one of {', '.join(known)}")
    for name, field in known.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name not in fields:
            if needed:
                raise ValueError(f"{where}: the field {name!r} is missing")
            continue
        allowed = [one.split("[")[0].strip() for one in str(field.type).split("|")]
        types = tuple(kind for one in allowed for kind in _TYPES[one])
        value = fields[name]
        if not isinstance(value, types) or (isinstance(value, bool) and "bool" not in allowed):
            raise ValueError(f"{where}: {name} = {value!r:.80}: expected {field.type}")
