"""A reasoning tree: the root is the question, every other node is one step, with what was sampled and what a judge said.

Trees are written as JSON lines, one tree a line (`schema` describes it); `from_json` refuses what `to_json` would not have
written. Version 3 has `given`, which version 2 did not tell. Version 2 has `rating` (+1, 0, -1) where version 1 had `correct`,
and `key` and `meta`. Files of versions 1 and 2 are read.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jorney.domain.problem import Problem
from jorney.text.step_format import FORMATS

VERSION = 3
ROOT = 0
STATUSES = ("kept", "pruned", "leaf-correct", "leaf-wrong", "unfinished")
RATINGS = (1, 0, -1, None)


@dataclasses.dataclass(frozen=True)
class Node:
    """One step, or the root.

    Attributes:
      parent: index of the parent in its tree, always lower than the node's own; None for the root.
      text: the step as sampled, its opening ("2. ") included; "" for the root.
      tokens: ids of the text; empty where it was not sampled here.
      log_probs: of each token under the policy's own distribution; 0 of those that were given.
      given: how many of the tokens, the first ones, were not sampled: the step's opening. None where that is not known (files
        of version 1 or 2).
      sibling: which of its parent's samples it was, from 0; of equal samples the first.
      count: how many of its parent's samples were this step.
      rating: the judge's verdict, as PRM800K's: 1 right, 0 neutral (neither wrong nor a step forward), -1 wrong; None where
        there is none. A bool is taken for 1 or -1.
      score: the judge's score, where it gives one.
      justification: what the judge saw, in words.
      status: "kept" (it was expanded), "pruned" (it was not), "leaf-correct" or "leaf-wrong" (it states an answer), or
        "unfinished" (the limits of depth or length came first).
      excursion: it lies outside the beam, on a wrong step that was followed to see where it leads.
      key: of its random numbers, two words of 32 bits: `engine.generate.row_keys` of the run's seed and the parent's name (the
        problem's id and the siblings' numbers down to it), entry `sibling`. With the tokens before it, it samples the node
        again. None where it was not sampled here.
      meta: what the source of an imported tree says of the step beyond this; JSON values.
    """

    parent: int | None
    text: str = ""
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    sibling: int = 0
    count: int = 1
    rating: int | None = None
    score: float | None = None
    justification: str = ""
    status: str = "kept"
    excursion: bool = False
    key: tuple[int, ...] | None = None
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)
    given: int | None = 0

    def __post_init__(self) -> None:
        if isinstance(self.rating, bool):
            object.__setattr__(self, "rating", 1 if self.rating else -1)

    @property
    def correct(self) -> bool | None:
        """The rating as a verdict, neutral counting as right; None where there is none."""
        return None if self.rating is None else self.rating >= 0

    @property
    def leaf(self) -> bool:
        """It states an answer."""
        return self.status.startswith("leaf")


@dataclasses.dataclass(frozen=True)
class Tree:
    """All steps that were sampled for one problem.

    Attributes:
      id, question, answer: the problem's.
      step_format: how its steps are written; a key of `text.step_format.FORMATS`.
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
        if self.step_format not in FORMATS:
            raise ValueError(f"{where}: step_format = {self.step_format!r}: expected one of {', '.join(FORMATS)}")
        if not self.nodes or self.nodes[ROOT].parent is not None:
            raise ValueError(f"{where}: node 0: expected the root, without a parent")
        if self.generated_tokens < 0:
            raise ValueError(f"{where}: generated_tokens = {self.generated_tokens}: expected 0 or more")
        for index, node in enumerate(self.nodes):
            if index and (node.parent is None or not 0 <= node.parent < index):
                raise ValueError(f"{where}: node {index}: parent = {node.parent}: expected an index from 0 to {index - 1}")
            if node.parent is not None and self.nodes[node.parent].leaf:
                raise ValueError(
                    f"{where}: node {index}: its parent {node.parent} states an answer: expected no steps after it"
                )
            _check_node(node, f"{where}: node {index}")

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
        made = {"version": VERSION, **dataclasses.asdict(self)}
        made["nodes"] = [{name: value for name, value in node.items() if value or name != "meta"} for node in made["nodes"]]
        return made


def _check_node(node: Node, where: str) -> None:
    """Raises ValueError that begins with `where` for a value that a node cannot have."""
    if node.status not in STATUSES:
        raise ValueError(f"{where}: status = {node.status!r}: expected one of {', '.join(STATUSES)}")
    if node.rating not in RATINGS:
        raise ValueError(f"{where}: rating = {node.rating!r}: expected 1, 0, -1 or null")
    if node.sibling < 0 or node.count < 1:
        raise ValueError(f"{where}: sibling = {node.sibling}, count = {node.count}: expected 0 or more, and 1 or more")
    if len(node.tokens) != len(node.log_probs):
        raise ValueError(f"{where}: {len(node.tokens)} tokens, {len(node.log_probs)} log_probs")
    if any(token < 0 for token in node.tokens):
        raise ValueError(f"{where}: tokens holds {min(node.tokens)}: expected ids, 0 or more")
    if node.given is not None and not 0 <= node.given <= len(node.tokens):
        raise ValueError(f"{where}: given = {node.given}: expected 0 to {len(node.tokens)}, its tokens")
    if node.key is not None and (len(node.key) != 2 or not all(0 <= word < 1 << 32 for word in node.key)):
        raise ValueError(f"{where}: key = {node.key!r}: expected two words of 32 bits")
    if node.score is not None and not math.isfinite(node.score):
        raise ValueError(f"{where}: score = {node.score!r}: expected a number")


