"""Whether two answers of mathematics are equal: by their types, and by math-verify where LaTeX is not known here.

It evaluates what a model wrote, and so can run for ever or take all memory (`\\sum_{k=1}^{9^{99}} k^k`): `domain.worker` runs
it apart.
"""

from __future__ import annotations

import itertools
import logging
import re

from jorney.domain.answers import clean, short
from jorney.domain.reading.equality import equal
from jorney.domain.reading.forms import Expression, Opaque
from jorney.domain.reading.notation import LONGEST, functions_in, plain
from jorney.domain.reading.reader import readings
from jorney.domain.reading.wording import has_words

# What math-verify is asked of: of other commands it takes the parts that it knows.
_KNOWN = """
int sum prod lim to infty begin end setminus mathbb frac sqrt binom det sin cos tan sec csc cot arcsin
arccos arctan sinh cosh tanh ln log exp alpha beta gamma delta theta lambda mu phi omega sigma
"""
_DEEPEST = 40  # brackets in each other: its time is quadratic in that
_LONGEST_VERIFIED = 400  # characters, of which it takes seconds
_COMMANDS = frozenset(_KNOWN.split())


def warm_up() -> None:
    """Imports and caches all that the first comparison would."""
    logging.disable(logging.CRITICAL)  # math-verify logs every answer that it cannot read
    _verified("1", "2/2")


def compare(known: str, stated: str) -> str:
    """Why a stated answer does not equal the known one; "" where it does. Which of them is known makes no difference."""
    try:
        same = _same(known, stated)
    except RecursionError:
        same = False
    return "" if same else f"answers {short(stated)}, not {short(known)}"


def _same(known: str, stated: str) -> bool:
    if max(len(known), len(stated)) > LONGEST:
        return clean(known) == clean(stated)
    texts = [plain(one) for one in (known, stated)]
    functions = functions_in(*texts)
    # Where P(x) may be a product or a value of a function, both have to agree.
    return all(_read_alike(known, stated, texts, names) for names in {frozenset[str](), functions})


def _read_alike(known: str, stated: str, texts: list[str], functions: frozenset[str]) -> bool:
    first, second = readings(known, functions), readings(stated, functions)
    if any(itertools.starmap(equal, itertools.product(first, second))):
        return True
    unknown = [Opaque in map(type, own) for own in (first, second)]
    formulas = all(isinstance(one, Opaque | Expression) for one in (*first, *second))
    if not any(unknown) or not formulas or functions or any(map(_beyond, texts)) or _differ_in_case(*texts):
        return False
    if all("\\lim" in text for text in texts):
        return False  # it does not look at what they go to
    return _verified(known, stated) and _verified(stated, known)


def _beyond(text: str) -> bool:
    """Whether a text in plain notation is what math-verify misreads."""
    return (
        len(text) > _LONGEST_VERIFIED
        or has_words(text)  # which it takes for products of their letters
        or not _COMMANDS.issuperset(re.findall(r"\\([A-Za-z]+)", text))
        or _depth(text) > _DEEPEST
        or text.count("{") != text.count("}")  # it closes them
        or re.search(r"[_^](?:\s|$)", text) is not None  # an index or exponent that is not there
        or (r"\int" in text and re.search(r"d\s*(?:[A-Za-z]|\\[a-z])", text) is None)
        or re.search(r"[=<>≤≥≠∈≈…@]", re.sub(r"_\s*\{[^{}]*\}", "", text)) is not None  # of which it takes a side
        or re.search(r"\d\s+\d|['\"]", text) is not None  # two numbers, and feet and inches
        or re.search(r"\\to[^{}]*(?:\^|_)", text) is not None  # a limit from a side
        or ("\\to" in text and "\\lim" not in text)  # of what goes to 3 it takes the 3
    )


def _depth(text: str) -> int:
    return max(itertools.accumulate((one in "({[") - (one in ")}]") for one in text), default=0)


def _differ_in_case(first: str, second: str) -> bool:
    """Whether a letter is small and large: math-verify makes no difference."""
    letters = {one for text in (first, second) for one in re.sub(r"\\[A-Za-z]+", "", text) if one.isalpha()}
    return any(one != one.lower() and one.lower() in letters for one in letters)


def _verified(known: str, stated: str) -> bool:
    """Whether math-verify says so."""
    from math_verify import parse, verify

    # No timeout of math-verify's own: it is a signal to Python code, to which a huge power never returns.
    found = [parse(f"\\boxed{{{clean(one)}}}", parsing_timeout=0) for one in (known, stated)]
    return bool(verify(*found, float_rounding=12, timeout_seconds=0))
