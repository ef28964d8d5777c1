"""Rows of published benchmarks that are not problems as they stand -> rows of problems.

ARC and CommonsenseQA (AI2's files and the hub's tables), BIG-Bench Hard, MGSM, and AIME's tables with capital letters.
"""

from __future__ import annotations

from collections.abc import Mapping

from jorney.domain.choice_of_options import LETTERS
from jorney.domain.problem import hash_id
from jorney.rows.fields import expect, filled, holds, texts
from jorney.rows.readers.rules import PassOver, Row, each_row
from jorney.rows.sources import Rows


def is_choice(row: Row) -> bool:
    """Whether a row is of ARC or CommonsenseQA."""
    return "answerKey" in row and ("choices" in row or isinstance(row.get("question"), Mapping))


def choices(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of domain "choice": options in their order, the answer by its letter from A on, whatever the labels were."""
    return each_row(rows, pass_over, _choice)


def _choice(row: Row, place: str) -> Row:
    stem = row["question"] if isinstance(row["question"], Mapping) else row  # AI2's files have all of it in there
    question = filled(stem, "stem" if stem is not row else "question", place)
    listed = stem.get("choices") if stem is not row else row["choices"]
    if isinstance(listed, list):
        listed = {name: [expect(one, "choices", place, dict).get(name) for one in listed] for name in ("label", "text")}
    held = expect(listed, "choices", place, dict)
    options, labels = (texts(held.get(name), f"choices.{name}", place) for name in ("text", "label"))
    key = expect(row["answerKey"], "answerKey", place, str)
    if not key:
        raise ValueError(f"{place}: field 'answerKey': no answer: expected a split with answers (CommonsenseQA: validation)")
    if key not in labels or len(options) != len(labels):
        raise ValueError(f"{place}: field 'answerKey': {key!r}: expected one of the labels {', '.join(labels)}, a text each")
    answer = LETTERS[labels.index(key)]
    name = str(row.get("id") or hash_id(question))
    return {"id": name, "question": question, "answer": answer, "verifier": "choice", "meta": {"options": options}}


def is_hard(row: Row) -> bool:
    """Whether a row is BIG-Bench Hard's: a file of examples, or one of them."""
    return isinstance(row.get("examples"), list) or (holds(row, "input", "target") and "question" not in row)


def hard(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of domain "text"; the examples of a file in their order."""
    return each_row(_examples(rows), pass_over, _hard)


def _examples(rows: Rows) -> Rows:
    for place, row in rows:
        if isinstance(row.get("examples"), list):
            yield from ((f"{place}: example {number}", one) for number, one in enumerate(row["examples"]))
        else:
            yield place, row


def _hard(row: Row, place: str) -> Row:
    if not isinstance(row, Mapping) or not holds(row, "input", "target"):
        raise ValueError(f"{place}: expected an object with input and target, got {row!s:.80}")
    question, answer = filled(row, "input", place), filled(row, "target", place)
    return {"question": question, "answer": answer.strip(), "verifier": "text", "meta": {}}


def is_multilingual(row: Row) -> bool:
    """Whether a row is of MGSM's table, whose answers with words are there for exemplars alone."""
    return "answer_number" in row and "question" in row


def multilingual(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of mathematics, the answer a number."""
    return each_row(rows, pass_over, _multilingual)


def _multilingual(row: Row, place: str) -> Row:
    number = expect(row["answer_number"], "answer_number", place, int, float, str)
    return {"question": filled(row, "question", place), "answer": str(number).replace(",", ""), "meta": {}}


def is_capital(row: Row) -> bool:
    """Whether a row has AIME's columns with capital letters: ID, Problem, Answer."""
    return holds(row, "Problem", "Answer") and "problem" not in row


def capital(rows: Rows, pass_over: PassOver) -> Rows:
    """The same with small letters. "Solution" is left out: of some tables it is no whole one."""
    return each_row(rows, pass_over, _capital)


def _capital(row: Row, place: str) -> Row:
    answer = expect(row["Answer"], "Answer", place, str, int)
    named = {"id": str(row["ID"])} if row.get("ID") not in (None, "") else {}
    return {**named, "problem": filled(row, "Problem", place), "answer": str(answer), "meta": {}}
