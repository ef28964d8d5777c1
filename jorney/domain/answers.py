"""The final answer that a text states, and the text of answers without what means nothing."""

from __future__ import annotations

import re

from jorney.text.step_format import BOXED, closings

_LATEX_COMMA = re.compile(r"(?<=\d)(?:\{,\}|,\\!)(?=\d{3}(?!\d))")  # 1{,}600 and 1,\!600
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)")


def final_answer(text: str, mark: str = "####") -> str | None:
    r"""The answer that `text` states: what follows the last `####` on its line, else the last `\boxed{...}`, else None.

    Trailing punctuation, surrounding `$` and the commas of a number's thousands are dropped: `#### $1,600.` is `1600`.

    Args:
      mark: a step format's; by `\boxed` only boxes state answers.
    """
    at = text.rfind("####") if mark != BOXED else -1
    if at >= 0:
        line = text[at + 4 :].partition("\n")[0]
        if r"\boxed" in line:
            return _boxed(text, at + 4 + line.rindex(r"\boxed"))
        if answer := clean(line):
            return answer
    return _boxed(text, text.rfind(r"\boxed"))


def _boxed(text: str, start: int) -> str | None:
    r"""The cleaned inside of the `\boxed` at `start`; None when start < 0, the box is empty or its brace is never closed."""
    if start < 0:
        return None
    rest = text[start + len(r"\boxed") :].lstrip(" ")
    if not rest.startswith("{"):  # `\boxed 5`
        return clean(re.split(r"[\s$]", rest, maxsplit=1)[0]) or None
    stop = closings(rest).get(0)
    return clean(rest[1 : stop - 1]) or None if stop else None


def clean(answer: str) -> str:
    """An answer without surrounding punctuation and `$`, and a number without the commas of its thousands."""
    answer = _LATEX_COMMA.sub(",", answer)
    bare = answer.strip().removeprefix("\\$").lstrip("$ ").rstrip("$ .,;:")
    if "$" in bare or bare.endswith("\\"):  # "$5$ or $6$" keeps its formulas, "5\\," its LaTeX space
        bare = answer.strip()
    number = _THOUSANDS.match(bare)
    if number and not bare[number.end() :].lstrip().startswith(","):  # "1,000, 2" is a list
        bare = number[0].replace(",", "") + bare[number.end() :]
    return bare


def short(text: str) -> str:
    """A text for a message, not without end."""
    return text if len(text) <= 80 else text[:77] + "..."