def path_to(nodes: Sequence[Node], index: int) -> list[int]:
    """Indices from the root's child down to a node."""
    found = []
    while (parent := nodes[index].parent) is not None:
        found.append(index)
        index = parent
    return found[::-1]


def from_json(fields: Mapping[str, Any], place: str = "") -> Tree:
    """The tree of `Tree.to_json`, of this version or an earlier one.

    Args:
      place: where it stands, for messages: the file and the line.

    Raises:
      ValueError: a field is missing, unknown or of the wrong type; names the place, the tree, the node and the field.
    """
    try:
        return _from_json(fields)
    except ValueError as error:
        raise ValueError(f"{place}: {error}" if place else str(error)) from None


def _from_json(fields: Mapping[str, Any]) -> Tree:
    where = f"tree {fields.get('id')!r}"
    version = fields.get("version")
    if version not in (1, 2, VERSION) or isinstance(version, bool):
        raise ValueError(f"{where}: version = {version!r}: expected {VERSION}, or 1 or 2")
    stated = {name: value for name, value in fields.items() if name != "version"}
    _check_fields(stated, Tree, where)
    nodes = []
    taken: set[tuple[int | None, int]] = set()
    for index, node in enumerate(stated["nodes"]):
        if not isinstance(node, Mapping):
            raise ValueError(f"{where}: node {index}: expected an object")
        if version == 1:
            node = _of_version_1(node, f"{where}: node {index}")
        if version != VERSION:
            node = {**node, "given": None if node.get("tokens") else 0}
        _check_fields(node, Node, f"{where}: node {index}")
        if isinstance(node.get("rating"), bool):
            raise ValueError(f"{where}: node {index}: rating = {node['rating']!r}: expected 1, 0, -1 or null")
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in node.items()}
        nodes.append(Node(**values))
        if (place := (nodes[-1].parent, nodes[-1].sibling)) in taken:
            raise ValueError(f"{where}: node {index}: sibling = {place[1]}: another child of node {place[0]} has it")
        taken.add(place)
    return Tree(**{**stated, "nodes": tuple(nodes)})


def _of_version_1(node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A node with its verdict as a rating."""
    verdict = node.get("correct")
    if not isinstance(verdict, bool | None):
        raise ValueError(f"{where}: correct = {verdict!r:.80}: expected true, false or null")
    rest = {name: value for name, value in node.items() if name != "correct"}
    return rest if verdict is None else {**rest, "rating": 1 if verdict else -1}


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
_MEMBERS: dict[str, Any] = {"tokens": (int,), "log_probs": (int, float), "key": (int,)}
_NAMES = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "None": "null", "dict": "object"}


def _check_fields(fields: Mapping[str, Any], kind: type, where: str) -> None:
    known = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(fields.keys() - known.keys()):
        raise ValueError(f"{where}: the field {unknown[0]!r} is unknown: expected one of {', '.join(known)}")
    for name, field in known.items():
        if name not in fields:
            if _needed(field):
                raise ValueError(f"{where}: the field {name!r} is missing")
            continue
        allowed = _allowed(field)
        types = tuple(kind for one in allowed for kind in _TYPES[one])
        value: Any = fields[name]
        if not isinstance(value, types) or (isinstance(value, bool) and "bool" not in allowed and name != "rating"):
            raise ValueError(f"{where}: {name} = {value!r:.80}: expected {field.type}")
        members: Any = value if name in _MEMBERS and value else ()
        for member in members:
            if not isinstance(member, _MEMBERS[name]) or isinstance(member, bool) or not math.isfinite(member):
                raise ValueError(f"{where}: {name} holds {member!r:.80}: expected {field.type}")


def _allowed(field: dataclasses.Field[Any]) -> list[str]:
    return [one.split("[")[0].strip() for one in str(field.type).split("|")]


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a line of a file of trees; what the fields mean stands in `Tree` and `Node`."""
    node = _object(Node)
    node["properties"]["status"]["enum"] = list(STATUSES)
    node["properties"]["rating"]["enum"] = list(RATINGS)
    for name, members in _MEMBERS.items():
        node["properties"][name]["items"] = {"type": "number" if float in members else "integer"}
    tree = _object(Tree)
    tree["properties"]["nodes"] = {"type": "array", "minItems": 1, "items": node}
    tree["properties"]["step_format"]["enum"] = list(FORMATS)
    tree["properties"] = {"version": {"const": VERSION}, **tree["properties"]}
    tree["required"] = ["version", *tree["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A reasoning tree", **tree}


def _object(kind: type) -> dict[str, Any]:
    """The schema of a class, each field with the words of its documentation."""
    fields, told = dataclasses.fields(kind), _told(kind)
    return {
        "type": "object",
        "properties": {
            field.name: {"type": [_NAMES.get(one, "array") for one in _allowed(field)], "description": told[field.name]}
            for field in fields
        },
        "required": [field.name for field in fields if _needed(field)],
        "additionalProperties": False,
    }


def _told(kind: type) -> dict[str, str]:
    """What a class's documentation says of each of its attributes."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (kind.__doc__ or "").partition("Attributes:")[2].splitlines():
        head, colon, rest = line.strip().partition(": ")
        if colon and line[:7].strip() and line.startswith("      "):
            names = head.split(", ")
            found |= dict.fromkeys(names, rest)
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
