"""Rows as TRL reads them: stepwise supervision (also read), preference pairs, prompt and completion, messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from jorney.domain.answers import final_answer
from jorney.rows.tree_rows import Answers, children, ends, expect, field, labelled, name_of, others
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.tree import Node, Tree

NAME = "stepwise"
Row = dict[str, Any]


def tree_of(row: Mapping[str, Any], place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row of prompt (the question), completions (the steps) and labels (true or false, or 0 to 1), a path.

    Steps without openings get them; their own text is kept as meta["text"]. The known answer is not in the row: it is what the
    last step states where its label says that it is right.

    Raises:
      ValueError: names the place and the field.
    """
    question, steps = field(row, "prompt", place, str), field(row, "completions", place, list)
    labels = field(row, "labels", place, list)
    if len(labels) != len(steps) or not steps:
        raise ValueError(
            f"{place}: field 'labels': {len(labels)} of them: expected one for each of the {len(steps)} completions"
        )
    nodes, soft = [Node(None)], False
    for k, (step, label) in enumerate(zip(steps, labels, strict=True), start=1):
        expect(step, f"completions[{k - 1}]", place, str)
        expect(label, f"labels[{k - 1}]", place, bool, float)
        if not 0 <= label <= 1:
            raise ValueError(f"{place}: field 'labels[{k - 1}]': expected true, false or 0 to 1, got {label!r}")
        soft |= not isinstance(label, bool)
        text = step if step.startswith(step_format.opens(k)) else step_format.opens(k) + step
        status = "kept"
        if k == len(steps):
            status = _status(final_answer(step, step_format.mark), label > 0.5)
        score = None if isinstance(label, bool) else float(label)
        kept = {"text": step} if text != step else {}
        nodes.append(Node(k - 1, text, rating=1 if label > 0.5 else -1, score=score, status=status, meta=kept))
    answer = (final_answer(steps[-1], step_format.mark) or "") if nodes[-1].status == "leaf-correct" else ""
    meta = {NAME: {"row": others(row, "prompt", "completions", "labels"), "soft": soft}}
    return Tree(name_of(question, row), question, answer, step_format.name, tuple(nodes), meta=meta)


def _status(stated: str | None, right: bool) -> str:
    return "unfinished" if stated is None else "leaf-correct" if right else "leaf-wrong"


def stepwise(tree: Tree, neutral: bool = True, soft: bool = False) -> Iterator[Row]:
    """A row for every path to its end, up to the first step without a rating. Steps have their openings.

    Args:
      neutral: whether a step that was rated neutral is right (Lightman; TRL's own data have it wrong).
      soft: whether labels are the scores of steps that have one.
    """
    kept = tree.meta.get(NAME)
    kept = kept if isinstance(kept, dict) else {"row": {}, "soft": soft}
    seen: set[tuple[int, ...]] = set()
    for path in ends(tree):
        nodes = [tree.nodes[index] for index in labelled(tree, path)]
        if not nodes or (known := tuple(path[: len(nodes)])) in seen:
            continue
        seen.add(known)
        labels: list[bool | float] = []
        for node in nodes:
            assert node.rating is not None
            hard = node.rating > 0 or (node.rating == 0 and neutral)
            labels.append(node.score if kept["soft"] and node.score is not None else hard)
        yield {
            "prompt": tree.question,
            "completions": [_step(node, NAME in tree.meta) for node in nodes],
            "labels": labels,
            **kept["row"],
        }


def _step(node: Node, imported: bool) -> str:
    """A step as it is written, without the space around it where it was sampled; as the row had it where it is of one."""
    kept = node.meta.get("text")
    return kept if imported and isinstance(kept, str) else node.text.strip() if node.tokens else node.text


def siblings(tree: Tree, pairs: int = 5) -> Iterator[Row]:
    """Preference pairs of steps: after the same steps, one that was judged right and one that was judged wrong.

    Of the children of a node the i-th right one is paired with the i-th wrong one, `pairs` times at most; where a tree knows a
    path to the right answer below a right one, that comes first. The prompt ends with what divides steps.
    """
    below, prompt = children(tree), _ask(tree)
    good = {index for path in solved(tree) for index in path}
    for parent, own in enumerate(below):
        right = sorted((c for c in own if tree.nodes[c].correct is True), key=lambda c: c not in good)
        wrong = [c for c in own if tree.nodes[c].correct is False]
        before = prompt + _joined(tree, tree.path(parent), goes_on=True)
        for a, b in itertools.islice(zip(right, wrong, strict=False), pairs):
            chosen, rejected = tree.nodes[a].text.strip(), tree.nodes[b].text.strip()
            if chosen != rejected:
                yield {"prompt": before, "chosen": chosen, "rejected": rejected}


def leaves(tree: Tree, pairs: int = 5) -> Iterator[Row]:
    """Preference pairs of solutions: one with the right answer and no step judged wrong, and one with a wrong answer."""
    right = [_joined(tree, path) for path in solved(tree)]
    wrong = [_joined(tree, tree.path(leaf)) for leaf in tree.leaves() if tree.nodes[leaf].status == "leaf-wrong"]
    for chosen, rejected in itertools.islice(zip(right, wrong, strict=False), pairs):
        yield {"prompt": _ask(tree), "chosen": chosen, "rejected": rejected}


def completions(tree: Tree) -> Iterator[Row]:
    """Prompt and completion of every solution with the right answer and no step judged wrong."""
    return ({"prompt": _ask(tree), "completion": _joined(tree, path)} for path in solved(tree))


def messages(tree: Tree) -> Iterator[Row]:
    """The same as chats: the format's system prompt and question, or the question alone where the format asks in no chat."""
    step_format = FORMATS[tree.step_format]
    asked = step_format.messages(tree.question) if step_format.chat else [{"role": "user", "content": tree.question.strip()}]
    for path in solved(tree):
        yield {"messages": [*asked, {"role": "assistant", "content": _joined(tree, path)}]}


def solved(tree: Tree) -> Iterator[list[int]]:
    """Paths to the right answer on which no step was judged wrong; each text once."""
    seen: set[str] = set()
    for leaf in tree.leaves():
        path = tree.path(leaf)
        if tree.nodes[leaf].status == "leaf-correct" and tree.valid(leaf) and (text := _joined(tree, path)) not in seen:
            seen.add(text)
            yield path


def _ask(tree: Tree) -> str:
    return FORMATS[tree.step_format].ask(tree.question)


def _joined(tree: Tree, path: list[int], goes_on: bool = False) -> str:
    """The steps of a path as one text."""
    return "".join(FORMATS[tree.step_format].lines([tree.nodes[index].text.strip() for index in path], goes_on))
