"""Math-Shepherd's strings (arXiv 2312.08935) <-> paths.

`input` is `{question} Step 1: ... ки\\nStep 2: ... ки`, `label` the same with + or - for each ки. The known answer is not in
the data: it is what a solution states whose last step is labelled +; that of others is unknown, "".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jorney.rows.tree_rows import Answers, Growing, Stated, ends, field, labelled, levels, name_of, others, written
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.tree import Tree

NAME = "math_shepherd"
TAG = "ки"
_ANSWER = "The answer is: "
Row = dict[str, Any]


class _Writing:
    def read(self, text: str) -> Stated:
        step, mark, answer = text.rpartition(_ANSWER)
        if not (mark and answer.strip() and step[-1:] in ("", " ")):
            return text, None
        return step[:-1], " ".join(answer.split())

    def write(self, step: str, answer: str | None) -> str:
        return step if answer is None else " ".join([*([step] if step else []), _ANSWER + answer])


WRITING = _Writing()


def tree_of(row: Mapping[str, Any], place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row, a path.

    Raises:
      ValueError: names the place and the field.
    """
    text, label = field(row, "input", place, str), field(row, "label", place, str)
    *pieces, tail = text.split(TAG)
    signs, at = [], 0
    for k, piece in enumerate(pieces, start=1):
        sign = label[at + len(piece) : at + len(piece) + 1]
        if not label.startswith(piece, at) or sign not in ("+", "-"):
            raise ValueError(
                f"{place}: field 'label': step {k}: expected the text of 'input' with + or - in the place of {TAG}"
            )
        signs.append(sign)
        at += len(piece) + 1
    question, mark, first = pieces[0].partition(" Step 1: ") if pieces else (text, "", "")
    if not mark:
        raise ValueError(f"{place}: field 'input': expected a question, ' Step 1: ' and steps that end in {TAG}")
    if label[at:] != tail:
        raise ValueError(f"{place}: field 'label': expected it to end as 'input' does, after the last {TAG}")
    grown = Growing(step_format, WRITING)
    for k, (piece, sign) in enumerate(zip([first, *pieces[1:]], signs, strict=True), start=1):
        opening = "" if k == 1 else f"\nStep {k}: "
        body = piece[len(opening) : -1]
        usual = piece == f"{opening}{body} "
        grown.add(
            k - 1, body if usual else piece.strip(), 0, {} if usual else {"piece": piece}, rating=1 if sign == "+" else -1
        )
    last = len(grown.nodes) - 1
    right, stated = grown.nodes[last].rating == 1, grown.answers[last]
    grown.mark(last, "unfinished" if stated is None else "leaf-correct" if right else "leaf-wrong")
    kept = {"row": others(row, "input", "label"), "tail": tail}
    answer = stated if stated is not None and right else ""
    return Tree(name_of(question, row), question, answer, step_format.name, tuple(grown.nodes), meta={NAME: kept})


def rows_of(tree: Tree, neutral: bool = True) -> Iterator[Row]:
    """A row for every path to its end, up to the first step without a rating.

    Args:
      neutral: whether a step that was rated neutral is labelled +.

    Raises:
      ValueError: a step holds the tag; names the tree and the node.
    """
    level, step_format, kept = levels(tree), FORMATS[tree.step_format], tree.meta.get(NAME)
    kept = kept if isinstance(kept, dict) else {"row": {}, "tail": ""}
    seen: set[tuple[int, ...]] = set()
    for path in ends(tree):
        path = labelled(tree, path)
        if not path or tuple(path) in seen:
            continue
        seen.add(tuple(path))
        texts, signs = [], []
        for k, index in enumerate(path, start=1):
            node = tree.nodes[index]
            piece = node.meta.get("piece")
            if not isinstance(piece, str):
                piece = ("" if k == 1 else f"\nStep {k}: ") + written(tree, step_format, WRITING, index, level[index]) + " "
            if TAG in piece:
                raise ValueError(f"tree {tree.id!r}: node {index}: holds {TAG!r}, which ends Math-Shepherd's steps")
            texts.append(piece)
            assert node.rating is not None
            signs.append("+" if node.rating > 0 or (node.rating == 0 and neutral) else "-")
        texts[0] = f"{tree.question} Step 1: {texts[0]}"
        pairs = zip(texts, signs, strict=True)
        whole, labels = "".join(text + TAG for text in texts), "".join(text + sign for text, sign in pairs)
        yield {"input": whole + kept["tail"], "label": labels + kept["tail"], **kept["row"]}
