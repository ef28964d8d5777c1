"""Texts that somebody else wrote, as parts of a prompt: they cannot pretend to be the prompt."""

from __future__ import annotations

import re

INDENT = "    "
# What chat templates end a turn by: <|im_end|>, </s>, [/INST], <end_of_turn> and their like.
_MARK = re.compile(r"<(?=[|｜/A-Za-z][^<>\s]{0,40}>)|\[(?=/?[A-Z_]{3,20}\])")


def unmarked(text: str) -> str:
    """A text in which nothing is a chat template's mark: a space stands behind the bracket that begins one."""
    return _MARK.sub(r"\g<0> ", text)


def quoted(text: str) -> str:
    """A text of which every line but the first is indented, so that none of them can stand for a line of the prompt's own."""
    return f"\n{INDENT}".join(unmarked(text).strip().splitlines())
