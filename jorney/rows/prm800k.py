"""PRM800K (Lightman et al., arXiv 2305.20050): rows of labelled steps -> problems, and labels; <-> trees.

The problems are the paper's phase 1 set `prm800k`: one right step-by-step solution a question.

Of a tree the chosen steps alone are expanded: level i is `label.steps[i].completions`, and behind them the completion that a
person wrote where none was good. What a tree has no field for (labeler, timestamp, flags, times) is kept in `meta`, so that a
row comes back as it was. A row whose answer is not known is believed: its last step is right where it was not rated bad.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem, hash_id
from jorney.rows.fields import Steps, expect, field, others
from jorney.rows.readers.rules import PassOver
from jorney.rows.sources import Row, Rows
from jorney.rows.tree_rows import Answers, Growing, Writing, kept_of, name_of, status_of, written
from jorney.text.step_format import ABEL, StepFormat
from jorney.tree.shape import children
from jorney.tree.tree import RATINGS, ROOT, Tree

NAME = "prm800k"
_MARK = "# Answer"  # in a solution's last step, the answer below it
_ANSWER = f"\n\n{_MARK}\n\n"


def _read(text: str) -> tuple[str, str | None]:
    step, mark, answer = text.partition(_ANSWER)
    return (step, " ".join(answer.split())) if mark and answer.strip() else (text, None)


def _write(step: str, answer: str | None) -> str:
    return step if answer is None else f"{step}{_ANSWER}{answer}"


WRITING = Writing(_read, _write)


def is_row(row: Row) -> bool:
    """Whether a row has the published schema."""
    return isinstance(row.get("question"), dict) and isinstance(row.get("label"), dict) and "steps" in row["label"]


@contextlib.contextmanager
def _as_published(place: str) -> Iterator[None]:
    """A row of another form is a ValueError that names its place and the field."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{place}: expected PRM800K's question and label, got {type(error).__name__}: {error}") from None


