"""DeepSeekMath's verdict on an answer: whether what a response states equals what is known.

It evaluates what a model wrote, and so can run for ever: `DeepseekWorker` runs it apart. Where the published evaluation ends
because of an error (brackets too deep in each other), the verdict here is that the answers differ.
"""

from __future__ import annotations

import json
import re
from math import isclose

from jorney.domain.answers import short
from jorney.domain.deepseek_math.sympy_parsers import number, parsed

_CLOSE = 1e-3
_BRACKETED = re.compile(r"[(\[].+[)\]]")
_MATRIX_OPENS = ("\\begin{pmatrix}", "\\begin{bmatrix}")
_MATRIX_CLOSES = ("\\end{pmatrix}", "\\end{bmatrix}")


def warm_up() -> None:
    """Imports and caches all that the first comparison would.

    Raises:
      RuntimeError: sympy's parser of LaTeX does not work as it is installed.
    """
    if not deepseek_equal("\\frac{1}{2}", "\\frac{2}{4}"):
        raise RuntimeError("sympy's parser of LaTeX reads nothing: install antlr4-python3-runtime 4.11 or 4.13")


def compare(known: str, stated: str) -> str:
    """Why a stated answer does not equal the known one; "" where it does.

    Args:
      known, stated: an answer, or several as a JSON list of strings. One beside several is a list of one.
    """
    gold, predicted = _several(known), _several(stated)
    if gold is None and predicted is None:
        same = deepseek_equal(stated, known)
    else:
        same = deepseek_equal([stated] if predicted is None else predicted, [known] if gold is None else gold)
    return "" if same else f"answers {short(stated)}, not {short(known)}"


def _several(text: str) -> list[str] | None:
    """The strings of a JSON list; None where a text is none, as the interval [1, 2]."""
    try:
        found = json.loads(text) if text.startswith("[") and text.endswith("]") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def deepseek_equal(predicted: list[str] | str, gold: list[str] | str) -> bool:
    """Whether a predicted answer is right, by DeepSeekMath's evaluation.

    Lists are compared as those of MATH: without repetitions, of the predictions only the last as many as there are known
    answers, and each of both sides has to equal one of the other.

    Args:
      predicted, gold: as a reading of `extraction` gives them, both a text or both a list.

    Raises:
      ValueError: one is a text and the other a list.
    """
    if isinstance(predicted, str) != isinstance(gold, str):
        raise ValueError(f"predicted = {predicted!r}, gold = {gold!r}: expected two texts or two lists")
    try:
        if isinstance(predicted, str) and isinstance(gold, str):
            return _same_answer(predicted, gold)
        known, stated = list(dict.fromkeys(gold)), list(dict.fromkeys(predicted))
        return _all_matched(stated[-len(known) :], known)  # without known answers all are kept: [-0:]
    except RecursionError:
        return False


def _all_matched(stated: list[str], known: list[str]) -> bool:
    """Whether each answer of both sides equals one of the other."""
    pairs = [(i, j) for i, one in enumerate(stated) for j, other in enumerate(known) if _same_answer(one, other)]
    return len({i for i, _ in pairs}) == len(stated) and len({j for _, j in pairs}) == len(known)


def _same_answer(stated: str, known: str) -> bool:
    if "\\cup" in stated and "\\cup" in known:
        return _all_matched(stated.split("\\cup"), known.split("\\cup"))
    values = [_float(one) for one in (stated, known)]
    if None not in values and abs(values[0] - values[1]) < _CLOSE:  # type: ignore[operator]
        return True
    return _same_mathematics(stated, known)


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _figure(text: str) -> float | None:
    """A number or percentage as a fraction: 23% is 0.23."""
    value = _float(text)
    if value is not None or not (bare := text.replace(",", "")).endswith("%"):
        return value
    value = _float(bare[:-1].removesuffix("\\"))
    return None if value is None else value / 100


def _same_mathematics(stated: str, known: str) -> bool:
    if stated == known:
        return True
    value, reference = _figure(stated), _figure(known)
    if value is not None and reference is not None:
        # 50 is taken for 50% and for 5000%, whatever the question asks.
        return any(isclose(one, value, abs_tol=_CLOSE) for one in (reference / 100, reference, reference * 100))
    if not stated:
        return False
    stated, known = stated.strip(), known.strip()
    return (
        (
            _BRACKETED.match(stated) is not None
            and _BRACKETED.match(known) is not None
            and _same_parts(stated[1:-1], known[1:-1], ",")
        )
        or (_is_matrix(stated) and _is_matrix(known) and _same_matrices(stated, known))
        or _same_equations(stated, known)
        or _same_symbols(stated, known)
    )


def _same_parts(stated: str, known: str, separator: str) -> bool:
    """Tuples, intervals, and rows of a matrix: part by part, whatever brackets they stand in."""
    parts, others = stated.split(separator), known.split(separator)
    return len(parts) == len(others) and all(map(_same_mathematics, parts, others))


def _is_matrix(text: str) -> bool:
    return text.startswith(_MATRIX_OPENS) and text.endswith(_MATRIX_CLOSES)


def _same_matrices(stated: str, known: str) -> bool:
    rows, others = (
        [row for row in map(str.strip, text[len(_MATRIX_OPENS[0]) : -len(_MATRIX_CLOSES[0])].split("\\\\")) if row]
        for text in (stated, known)
    )
    return len(rows) == len(others) and all(_same_parts(row, other, "&") for row, other in zip(rows, others, strict=True))


def _same_equations(stated: str, known: str) -> bool:
    """Two equations by their differences of sides; of one equation `x = ...` what it says x is."""
    sides, others = stated.split("="), known.split("=")
    if len(sides) == 2 and len(others) == 2:
        first, second = (f"{left.strip()} - ({right.strip()})" for left, right in (sides, others))
        return _same_symbols(first, second) or _same_symbols(f"-({first})", second)
    if len(sides) == 2 and len(others) == 1 and len(sides[0].strip()) <= 2:
        return _same_mathematics(sides[1], known)
    if len(others) == 2 and len(sides) == 1 and len(others[0].strip()) <= 2:
        return _same_mathematics(stated, others[1])
    return False


def _same_symbols(stated: str, known: str) -> bool:
    """Whether sympy says so: their difference becomes zero, or their numbers are close."""
    from sympy import simplify

    first, second = parsed(stated), parsed(known)
    try:
        if simplify(first - second) == 0:
            return True
    except Exception:  # of every kind: what was parsed may be anything
        pass
    try:
        return isclose(number(first), number(second), abs_tol=_CLOSE)
    except Exception:
        return False
