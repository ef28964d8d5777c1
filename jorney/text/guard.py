"""Special tokens that people write, as text within a chat that a template renders: marked, so that they stay text.

A template writes control tokens into the same text that holds what people wrote. What people wrote is marked before: a mark
stands within each special token of theirs, behind its first character. It is no character of any text (Unicode keeps it for
programs), and where a text has one all the same, it is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MARK = "\ufdd0"


class Stretch(NamedTuple):
    """A stretch of a rendered chat.

    Attributes:
      text: without marks.
      token: whether it is a control token that the template wrote.
      places: where each character of the text stands in the chat, and where the last one ends.
    """

    text: str
    token: bool
    places: tuple[int, ...]


def pattern(tokens: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the tokens, the longest first; nothing where there are none. Those of one character cannot be marked."""
    longest = sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest)) or r"(?!)")


def guarded(value: Any, tokens: re.Pattern[str]) -> Any:
    """A text, or lists and objects with texts in them, in which special tokens are marked; names of fields are not."""
    if isinstance(value, str):
        marked = value.replace(MARK, MARK * 2)
        # At every place where one begins: they may lie over each other.
        begins = re.compile(f"(?={tokens.pattern})(.)", re.DOTALL)
        return begins.sub(rf"\1{MARK}", marked) if tokens.search(marked) else marked
    if isinstance(value, dict):
        return {name: guarded(inner, tokens) for name, inner in value.items()}
    return [guarded(inner, tokens) for inner in value] if isinstance(value, list | tuple) else value


def pieces(chat: str, tokens: re.Pattern[str]) -> Iterator[Stretch]:
    """A chat with marks, cut at the tokens that have none."""
    start = 0
    for found in tokens.finditer(chat):
        yield _text(chat, start, found.start())
        yield Stretch(found[0], True, (*range(found.start(), found.end() + 1),))
        start = found.end()
    yield _text(chat, start, len(chat))


def _text(chat: str, start: int, stop: int) -> Stretch:
    kept, at = [], start
    while at < stop:
        at += chat[at] == MARK  # alone it is a mark, and the second of two a character
        if at < stop:
            kept.append(at)
        at += 1
    return Stretch("".join(chat[place] for place in kept), False, (*kept, stop))