def problems(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of question, answer and solution (in Abel's format): of each question the first solution that is right.

    Right is one that was labelled to its end, none of its steps bad, and that states the known answer.

    Args:
      rows: as published, (place, row).
      pass_over: is given the ValueError of a row that has another form; it names its place and the field.
    """
    done: set[str] = set()
    with Grader() as grader:
        for place, row in rows:
            try:
                with _as_published(place):
                    question = expect(row["question"]["problem"], "question.problem", place, str)
                    answer = expect(
                        row["question"]["ground_truth_answer"], "question.ground_truth_answer", place, str, null=True
                    )
                    steps = _solution(row["label"]) if question not in done else None
            except ValueError as error:
                pass_over(error)
                continue
            if steps is None:
                continue
            last, mark, stated = steps[-1].partition(_MARK)
            if not mark or not answer or not grader.grade(Problem("", question, answer), f"#### {stated.strip()}").correct:
                continue
            done.add(question)
            solution = ABEL.write([" ".join(step.split()) for step in (*steps[:-1], last)], answer)
            yield place, {"id": hash_id(question), "question": question, "answer": answer, "solution": solution}


def _solution(label: dict[str, Any]) -> list[str] | None:
    """The texts of the steps that were taken; None where they lead nowhere, or one of them is bad."""
    if label["finish_reason"] != "solution":
        return None
    texts = []
    for step in label["steps"]:
        at = step["chosen_completion"]
        chosen = step["completions"][at] if at is not None else step["human_completion"]
        if chosen is None or chosen["rating"] == -1:
            return None
        if not isinstance(chosen["text"], str):
            raise TypeError(f"the text of a step is {chosen['text']!r:.80}")
        texts.append(chosen["text"])
    return texts or None


def labels(row: Row, place: str, neutral: float | None, siblings: bool) -> list[Steps]:
    """The steps that were taken, to where a wrong one was; then the others beside each of them, the last alone labelled.

    Args:
      neutral: the label of a step that was rated 0.
      siblings: whether the others are wanted.

    Raises:
      ValueError: names the place and the field.
    """
    values = {1: 1.0, 0: neutral, -1: 0.0, None: None}
    taken: list[tuple[str, float | None]] = []
    beside: list[Steps] = []
    question = field(field(row, "question", place, dict), "question.problem", place, str)
    for i, level in enumerate(field(row["label"], "label.steps", place, list)):
        name = f"label.steps[{i}]"
        human, at, ratings, known = _level(expect(level, name, place, dict), name, place)
        if at is None and human is None:
            at = next((index for index, rating in enumerate(ratings) if rating == -1), None)
        before = [text for text, _ in taken]
        for index, (text, rating) in enumerate(zip(known, ratings, strict=True)):
            if index != at and values[rating] is not None:
                beside.append(Steps(question, [*before, text], [None] * len(before) + [values[rating]]))
        if at is None and human is None:
            break
        taken.append((known[at], values[ratings[at]]) if at is not None else (str(human), None))
    whole = [Steps(question, [text for text, _ in taken], [label for _, label in taken])] if taken else []
    return [*whole, *(beside if siblings else [])]


def _level(step: Row, name: str, place: str) -> tuple[str | None, int | None, list[int | None], list[str]]:
    """What a person wrote, which completion was chosen, and the ratings and the texts of all of them."""
    with _as_published(place):
        completions = expect(step["completions"], f"{name}.completions", place, list, null=True) or []
        human = expect(step["human_completion"], f"{name}.human_completion", place, dict, null=True)
        at = expect(step["chosen_completion"], f"{name}.chosen_completion", place, int, null=True)
    if at is not None and not 0 <= at < len(completions):
        raise ValueError(f"{place}: field '{name}.chosen_completion': {at}: expected 0 to {len(completions) - 1}, or null")
    read = [_completion(one, f"{name}.completions[{j}]", place) for j, one in enumerate(completions)]
    by_hand = None if human is None else _completion(human, f"{name}.human_completion", place)[0]
    return by_hand, at, [rating for _, rating in read], [text for text, _ in read]


def _completion(one: Any, name: str, place: str) -> tuple[str, int | None]:
    """The text of a completion, and its rating."""
    expect(one, name, place, dict)
    text, rating = field(one, f"{name}.text", place, str), field(one, f"{name}.rating", place, int, null=True)
    if rating not in RATINGS:
        raise ValueError(f"{place}: field '{name}.rating': expected 1, 0, -1 or null, got {rating!r}")
    return text, rating


def tree_of(row: Row, place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row. Raises ValueError that names the place and the field."""
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
    for index in sorted(set(range(1, len(grown.nodes))) - parents):
        node, stated = grown.nodes[index], grown.answers[index]
        right = stated is not None and (node.correct is not False if truth is None else answers.right(truth, stated))
        grown.change(index, status=status_of(stated, right, "unfinished" if index in chosen else "pruned"))
    if chosen and chosen[-1] not in parents:
        grown.nodes[chosen[-1]].meta["chosen"] = True
    kept: Row = {
        "row": others(row, "question", "label"),
        "question": others(question, "problem", "ground_truth_answer"),
        "label": others(label, "steps"),
        "steps": {},
    }
    if truth is None:
        kept["question"]["ground_truth_answer"] = None
    tree = grown.tree(name_of(text, row), text, truth or "", {NAME: kept})
    # Steps that the nodes do not give back, such as those behind one of which nothing was chosen.
    made = next(_steps(tree))
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
        text, rating = _completion(one, where, place)
        meta = {**others(one, "text", "rating"), **({"human": True} if by_hand else {})}
        found.append(grown.add(parent, text, sibling, meta, rating=rating))
    return found[at] if at is not None else found[-1] if human is not None else None


def rows_of(tree: Tree) -> Iterator[Row]:
    """The rows of a tree: one for every node whose children are the last, with the completions on the way down to it.

    Chosen are the steps of that way, and of the last level the first right answer to which no step was judged wrong.
    """
    kept, question = kept_of(tree, NAME), {"problem": tree.question, "ground_truth_answer": tree.answer}
    for steps in _steps(tree):
        if kept is None:
            yield {"question": question, "label": {"steps": steps, "finish_reason": _reason(steps)}}
            continue
        stored = kept["steps"]
        count = max([len(steps), *(int(i) + 1 for i in stored)])
        whole = [stored.get(str(i)) or (steps[i] if i < len(steps) else None) for i in range(count)]
        yield {**kept["row"], "question": {**question, **kept["question"]}, "label": {**kept["label"], "steps": whole}}


def _reason(steps: list[Row]) -> str:
    """`label.finish_reason` of steps that were not imported."""
    if steps and steps[-1]["chosen_completion"] is not None:
        return "solution"
    return "found_error" if steps and any(one["rating"] == -1 for one in steps[-1]["completions"]) else "give_up"


def _steps(tree: Tree) -> Iterator[list[Row]]:
    """`label.steps` of every way from the root to a node whose children have no children."""
    below, texts, imported = children(tree), written(tree, WRITING), NAME in tree.meta

    def completion(index: int) -> Row:
        node = tree.nodes[index]
        more = others(node.meta, "text", "human", "chosen") if imported else {"flagged": False}
        return {"text": texts[index], "rating": node.rating, **more}

    def chosen(index: int) -> bool:
        node = tree.nodes[index]
        return bool(node.meta.get("chosen")) if imported else node.status == "leaf-correct" and tree.valid(index)

    last = [index for index, own in enumerate(below) if own and not any(below[child] for child in own)]
    for end in last or [ROOT]:
        way, found = tree.path(end), []
        for place, parent in enumerate([ROOT, *way]):
            hand = [child for child in below[parent] if tree.nodes[child].meta.get("human")]
            own = [child for child in below[parent] if child not in hand]
            taken = way[place] if place < len(way) else next(filter(chosen, below[parent]), None)
            if below[parent]:
                found.append(
                    {
                        "completions": [completion(index) for index in own],
                        "human_completion": completion(hand[0]) if hand else None,
                        "chosen_completion": own.index(taken) if taken in own else None,
                    }
                )
        yield found
