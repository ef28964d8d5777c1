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
from jorney.domain.reading.notation import plain
from jorney.domain.reading.reader import product, readings
from jorney.domain.reading.wording import has_words

# What math-verify is asked of: of other commands it takes the parts that it knows.
_KNOWN = """
int sum prod lim to infty begin end setminus mathbb frac sqrt binom det sin cos tan sec csc cot arcsin
arccos arctan sinh cosh tanh ln log exp alpha beta gamma delta theta lambda mu phi omega sigma
"""
_DEEPEST = 40  # brackets in each other
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
    first, second = readings(known), readings(stated)
    products = product(known), product(stated)
    if products[0] and not products[1]:
        first = (*first, products[0])
    elif products[1] and not products[0]:
        second = (*second, products[1])
    if any(itertools.starmap(equal, itertools.product(first, second))):
        return True
    unknown = [Opaque in map(type, own) for own in (first, second)]
    formulas = all(isinstance(one, Opaque | Expression) for one in (*first, *second))
    texts = [plain(one) for one in (known, stated)]
    if not any(unknown) or not formulas or any(has_words(text) for text in texts):
        return False  # math-verify takes words for products of their letters
    if any(not _COMMANDS.issuperset(re.findall(r"\\([A-Za-z]+)", text)) for text in texts):
        return False
    if any(max(itertools.accumulate((one in "({[") - (one in ")}]") for one in text), default=0) > _DEEPEST for text in texts):
        return False  # its time is quadratic in depth
    if any("\\to" in text and "\\lim" not in text for text in texts):
        return False  # of what goes to 3 it takes the 3
    return _verified(known, stated) and _verified(stated, known)


def _verified(known: str, stated: str) -> bool:
    """Whether math-verify says so."""
    from math_verify import parse, verify

    # No timeout of math-verify's own: it is a signal to Python code, to which a huge power never returns.
    found = [parse(f"\\boxed{{{clean(one)}}}", parsing_timeout=0) for one in (known, stated)]
    return bool(verify(*found, float_rounding=12, timeout_seconds=0))
