"""Game of 24: the puzzles of 4nums.com -> Countdown problems, and GPT-4's search logs (Tree of Thoughts) -> trees.

The puzzles are as the Tree-of-Thoughts paper took them (arXiv 2305.10601; its 24.csv). A solution in Countdown's steps stays
within the whole numbers from 1 to `game.LARGEST`. Some puzzles have solutions with fractions, negative numbers or larger
ones only: `reachable` tells them.

A log (`ys` of princeton-nlp's bfs) holds of every level all candidates, as texts from the first line on, what they were valued
at, and which went on. The value, a sum of three opinions (sure 20, likely 1, impossible 0.001; 0 for a repeated candidate), is
the score; a step is rated right where one opinion was "sure", wrong where all were "impossible", else neutral. A line
`Answer: ...` is a leaf; whether it is right is computed, by the rules of the game.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

from jorney.domain.countdown.game import paths_to
from jorney.domain.countdown.sets import make_problem
from jorney.rows.fields import expect, field, others, shown
from jorney.rows.readers.rules import PassOver
from jorney.rows.sources import Row, Rows
from jorney.rows.tree_rows import Answers, Growing, Writing, status_of
from jorney.text.step_format import StepFormat
from jorney.tree.tree import ROOT, Tree

NAME = "game24"
TARGET = 24
RANKS = range(901, 1001)  # of the paper's 100 puzzles
_QUESTION = "Use numbers and basic arithmetic operations (+ - * /) to obtain 24.\nInput: {numbers}"
_ANSWER = re.compile(r"answer: *(.*)", re.IGNORECASE)
_SURE, _LIKELY = 20.0, 1.0
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def is_puzzle(row: Row) -> bool:
    """Whether a row has the published columns of puzzles."""
    return "Rank" in row and "Puzzles" in row


def problems(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of id, question, answer and what Countdown's verifier reads; `meta` keeps the rank.

    Args:
      rows: as published, (place, row); "Puzzles" holds numbers with spaces between.
      pass_over: is given the ValueError of a row that has another form; it names its place and the field.
    """
    for place, row in rows:
        words, rank = str(row.get("Puzzles")).split(), str(row.get("Rank"))
        if len(words) < 2 or not all(word.isdecimal() and int(word) > 0 for word in words):
            pass_over(
                ValueError(
                    f"{place}: field 'Puzzles': expected numbers from 1 up with spaces between, got {shown(row.get('Puzzles'))}"
                )
            )
        elif not rank.isdecimal():
            pass_over(ValueError(f"{place}: field 'Rank': expected a number, got {shown(row.get('Rank'))}"))
        else:
            made = make_problem(tuple(map(int, words)), TARGET)
            yield place, {**dataclasses.asdict(made), "meta": {**made.meta, "rank": int(rank)}}


def reachable(numbers: Sequence[int], target: int = TARGET) -> bool:
    """Whether some solution stays within what Countdown's steps can say."""
    return target in paths_to(tuple(sorted(numbers)))


def _read(text: str) -> tuple[str, str | None]:
    answer = _ANSWER.match(text)
    return text, (answer[1].rpartition("=")[2].strip() or None) if answer else None


# An answer's line is kept, and what it states, the right side of its equation, is the final answer.
WRITING = Writing(_read, lambda step, answer: step)


def tree_of(row: Row, place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a log. Raises ValueError that names the place and the field."""
    steps = field(row, "steps", place, list)
    expect(steps[0] if steps else None, "steps[0]", place, dict)
    numbers = field(steps[0], "steps[0].x", place, str)
    grown = Growing(step_format, WRITING)
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
            before = next((one for one in known if text.startswith(one)), None)
            if before is None:
                raise ValueError(f"{place}: field 'steps[{i}].new_ys[{j}]': expected a text that goes on from one of ys")
            parent = known[before]
            if text in own:
                grown.change(own[text], count=grown.nodes[own[text]].count + 1)
            else:
                step = text[len(before) :].removesuffix("\n")
                answer = _ANSWER.match(step)
                stated = answer and answer[1]
                otherwise = "pruned" if text not in going else "unfinished" if last else "kept"
                status = status_of(stated, stated is not None and makes_24(stated, numbers), otherwise)
                # "Sure" of one opinion at least, or "impossible" of all.
                rating = 1 if value >= _SURE else 0 if value >= _LIKELY else -1
                own[text] = grown.add(parent, step, siblings[parent], rating=rating, score=float(value), status=status)
            siblings[parent] += 1
        known = own
    parents = grown.parents()
    for index, node in enumerate(grown.nodes):
        if node.status == "kept" and index not in parents and index:
            grown.change(index, status="unfinished")
        elif node.leaf and index in parents:
            grown.change(index, status="kept")
    known_numbers = [int(one) for one in numbers.split() if one.isdecimal()]
    meta = {NAME: others(row, "steps", "ys"), "numbers": known_numbers, "target": TARGET}
    id_ = f"game24-{row['idx'] if row.get('idx') is not None else numbers}"
    return grown.tree(id_, _QUESTION.replace("{numbers}", numbers), str(TARGET), meta)


def _texts(level: Row, name: str, place: str) -> list[str]:
    return [expect(text, f"{name}[{i}]", place, str) for i, text in enumerate(field(level, name, place, list))]


def makes_24(answer: str, numbers: str) -> bool:
    """Whether an answer, such as `(4 + 8) * (6 - 4) = 24`, uses each number once and is 24."""
    expression = answer.rpartition("=")[0] or answer
    used: list[int] = []
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body, used)
        return value == TARGET and sorted(used) == sorted(map(int, numbers.split()))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return False


def _value(node: ast.AST, used: list[int]) -> Fraction:
    """Of whole numbers and + - * / alone, exactly. Raises ValueError for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        used.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, used), _value(node.right, used))
    raise ValueError("no arithmetic of whole numbers")
