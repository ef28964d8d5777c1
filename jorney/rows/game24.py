"""GPT-4's search logs on Game of 24 (Tree of Thoughts, arXiv 2305.10601; `ys` of princeton-nlp's bfs) -> trees.

A log holds of every level all candidates, as texts from the first line on, what they were valued at, and which went on. The
value, a sum of three opinions (sure 20, likely 1, impossible 0.001; 0 for a repeated candidate), is the score; a step is rated
right where one opinion was "sure", wrong where all were "impossible", else neutral. A line `Answer: ...` is a leaf; whether it
is right is computed, by the rules of the game.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from jorney.rows.tree_rows import Answers, Growing, Stated, expect, field, others
from jorney.text.step_format import StepFormat
from jorney.tree.tree import ROOT, Tree

NAME = "game24"
_QUESTION = "Use numbers and basic arithmetic operations (+ - * /) to obtain 24.\nInput: {numbers}"
_ANSWER = re.compile(r"answer: *(.*)", re.IGNORECASE)
_SURE, _LIKELY = 20.0, 1.0


class _Writing:
    """An answer's line is kept, and what it states, the right side of its equation, is the final answer."""

    def read(self, text: str) -> Stated:
        answer = _ANSWER.match(text)
        return text, (answer[1].rpartition("=")[2].strip() or None) if answer else None

    def write(self, step: str, answer: str | None) -> str:
        return step


def tree_of(row: Mapping[str, Any], place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a log.

    Raises:
      ValueError: names the place and the field.
    """
    steps = field(row, "steps", place, list)
    expect(steps[0] if steps else None, "steps[0]", place, dict)
    numbers = field(steps[0], "steps[0].x", place, str)
    grown = Growing(step_format, _Writing())
    known = {"": ROOT}  # each text, and its last node
    for i, level in enumerate(steps):
        expect(level, f"steps[{i}]", place, dict)
        texts = _texts(level, f"steps[{i}].new_ys", place)
        values = field(level, f"steps[{i}].values", place, list)
        if len(values) != len(texts):
            raise ValueError(
                f"{place}: field 'steps[{i}].values': {len(values)} of them: expected {len(texts)}, one a candidate"
            )
        going = set(_texts(level, f"steps[{i}].select_new_ys", place))
        last = i == len(steps) - 1
        befores = sorted(set(_texts(level, f"steps[{i}].ys", place)), key=len, reverse=True)
        known = {text: known[text] for text in befores if text in known}
        own: dict[str, int] = {}
        siblings: Counter[int] = Counter()
        for j, (text, value) in enumerate(zip(texts, values, strict=True)):
            expect(value, f"steps[{i}].values[{j}]", place, float)
            before = next((one for one in befores if text.startswith(one) and one in known), None)
            if before is None:
                raise ValueError(f"{place}: field 'steps[{i}].new_ys[{j}]': expected a text that goes on from one of ys")
            if text in own:
                grown.count(own[text])
                siblings[known[before]] += 1
                continue
            parent = known[before]
            step = text[len(before) :].removesuffix("\n")
            own[text] = grown.add(parent, step, siblings[parent], rating=_rating(value), score=float(value))
            siblings[parent] += 1
            answer = _ANSWER.match(step)
            if answer:
                status = "leaf-correct" if makes_24(answer[1], numbers) else "leaf-wrong"
            else:
                status = "pruned" if text not in going else "unfinished" if last else "kept"
            grown.mark(own[text], status)
        known = own
    parents = grown.parents()
    for index, node in enumerate(grown.nodes):
        if node.status == "kept" and index not in parents and index:
            grown.mark(index, "unfinished")
        elif node.leaf and index in parents:
            grown.mark(index, "kept")
    name = row.get("idx")
    kept = {NAME: others(row, "steps", "ys"), "numbers": [int(one) for one in numbers.split() if one.isdecimal()], "target": 24}
    question = _QUESTION.replace("{numbers}", numbers)
    return Tree(f"game24-{numbers if name is None else name}", question, "24", step_format.name, tuple(grown.nodes), meta=kept)


def _texts(level: Mapping[str, Any], name: str, place: str) -> list[str]:
    return [expect(text, f"{name}[{i}]", place, str) for i, text in enumerate(field(level, name, place, list))]


def _rating(value: float) -> int:
    return 1 if value >= _SURE else 0 if value >= _LIKELY else -1


def makes_24(answer: str, numbers: str) -> bool:
    """Whether an answer, such as `(4 + 8) * (6 - 4) = 24`, uses each number once and is 24."""
    expression = answer.rpartition("=")[0] or answer
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        used: list[int] = []
        return _value(tree, used) == 24 and sorted(used) == sorted(map(int, numbers.split()))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return False


def _value(node: ast.AST, used: list[int]) -> Fraction:
    """Of whole numbers and + - * / alone, exactly. Raises ValueError for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        used.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, used), _value(node.right, used)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError("no arithmetic of whole numbers")
