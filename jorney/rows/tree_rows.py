"""What importers and exporters share: fields with errors that name them, steps with openings put on and taken off, grades."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem, hash_id
from jorney.text.step_format import StepFormat
from jorney.tree.tree import ROOT, Node, Tree

T = TypeVar("T")
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object", list: "a list"}
# A step and the final answer that it states, None where it states none in the source's way.
Stated = tuple[str, str | None]
_KEPT = 100_000  # verdicts on answers


class Writing(Protocol):
    """How a source writes a step that states an answer."""

    def read(self, text: str) -> Stated: ...

    def write(self, step: str, answer: str | None) -> str: ...


def field(row: Mapping[str, Any], name: str, place: str, *kinds: type, null: bool = False) -> Any:
    """A field of one of these kinds; `name` may lead through objects and lists, for the message ("label.steps[3].rating").

    Raises:
      ValueError: it is missing or of another kind; names the place and the field.
    """
    last = name.rpartition(".")[2]
    if last not in row:
        raise ValueError(f"{place}: the field {name!r} is missing")
    return expect(row[last], name, place, *kinds, null=null)


def expect(value: Any, name: str, place: str, *kinds: type, null: bool = False) -> Any:
    """A value of one of these kinds. Raises ValueError that names the place and the field."""
    wanted = (*kinds, int) if float in kinds else kinds
    if (value is None and null) or (isinstance(value, wanted) and (bool in kinds or not isinstance(value, bool))):
        return value
    shown = repr(value)
    what = " or ".join([*(_KINDS[kind] for kind in kinds), *(["null"] if null else [])])
    raise ValueError(f"{place}: field {name!r}: expected {what}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


def others(row: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    """The fields that have no place in a tree."""
    return {name: value for name, value in row.items() if name not in taken}


def name_of(question: str, row: Any) -> str:
    """An id for a row without one: the question's, and what tells the row from others of the question."""
    whole = json.dumps(row, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")
    return f"{hash_id(question)}-{hashlib.blake2b(whole, digest_size=4).hexdigest()}"


class Answers:
    """Says whether stated answers are right; each pair is graded once, by a worker that is killed when it takes too long."""

    def __init__(self, grader: Grader) -> None:
        self._grader = grader
        self._known: dict[tuple[str, str], bool] = {}

    def right(self, answer: str, stated: str) -> bool:
        """Whether an answer equals the known one."""
        if (answer, stated) not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[answer, stated] = self._grader.grade(Problem("", "", answer), f"#### {stated}").correct
        return self._known[answer, stated]


@dataclasses.dataclass
class Growing:
    """The nodes of a tree as they are read, root first; of each its level and the answer that it states in the source's way."""

    step_format: StepFormat
    writing: Writing
    nodes: list[Node] = dataclasses.field(default_factory=lambda: [Node(None)])
    levels: list[int] = dataclasses.field(default_factory=lambda: [0])
    answers: list[str | None] = dataclasses.field(default_factory=lambda: [None])

    def add(self, parent: int, text: str, sibling: int, meta: dict[str, Any] | None = None, **more: Any) -> int:
        """Adds a step as the source writes it; returns its index. What the format cannot give back is kept as meta["text"]."""
        step, answer = self.writing.read(text)
        level = self.levels[parent] + 1
        written = self.step_format.opens(level) + _with_answer(self.step_format, step, answer)
        again = self.writing.write(*_apart(self.step_format, written, level))
        kept = {"text": text} if again != text else {}
        self.nodes.append(Node(parent, written, sibling=sibling, meta={**(meta or {}), **kept}, **more))
        self.levels.append(level)
        self.answers.append(answer)
        return len(self.nodes) - 1

    def mark(self, index: int, status: str) -> None:
        self.nodes[index] = dataclasses.replace(self.nodes[index], status=status)

    def count(self, index: int) -> None:
        """Counts one more sample of a step."""
        self.nodes[index] = dataclasses.replace(self.nodes[index], count=self.nodes[index].count + 1)

    def parents(self) -> set[int | None]:
        """Of all nodes."""
        return {node.parent for node in self.nodes}


def _with_answer(step_format: StepFormat, step: str, answer: str | None) -> str:
    return step if answer is None else "\n".join([*([step] if step else []), step_format.states(answer)])


def apart(tree: Tree, step_format: StepFormat, index: int, level: int) -> Stated:
    """A node's step without its opening, and the answer that its last line states. An imported step is as it was."""
    node = tree.nodes[index]
    return _apart(step_format, node.text.strip() if node.tokens else node.text, level)


def _apart(step_format: StepFormat, text: str, level: int) -> Stated:
    opening = step_format.opens(level)
    body = text[len(opening) :] if text.startswith(opening) else step_format.bare(text)
    return stated_last(step_format, body)


def stated_last(step_format: StepFormat, text: str) -> Stated:
    """A step and the answer that its last line states in the format's way."""
    head, _, tail = step_format.answer.partition("{answer}")
    step, line, last = text.rpartition("\n")
    answer = last.removeprefix(head).removesuffix(tail)
    if head + answer + tail != last or not answer.strip() or answer != answer.strip() or (line and not step):
        return text, None
    return step, answer


def written(tree: Tree, step_format: StepFormat, writing: Writing, index: int, level: int) -> str:
    """A node's step as a source writes it."""
    kept = tree.nodes[index].meta.get("text")
    return kept if isinstance(kept, str) else writing.write(*apart(tree, step_format, index, level))


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


def labelled(tree: Tree, path: Sequence[int]) -> list[int]:
    """A path up to the first step without a rating: of what follows, nothing is known either."""
    for place, index in enumerate(path):
        if tree.nodes[index].rating is None:
            return list(path[:place])
    return list(path)
