"""PRM800K (Lightman et al., arXiv 2305.20050): rows of labelled steps <-> trees whose chosen steps alone are expanded.

Level i of a tree is `label.steps[i].completions`, and behind them the completion that a person wrote where none was good. What
a tree has no field for (labeler, timestamp, flags, times) is kept in `meta`, so that a row comes back as it was. A row whose
answer is not known is believed: its last step is right where it was not rated bad.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jorney.rows.tree_rows import Answers, Growing, Stated, children, expect, field, levels, name_of, others, written
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.tree import RATINGS, ROOT, Tree

NAME = "prm800k"
_ANSWER = "\n\n# Answer\n\n"  # in a solution's last step, the answer behind it
_MARKS = ("text", "human", "chosen")  # in a node's meta, of this module
Row = dict[str, Any]


class _Writing:
    def read(self, text: str) -> Stated:
        step, mark, answer = text.partition(_ANSWER)
        return (step, " ".join(answer.split())) if mark and answer.strip() else (text, None)

    def write(self, step: str, answer: str | None) -> str:
        return step if answer is None else f"{step}{_ANSWER}{answer}"


WRITING = _Writing()


def tree_of(row: Mapping[str, Any], place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row.

    Raises:
      ValueError: names the place and the field.
    """
    question, label = field(row, "question", place, dict), field(row, "label", place, dict)
    text = field(question, "question.problem", place, str)
    truth = field(question, "question.ground_truth_answer", place, str, null=True)
    steps = field(label, "label.steps", place, list)
    grown = Growing(step_format, WRITING)
    chosen: list[int] = []
    parent: int | None = ROOT
    for i, step in enumerate(steps):
        expect(step, f"label.steps[{i}]", place, dict)
        if parent is not None:
            parent = _add_level(grown, parent, step, f"label.steps[{i}]", place)
            chosen += [] if parent is None else [parent]
    parents = grown.parents()
    for index in range(1, len(grown.nodes)):
        node, stated = grown.nodes[index], grown.answers[index]
        if index in parents:
            status = "kept"
        elif stated is not None:
            right = node.correct is not False if truth is None else answers.right(truth, stated)
            status = "leaf-correct" if right else "leaf-wrong"
        else:
            status = "unfinished" if index in chosen else "pruned"
        grown.mark(index, status)
    if chosen and chosen[-1] not in parents:
        grown.nodes[chosen[-1]].meta["chosen"] = True
    kept: dict[str, Any] = {
        "row": others(row, "question", "label"),
        "question": others(question, "problem", "ground_truth_answer"),
        "label": others(label, "steps"),
        "steps": {},
    }
    if truth is None:
        kept["question"]["ground_truth_answer"] = None
    tree = Tree(name_of(text, row), text, truth or "", step_format.name, tuple(grown.nodes), meta={NAME: kept})
    # Steps that the nodes do not give back, such as those behind one of which nothing was chosen.
    made = _steps(tree, _trunks(tree)[0])
    kept["steps"] = {str(i): step for i, step in enumerate(steps) if i >= len(made) or made[i] != step}
    return tree


def _add_level(grown: Growing, parent: int, step: Row, name: str, place: str) -> int | None:
    """Adds the completions of a step; returns the node that was chosen, None where none was."""
    completions = field(step, f"{name}.completions", place, list, null=True) or []
    human = field(step, f"{name}.human_completion", place, dict, null=True)
    at = field(step, f"{name}.chosen_completion", place, int, null=True)
    if at is not None and not 0 <= at < len(completions):
        raise ValueError(f"{place}: field '{name}.chosen_completion': {at}: expected 0 to {len(completions) - 1}, or null")
    found = []
    for sibling, one in enumerate([*completions, *([human] if human is not None else [])]):
        by_hand = sibling == len(completions)
        where = f"{name}.human_completion" if by_hand else f"{name}.completions[{sibling}]"
        expect(one, where, place, dict)
        text, rating = field(one, f"{where}.text", place, str), field(one, f"{where}.rating", place, int, null=True)
        if rating not in RATINGS:
            raise ValueError(f"{place}: field '{where}.rating': expected 1, 0, -1 or null, got {rating!r}")
        meta = {**others(one, "text", "rating"), **({"human": True} if by_hand else {})}
        found.append(grown.add(parent, text, sibling, meta, rating=rating))
    if at is not None:
        return found[at]
    return found[-1] if human is not None else None


def rows_of(tree: Tree) -> Iterator[Row]:
    """The rows of a tree: one for every node whose children are the last, with the completions on the way down to it.

    Chosen are the steps of that way, and of the last level the first right answer to which no step was judged wrong.
    """
    kept = tree.meta.get(NAME)
    kept = kept if isinstance(kept, dict) else None
    for trunk in _trunks(tree):
        steps = _steps(tree, trunk)
        if kept is not None:
            stored = kept["steps"]
            steps = [stored.get(str(i)) or (steps[i] if i < len(steps) else None) for i in range(_count(steps, stored))]
            question = {"problem": tree.question, "ground_truth_answer": tree.answer, **kept["question"]}
            yield {**kept["row"], "question": question, "label": {**kept["label"], "steps": steps}}
            continue
        last = steps[-1] if steps else None
        if last is not None and last["chosen_completion"] is not None:
            reason = "solution"
        else:
            reason = "found_error" if last and any(one["rating"] == -1 for one in last["completions"]) else "give_up"
        question = {"problem": tree.question, "ground_truth_answer": tree.answer}
        yield {"question": question, "label": {"steps": steps, "finish_reason": reason}}


def _count(steps: list[Any], stored: Mapping[str, Any]) -> int:
    return max([len(steps), *(int(i) + 1 for i in stored)])


def _trunks(tree: Tree) -> list[list[int]]:
    """Ways from the root to the nodes whose children have no children, those ends included."""
    below = children(tree)
    last = [index for index, own in enumerate(below) if own and not any(below[child] for child in own)]
    return [[ROOT, *tree.path(index)] for index in last or [ROOT]]


def _steps(tree: Tree, trunk: list[int]) -> list[Any]:
    """`label.steps` of a trunk."""
    below, level, step_format = children(tree), levels(tree), FORMATS[tree.step_format]
    imported, found = NAME in tree.meta, []
    for place, parent in enumerate(trunk):
        own = [child for child in below[parent] if not tree.nodes[child].meta.get("human")]
        hand = [child for child in below[parent] if tree.nodes[child].meta.get("human")]
        if not own and not hand:
            continue

        def completion(index: int) -> Row:
            node = tree.nodes[index]
            text = written(tree, step_format, WRITING, index, level[index])
            more = others(node.meta, *_MARKS) if imported else {"flagged": False}
            return {"text": text, "rating": node.rating, **more}

        chosen = trunk[place + 1] if place + 1 < len(trunk) else _chosen(tree, below[parent], imported)
        found.append(
            {
                "completions": [completion(index) for index in own],
                "human_completion": completion(hand[0]) if hand else None,
                "chosen_completion": own.index(chosen) if chosen in own else None,
            }
        )
    return found


def _chosen(tree: Tree, last: list[int], imported: bool) -> int | None:
    """Of the last level."""
    if imported:
        return next((index for index in last if tree.nodes[index].meta.get("chosen")), None)
    return next((index for index in last if tree.nodes[index].status == "leaf-correct" and tree.valid(index)), None)
