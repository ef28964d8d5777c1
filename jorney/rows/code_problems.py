"""HumanEval and MBPP: published rows -> problems whose answers are programs.

HumanEval (Chen et al., 2021; arXiv 2107.03374) asks to go on with a function; MBPP (Austin et al., 2021; arXiv 2108.07732)
says in words what is wanted and shows three tests. MBPP's sanitized half has other columns.
"""

from __future__ import annotations

import ast
from typing import Any

from jorney.rows.fields import field, holds, shown
from jorney.rows.readers.rules import PassOver, each_row
from jorney.rows.sources import Row, Rows

_VERIFIER = "code"


def is_human_eval(row: Row) -> bool:
    """Whether a row has HumanEval's columns."""
    return holds(row, "task_id", "prompt", "entry_point", "canonical_solution", "test")


def is_mbpp(row: Row) -> bool:
    """Whether a row has MBPP's columns, whole or sanitized."""
    return holds(row, "task_id", "code", "test_list") and (holds(row, "text") or holds(row, "prompt"))


def human_eval(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of id, question (the prompt), answer (the whole solution) and what testing needs.

    Args:
      rows: as published, (place, row).
      pass_over: is given the ValueError of a row that has another form; it names its place and the field.
    """
    return each_row(rows, pass_over, _human_eval)


def _human_eval(row: Row, place: str) -> Row:
    prompt, entry, solution, test = (
        field(row, name, place, str) for name in ("prompt", "entry_point", "canonical_solution", "test")
    )
    if not entry.isidentifier():
        raise ValueError(f"{place}: field 'entry_point': expected a name, got {shown(entry)}")
    meta = {"prompt": prompt, "entry_point": entry, "setup": "", "tests": f"{test}\ncheck({entry})\n"}
    return _problem(str(field(row, "task_id", place, str, int)), prompt, prompt + solution, meta)


def mbpp(rows: Rows, pass_over: PassOver) -> Rows:
    """Rows of id, question (the text and its tests), answer (the published code) and what testing needs.

    Args:
      rows: as published, (place, row).
      pass_over: is given the ValueError of a row that has another form; it names its place and the field.
    """
    return each_row(rows, pass_over, _mbpp)


def _mbpp(row: Row, place: str) -> Row:
    text = field(row, "text" if holds(row, "text") else "prompt", place, str)
    code = field(row, "code", place, str).replace("\r\n", "\n")
    tests = _lines(row, "test_list", place)
    setup = [row.get("test_setup_code") or "", *(_lines(row, "test_imports", place) if row.get("test_imports") else [])]
    challenge = _lines(row, "challenge_test_list", place) if row.get("challenge_test_list") else []
    meta: dict[str, Any] = {
        "text": text.strip(),
        "prompt": "",
        "entry_point": entry_point(code, tests),
        "setup": "\n".join(part for part in setup if part.strip()),
        "tests": tests,
    }
    if challenge:
        meta["challenge_tests"] = challenge
    question = "\n".join([text.strip(), "Your code should pass these tests:", "", *tests])
    return _problem(f"MBPP/{field(row, 'task_id', place, str, int)}", question, code, meta)


def entry_point(code: str, tests: list[str]) -> str:
    """The function of a program that its first test calls; "" where none is known."""
    try:
        defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        called = [
            node.func.id
            for test in tests
            for node in ast.walk(ast.parse(test))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
    except SyntaxError:
        return ""
    return next((name for name in called if name in defined), "")


def _lines(row: Row, name: str, place: str) -> list[str]:
    lines = field(row, name, place, list)
    for index, line in enumerate(lines):
        if not isinstance(line, str):
            raise ValueError(f"{place}: field '{name}[{index}]': expected a text, got {shown(line)}")
    return lines


def _problem(id_: str, question: str, answer: str, meta: dict[str, Any]) -> Row:
    return {"id": id_, "question": question, "answer": answer, "verifier": _VERIFIER, "meta": meta}
