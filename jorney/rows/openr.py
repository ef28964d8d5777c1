"""OpenR's nested trees (arXiv 2410.09671; OmegaPRM's Monte-Carlo search, arXiv 2406.06592) <-> trees.

`mc_value`, the share of completions from a step that reach the answer, is the score; a step is right when any did
(Math-Shepherd's hard estimation). Steps are stretches of a response, cut where the search cut them, and kept to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jorney.domain.answers import final_answer
from jorney.rows.tree_rows import (
    Answers,
    Growing,
    Stated,
    children,
    expect,
    field,
    levels,
    name_of,
    others,
    stated_last,
    written,
)
from jorney.text.step_format import BLANK, FORMATS, StepFormat
from jorney.tree.tree import ROOT, Tree

NAME = "openr"
Row = dict[str, Any]
_FIELDS = ("text", "mc_value", "children")


class _Writing:
    """The answer is boxed, on a line of its own where it was one in the tree."""

    def read(self, text: str) -> Stated:
        return stated_last(BLANK, text)

    def write(self, step: str, answer: str | None) -> str:
        return step if answer is None else "\n".join([*([step] if step else []), BLANK.states(answer)])


WRITING = _Writing()


def tree_of(row: Mapping[str, Any], place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row.

    Raises:
      ValueError: names the place and the field.
    """
    question, truth = field(row, "question", place, str), field(row, "final_answer", place, str)
    root = field(row, "reasoning_steps", place, dict)
    grown = Growing(step_format, WRITING)
    waiting: list[tuple[Any, str, int, int | None]] = [(root, "reasoning_steps", 0, None)]
    while waiting:
        node, name, sibling, parent = waiting.pop()
        expect(node, name, place, dict)
        text = field(node, f"{name}.text", place, str)
        value = field(node, f"{name}.mc_value", place, float, null=True)
        below = field(node, f"{name}.children", place, list)
        index = ROOT
        if parent is not None:
            rating = None if value is None else 1 if value > 0 else -1
            index = grown.add(parent, text, sibling, others(node, *_FIELDS), rating=rating, score=value)
            stated = None if below else final_answer(grown.nodes[index].text, step_format.mark)
            leaf = "leaf-correct" if stated is not None and answers.right(truth, stated) else "leaf-wrong"
            grown.mark(index, "kept" if below else "pruned" if stated is None else leaf)
        # The last is taken first: nodes come in the order of a walk, a parent before its children.
        waiting += [(child, f"{name}.children[{i}]", i, index) for i, child in reversed(list(enumerate(below)))]
    kept: Row = {"row": others(row, "question", "final_answer", "reasoning_steps"), "root": others(root, "children")}
    id_ = row.get("question_id")
    return Tree(
        id_ if isinstance(id_, str) and id_ else name_of(question, row),
        question,
        truth,
        step_format.name,
        tuple(grown.nodes),
        meta={NAME: kept},
    )


def rows_of(tree: Tree) -> Iterator[Row]:
    """The row of a tree. A node without a score has 1 where it was judged right, 0 where wrong."""
    below, level, step_format, kept = children(tree), levels(tree), FORMATS[tree.step_format], tree.meta.get(NAME)
    nested: list[Row] = []
    for index, node in enumerate(tree.nodes):
        value = node.score if node.score is not None or node.correct is None else float(node.correct)
        more = others(node.meta, "text") if isinstance(kept, dict) else {}
        text = written(tree, step_format, WRITING, index, level[index]) if index else tree.question
        nested.append({"text": text, "mc_value": value, "children": [], **more})
    for index, own in enumerate(below):
        nested[index]["children"] += [nested[child] for child in own]
    made: Row = {"question": tree.question, "final_answer": tree.answer, "reasoning_steps": nested[ROOT]}
    if isinstance(kept, dict):
        made["reasoning_steps"] |= kept["root"]
        yield {**made, **kept["row"]}
    else:
        yield {**made, "question_id": tree.id}
