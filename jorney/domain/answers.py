"""The final answer that a text states, and the text of answers without what means nothing."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from jorney.domain.headings import HEADING, SURE, standing
from jorney.domain.reading.notation import numbers_joined
from jorney.domain.run_on import asks, runs_on
from jorney.text.step_format import BOX, BOXED, closings

_LATEX_COMMA = re.compile(r"(?<=\d)(?:\{,\}|,\\!)(?=\d{3}(?!\d))")  # 1{,}600 and 1,\!600
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)")
_DOTS = re.compile(r" *([,;]?) *(?:\.{3}|…)")
_LISTS = re.compile(r"\.\d+\Z|[,;](?!\d{3}(?!\d)) *[^\s,;]{1,12}\Z")  # what dots can go on from: a decimal, or a list

_MARK = re.compile(r"#{4,}([^\n]*?)(?=#{4}|\n|\Z)")
_SOLVED = re.compile(r"^[ \t>*_#]*+(?:answer|solution|response|assistant)\b", re.IGNORECASE | re.MULTILINE)
_LINE_ENDS = re.compile(r"[ \t$.*)\]}\\]*+(?:\n|\Z)")
_TOKEN = re.compile(r"</s>|<[|｜]|<eos>|<(?:start|end)_of_turn>")  # what ends a text, written out
_IN_PROSE = re.compile(r"\s*[A-Za-z]{2,}")
# Bold, and signs for the eye.
_DECORATION = re.compile(r"(?:_(?!\{)|[\s*:`\u2190-\u2193\u2600-\u27bf\U0001f300-\U0001faff\ufe0f])*+")
# A line such as "#### Answer" has its answer below.
_ANSWER_HEADING = re.compile(r"(?:the\s+)?(?:final\s+)?(?:answer|result)(?:\s+is)?[\s*_:.]*", re.IGNORECASE)
_BELOW = re.compile(r"\s*+([^\n#]*+)(?!#)")
_ANSWER_PREFIX = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:the\s+)?(?:final\s+)?"
    r"(?:answer(?:\s+is\b\s*+:?|\s*+[:=])[\s*_]*+(?=\S)|result\s*+[:=]\s*+(?=\S)"
    r"|(?:solution|conclusion)[*_]*:[\s*_]*+(?=[^A-Za-z]|[A-Za-z]\b))",
    re.IGNORECASE,
)
# "The final answer is 5", "**Final Answer:** 5", and the heading with its answer below.
_SAID = re.compile(
    r"(?:\bfinal[ \t]+answer[ \t*_]*(?:is\b[ \t*_]*+(?::[\s*_]*+)?+|[:=][\s*_]*+)"
    r"|^[#*_ \t]*+(?:the[ \t]+)?final[ \t]+answer[*_ \t]*+\n\s*+)[*_ \t]*+",
    re.IGNORECASE | re.MULTILINE,
)
_SAID_ENDS = re.compile(r"(?<!\.)(?<!\b[DMS][rst])(?<!\bMrs)[.?](?=\s)|,?[ \t](?i:because|since)\b|I hope it is correct")
# What only holds the place of an answer: nothing, or words for one.
_EMPTY = re.compile(
    r"(?:[\s.,:;?$_~…{}]|\\[ _,;:!$()\[\]]|\\(?:(?:[lc]?dots|square|Box|q?quad|ldotp|text\w*|math\w+|underline)(?![A-Za-z])"
    r"|(?:[hv]?phantom|hspace\*?)\s*+\{[^{}]*+\}))*+"
)
_WRAPPING = re.compile(r"\\[A-Za-z]+|\\?_|[\[\](){}<>$\"'`“”*:.…\s]")
_HOLDER = {"answer", "answers", "result", "number", "value", "expression", "solution"}
_FILLING = {"your", "the", "final", "my", "a", "an", "put", "insert", "enter", "write", "give", "type", "place", "here"}
_LONGEST_HOLDER = 80  # characters


class _Place(NamedTuple):
    """Where an answer may stand: from `at` to `stop` of a text. `inside` is what stands there, None where a box is cut off."""

    at: int
    stop: int
    inside: str | None
    boxed: bool = True


def final_answer(text: str, mark: str = "####") -> str | None:
    r"""The answer that `text` states: what follows the last `####` on its line, else the last `\boxed{...}`, else None.

    What stands behind a new question, once there is an answer, is not read; neither are headings, boxes that only hold the
    place of an answer, and boxes of a question that is repeated. Words behind `####` that may be a heading are the answer only
    where nothing else is. A text that is cut off in its last box states none, as for MATH's own grader (Hendrycks et al.,
    2021). Trailing punctuation, surrounding `$` and the commas of a number's thousands are dropped: `#### $1,600.` is `1600`.

    Args:
      mark: a step format's; by `\boxed` only boxes state answers, or the words "final answer" where there are none.
    """
    boxes = _unasked(text, _boxes(text))
    lines = _lines(text, boxes) if mark != BOXED else []
    said = _said(text) if mark == BOXED and not boxes else []
    read = functools.cache(functools.partial(_read, text))
    end = _end(text, lines, [*boxes, *said], read)
    found: tuple[int, str | None] = (HEADING, None)
    for line in reversed(lines):
        if found[0] < SURE and line.at < end and read(line)[0] > found[0]:
            found = read(line)
    if found[0] < SURE and (others := [place for place in (*boxes, *said) if place.at < end]):
        found = SURE, others[-1].inside
    return found[1] and clean(found[1])


def _end(text: str, lines: list[_Place], others: list[_Place], read: Callable[[_Place], tuple[int, str | None]]) -> int:
    """Where what is read of a text ends: where it runs on once there is an answer."""
    opened, thought = text.find("<think>"), text.find("</think>")
    # The thought that a text begins with may ask this and that: what comes of it is behind it.
    begin = thought if thought >= 0 and not text[: max(opened, 0)].strip() else 0
    first = next((one.at for one in others if one.at >= begin and one.inside is not None), begin or len(text))
    for line in lines:
        if line.at >= first:
            break
        sure = read(line)[0]
        # What may be a heading is an answer where a question follows at once.
        if line.at >= begin and (sure == SURE or (sure and asks(text, line.stop))):
            first = line.at
            break
    return runs_on(text, first)


def _unasked(text: str, boxes: list[_Place]) -> list[_Place]:
    """The boxes without those of a question that the text repeats before it answers."""
    if not boxes or runs_on(text, 0) >= boxes[0].at:
        return boxes
    first = boxes[0]
    on = runs_on(text, first.stop)
    if solved := _SOLVED.search(text, first.stop, on):
        later = [box for box in boxes if box.at > solved.start()]
        return later if later and later[0].at < on else boxes
    if asks(text, text.rfind("\n", 0, first.at) + 1):  # what stands on the question's own line, but for a box that ends it
        line_end = text.find("\n", first.stop)
        later = [box for box in boxes if box.at > line_end >= 0 or _LINE_ENDS.match(text, box.stop)]
        return later if later or text.find("####", first.stop) >= 0 else boxes
    return boxes


def _boxes(text: str) -> list[_Place]:
    """The boxes that hold an answer, or are cut off. Of boxes in each other it is the innermost that does."""
    closed, found = closings(text), []
    at, matches = len(text), list(BOX.finditer(text))
    for match in reversed(matches):
        start = match.end()
        if text[start : start + 1] != "{":  # `\boxed 5`
            inside = re.split(r"[\s$]", text[start : start + 200], maxsplit=1)[0]
            place = _Place(match.start(), start + len(inside), inside)
            if _IN_PROSE.match(inside):
                continue
        elif stop := closed.get(start):
            place = _Place(match.start(), stop, text[start + 1 : stop - 1] if stop <= at else "")
        else:
            place = _Place(match.start(), start, None)
        at = match.start()
        if place.inside is None or not _holds_a_place(place.inside):
            found.append(place)
    return found[::-1]


def _lines(text: str, boxes: list[_Place]) -> list[_Place]:
    """What stands behind each `####` on its line, or in the last box there."""
    found, starts = [], [box.at for box in boxes]
    for match in _MARK.finditer(text):
        last = bisect.bisect(starts, match.end()) - 1
        if last >= 0 and starts[last] > match.start():
            found.append(_Place(match.start(), match.end(), boxes[last].inside))
        elif match[1].strip():
            found.append(_Place(match.start(), match.end(), match[1], boxed=False))
    return found


def _read(text: str, place: _Place) -> tuple[int, str | None]:
    """How surely a line of `####` states an answer, and that."""
    if place.inside is None or place.boxed:
        return SURE, place.inside
    before = text[max(0, place.at - 80) : place.at].rpartition("\n")[2].rstrip()[-1:]
    if (before.isalnum() or before == ",") and _IN_PROSE.match(place.inside):
        return HEADING, None
    line, explicit = _undecorated(place.inside), False
    if _ANSWER_HEADING.fullmatch(line):
        below = _BELOW.match(text, place.stop)
        line, explicit = _undecorated(below[1] if below else ""), True
    if prefix := _ANSWER_PREFIX.match(line):
        line, explicit = line[prefix.end() :], True
    if BOX.search(line) or _holds_a_place(line) or not (found := standing(line)):
        return HEADING, None
    return SURE if explicit else found, line


def _undecorated(line: str) -> str:
    """A line without what is there for the eye, and up to what ends a text."""
    bare = _DECORATION.sub("", _TOKEN.split(line, maxsplit=1)[0], count=1).rstrip("*`_ \t\r")
    return bare[:-1].rstrip("*`_") if bare.endswith(("*.", "`.", "_.")) else bare


def _said(text: str) -> list[_Place]:
    """What the words "final answer" are followed by, on their line."""
    found, matches = [], list(_SAID.finditer(text))
    for match, stop in zip(matches, [*(one.start() for one in matches[1:]), len(text)], strict=False):
        line_end = text.find("\n", match.end(), stop)
        value = text[match.end() : stop if line_end < 0 else line_end]
        if ends := _SAID_ENDS.search(value):
            value = value[: ends.start()]
        value = _undecorated(value)
        if not (BOX.search(value) or _holds_a_place(value) or value.lower() == "the"):
            found.append(_Place(match.start(), match.end(), value))
    return found


def _holds_a_place(inside: str) -> bool:
    """Whether what stands where an answer would only holds its place."""
    if _EMPTY.fullmatch(inside):
        return inside.strip() != "{}"  # the empty set
    words = set(_WRAPPING.sub(" ", inside).lower().split()) if len(inside) <= _LONGEST_HOLDER else set()
    return bool(words & _HOLDER) and words <= _HOLDER | _FILLING


def clean(answer: str) -> str:
    """An answer without surrounding punctuation and `$`, and a number without the commas of its thousands.

    120,144 keeps its comma: it may be a list. So do 1,2,... and 0.33... their dots.
    """
    sure = answer.count("$") == 1 or _LATEX_COMMA.search(answer) is not None  # money, and LaTeX's own comma
    answer = _LATEX_COMMA.sub(",", answer).strip()
    begun = answer.removeprefix("\\$").lstrip("$ ")
    bare = begun.rstrip("$ .,;:…")
    if (dots := _DOTS.match(begun, len(bare))) and (dots[1] or bare.endswith("+") or _LISTS.search(bare)):
        bare += dots[0]
    if "$" in bare or bare.endswith("\\"):  # "$5$ or $6$" keeps its formulas, "5\\," its LaTeX space
        bare = answer
    number = _THOUSANDS.match(bare)
    if number and (sure or len(numbers_joined(bare)) == 1) and not bare[number.end() :].lstrip().startswith(","):
        bare = number[0].replace(",", "") + bare[number.end() :]  # but "1,000, 2" is a list
    return bare


def short(text: str) -> str:
    """A text for a message, not without end."""
    return text if len(text) <= 80 else text[:77] + "..."
