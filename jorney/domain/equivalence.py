"""Whether two answers of mathematics are equal, by math-verify.

It evaluates what a model wrote, and so can run for ever or take all memory (`9^{9^{9^9}}`): `domain.worker` runs it apart.
"""

from __future__ import annotations

import logging
import re

from jorney.domain.answers import clean, short

_UNIT = re.compile(r"(?<=\d) +([A-Za-z]{3,}(?: [A-Za-z]+)*)$")
_PLAIN = re.compile(r"[-+*/^().\d\s]+")


def warm_up() -> None:
    """Imports and caches all that the first comparison would."""
    from math_verify import verify

    logging.disable(logging.CRITICAL)  # math-verify logs every answer that it cannot read
    verify(_parse("1"), _parse("2/2"))


def compare(known: str, stated: str) -> str:
    """Why a stated answer does not equal the known one; "" where it does."""
    from math_verify import verify

    # No timeout of math-verify's own: it is a signal to Python code, to which a huge power never returns.
    equal = verify(_parse(known), _parse(stated), timeout_seconds=0)
    return "" if equal else f"answers {short(stated)}, not {short(known)}"


def _parse(answer: str) -> list[object]:
    """math-verify's readings of an answer as LaTeX, or as a plain expression such as `2**3`; its text is one of them."""
    from math_verify import ExprExtractionConfig, parse

    answer = clean(answer)
    with_unit = _UNIT.sub(r"\\text{ \1}", answer)  # "18 dollars" would be 18 times d, o, l, l, ...
    latex = answer if "$" in answer else f"\\boxed{{{with_unit}}}"  # text with formulas stays as it is
    found = parse(latex, parsing_timeout=0)
    if all(isinstance(reading, str) for reading in found) and _PLAIN.fullmatch(answer):
        found = parse(answer, [ExprExtractionConfig()], parsing_timeout=0)
    return list(found)
