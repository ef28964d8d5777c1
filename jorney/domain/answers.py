"""The final answer that a text states, and the text of answers without what means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jorney.domain.reading.notation import numbers_joined
from jorney.text.step_format import BOX, BOXED, closings

_LATEX_COMMA = re.compile(r"(?<=\d)(?:\{,\}|,\\!)(?=\d{3}(?!\d))")  # 1{,}600 and 1,\!600
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)")

_MARK = re.compile(r"#{4,}([^\n]*?)(?=#{4}|\n|\Z)")
# A line such as "#### Step 2" is a heading. One such as "#### Answer" has its answer below.
_HEADING = re.compile(
    r"[\s*_:]*(?:(?:step|part|case|stage|question|problem|example|section|method|approach)\s*\d+\b.*"
    r"|(?:the\s+)?(?:solution|conclusion|explanation|verification|check|summary|reasoning|analysis|calculations?|steps?|note)[\s*_:.]*)",
    re.IGNORECASE,
)
_ANSWER_HEADING = re.compile(r"[\s*_:]*(?:the\s+)?(?:final\s+)?(?:answer|result)[\s*_:.]*", re.IGNORECASE)
_ANSWER_PREFIX = re.compile(r"[\s*_:]*(?:the\s+)?(?:final\s+)?answer(?:\s+is\b\s*:?|\s*[:=])[\s*_]*(?=\S)", re.IGNORECASE)
_TOKEN = re.compile(r"</s>|<\|")  # what ends a text, written out
_IN_PROSE = re.compile(r"\s*[A-Za-z]{2,}")
_STATED = re.compile(r"\bfinal answer is\b:?[ \t]*(\S[^\n]*?)(?=\.?[ \t]*(?:I hope it is correct|\n|\Z))", re.IGNORECASE)
# What is no answer in a box: it says where one would stand.
_PLACEHOLDER = re.compile(
    r"[\s.?_…]*|\\(?:[lc]?dots|square|quad|ldotp|phantom\{.*\})|(?:\\\w+\{)?\s*(?:(?:your|the|final|my|put|insert|here)\s+)*answer"
    r"(?:\s+here)?\s*\}?",
    re.IGNORECASE,
)
# Where a text that has its answer runs on into another question, another turn, or second thoughts that never end.
_RUNS_ON = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*\*|\[)?(?:(?:new|next|another)[ \t]+)?"
    r"(?:question|problem|user|human|instruction|exercise|q|input|prompt|task)"
    r"(?:[ \t]*\d+)?(?:\*\*)?[ \t]*(?:[:.)\]]|\*\*|\n)"
    r"|<\|(?:im_start|im_end|user|endoftext|start_header_id|begin_of_text|eot_id|end|eos)\|>|</s>|\[INST\]|<think>(?!.*</think>)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


def final_answer(text: str, mark: str = "####") -> str | None:
    r"""The answer that `text` states: what follows the last `####` on its line, else the last `\boxed{...}`, else None.

    What stands behind a new question, once there is an answer, is not read; neither are headings, and boxes that only hold the
    place of an answer. Trailing punctuation, surrounding `$` and the commas of a number's thousands are dropped: `#### $1,600.`
    is `1600`.

    Args:
      mark: a step format's; by `\boxed` only boxes state answers, or the words "the final answer is" where there are none.
    """
    boxes = list(_boxes(text))
    marked = list(_marked(text, boxes)) if mark != BOXED else []
    places = [at for at, answer in (*marked, *boxes) if answer is not None]
    if places and (on := _RUNS_ON.search(text, min(places))):
        marked, boxes = ([one for one in found if one[0] < on.start()] for found in (marked, boxes))
    if marked:
        return marked[-1][1]
    if boxes:
        return boxes[-1][1]
    if mark == BOXED and (said := _STATED.search(text)):
        return clean(said[1]) or None
    return None


def _marked(text: str, boxes: list[tuple[int, str | None]]) -> Iterator[tuple[int, str | None]]:
    """Where each line of `####` stands that states an answer, and that."""
    for match in _MARK.finditer(text):
        within = [answer for at, answer in boxes if match.start() < at < match.end()]
        if within:
            yield match.start(), within[-1]
            continue
        line, before = (
            _TOKEN.split(match[1], maxsplit=1)[0],
            text[text.rfind("\n", 0, match.start()) + 1 : match.start()].rstrip(),
        )
        if _HEADING.fullmatch(line) or ((before[-1:].isalnum() or before[-1:] == ",") and _IN_PROSE.match(line)):
            continue
        if _ANSWER_HEADING.fullmatch(line):
            line = text[match.end() :].lstrip().partition("\n")[0]
            if not line or "#" in line or BOX.search(line):
                continue
        if prefix := _ANSWER_PREFIX.match(line):
            line = line[prefix.end() :]
        if answer := clean(line.strip().strip("*").lstrip(": ")):
            yield match.start(), answer


def _boxes(text: str) -> Iterator[tuple[int, str | None]]:
    """Where each box stands, and the answer in it; None where its brace is never closed."""
    closed = closings(text)
    for match in BOX.finditer(text):
        start = match.end()
        if text[start : start + 1] == "{":
            stop = closed.get(start)
            inside = text[start + 1 : stop - 1] if stop else None
        else:  # `\boxed 5`
            inside = re.split(r"[\s$]", text[start : start + 200], maxsplit=1)[0]
            if _IN_PROSE.match(inside):
                continue
        answer = clean(inside) if inside is not None else None
        if answer is None or not _PLACEHOLDER.fullmatch(answer):
            yield match.start(), answer


def clean(answer: str) -> str:
    """An answer without surrounding punctuation and `$`, and a number without the commas of its thousands.

    120,144 keeps its comma: it may be a list.
    """
    sure = answer.count("$") == 1 or _LATEX_COMMA.search(answer) is not None  # money, and LaTeX's own comma
    answer = _LATEX_COMMA.sub(",", answer)
    bare = answer.strip().removeprefix("\\$").lstrip("$ ").rstrip("$ .,;:")
    if "$" in bare or bare.endswith("\\"):  # "$5$ or $6$" keeps its formulas, "5\\," its LaTeX space
        bare = answer.strip()
    number = _THOUSANDS.match(bare)
    if number and (sure or len(numbers_joined(bare)) == 1) and not bare[number.end() :].lstrip().startswith(","):
        bare = number[0].replace(",", "") + bare[number.end() :]  # but "1,000, 2" is a list
    return bare


def short(text: str) -> str:
    """A text for a message, not without end."""
    return text if len(text) <= 80 else text[:77] + "..."
