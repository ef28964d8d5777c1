"""Math-Shepherd's strings (arXiv 2312.08935): labels, and <-> paths.

`input` is `{question} Step 1: ... ки\\nStep 2: ... ки`, `label` the same with + or - for each ки. The known answer is not in
the data: it is what a solution states whose last step is labelled +; that of others is unknown, "".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jorney.rows.fields import Steps, field, others
from jorney.rows.sources import Row
from jorney.rows.tree_rows import Answers, Growing, Writing, is_right, kept_of, name_of, status_of, written
from jorney.text.step_format import StepFormat
from jorney.tree.shape import rated
from jorney.tree.tree import Tree

NAME = "math_shepherd"
COLUMNS = ("input", "label")
TAG = "ки"
_ANSWER = "The answer is: "


def _read(text: str) -> tuple[str, str | None]:
    step, mark, answer = text.rpartition(_ANSWER)
    if not (mark and answer.strip() and step[-1:] in ("", " ")):
        return text, None
    return step[:-1], " ".join(answer.split())


def _write(step: str, answer: str | None) -> str:
    return step if answer is None else " ".join([*([step] if step else []), _ANSWER + answer])


WRITING = Writing(_read, _write)


def _pieces(text: str, label: str) -> Iterator[tuple[str, str, int]]:
    """The text before each tag; the sign that `label` has in its place, "" where the two do not agree; where that stands."""
    at = 0
    for piece in text.split(TAG)[:-1]:
        start, at = at, at + len(piece)
        sign = label[at : at + 1]
        yield piece, sign if sign in ("+", "-") and label.startswith(piece, start) else "", at
        at += 1


def labels(row: Row, place: str) -> Steps:
    """The question, the steps and their labels. Raises ValueError that names the place and the field."""
    given, label = row["input"], row["label"]
    if not isinstance(given, str) or not isinstance(label, str) or TAG not in given:
        raise ValueError(f"{place}: fields 'input' and 'label': expected two texts, steps of the first ending in {TAG!r}")
    read = list(_pieces(given, label))
    for _, sign, at in read:
        if not sign:
            raise ValueError(f"{place}: field 'label': expected + or - for each {TAG!r} of 'input', at character {at}")
    question, mark, first = read[0][0].rpartition("Step 1:")
    if not mark:
        raise ValueError(f"{place}: field 'input': expected 'Step 1:' after the question")
    steps = [first, *(re.sub(r"\A\s*Step \d+:", "", piece) for piece, _, _ in read[1:])]
    return Steps(question.strip(), steps, [float(sign == "+") for _, sign, _ in read])


def tree_of(row: Row, place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row, a path. Raises ValueError that names the place and the field."""
    text, label = field(row, "input", place, str), field(row, "label", place, str)
    read = list(_pieces(text, label))
    for k, (_, sign, _) in enumerate(read, start=1):
        if not sign:
            raise ValueError(
                f"{place}: field 'label': step {k}: expected the text of 'input' with + or - in the place of {TAG}"
            )
    question, mark, first = read[0][0].partition(" Step 1: ") if read else (text, "", "")
    if not mark:
        raise ValueError(f"{place}: field 'input': expected a question, ' Step 1: ' and steps that end in {TAG}")
    tail = text.rpartition(TAG)[2]
    if label[read[-1][2] + 1 :] != tail:
        raise ValueError(f"{place}: field 'label': expected it to end as 'input' does, after the last {TAG}")
    grown = Growing(step_format, WRITING)
    for parent, (piece, sign, _) in enumerate([(first, *read[0][1:]), *read[1:]]):
        opening = f"\nStep {parent + 1}: " if parent else ""
        body = piece[len(opening) : -1]
        usual = piece == f"{opening}{body} "
        own, meta = (body, {}) if usual else (piece.strip(), {"piece": piece})
        grown.add(parent, own, 0, meta, rating=1 if sign == "+" else -1)
    right, stated = sign == "+", grown.answers[-1]
    grown.change(len(read), status=status_of(stated, right))
    kept = {"row": others(row, "input", "label"), "tail": tail}
    return grown.tree(name_of(question, row), question, (stated or "") if right else "", {NAME: kept})


def rows_of(tree: Tree, neutral: bool = True) -> Iterator[Row]:
    """A row for every path to its end, up to the first step without a rating.

    Args:
      neutral: whether a step that was rated neutral is labelled +.

    Raises:
      ValueError: a step holds the tag; names the tree and the node.
    """
    texts, kept = written(tree, WRITING), kept_of(tree, NAME) or {"row": {}, "tail": ""}
    for path in rated(tree):
        whole = label = f"{tree.question} Step 1: "
        for k, index in enumerate(path, start=1):
            node = tree.nodes[index]
            piece = node.meta.get("piece")
            if not isinstance(piece, str):
                piece = ("" if k == 1 else f"\nStep {k}: ") + texts[index] + " "
            if TAG in piece:
                raise ValueError(f"tree {tree.id!r}: node {index}: holds {TAG!r}, which ends Math-Shepherd's steps")
            whole += piece + TAG
            label += piece + ("+" if is_right(node, neutral) else "-")
        yield {"input": whole + kept["tail"], "label": label + kept["tail"], **kept["row"]}
