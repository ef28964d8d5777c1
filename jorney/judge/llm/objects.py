"""What a model's reply says: without the thoughts that it thought aloud, and as the object that it was asked for."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jorney.judge.llm.escapes import as_meant
from jorney.storage import HALF


def _marks(names: str) -> re.Pattern[str]:
    """What begins and ends thoughts: tags of these names, Mistral's, Kimi's, OpenThinker's marks, gpt-oss's channels."""
    kinds = (
        (rf"<(?P<begins_tag>{names})>", rf"</(?P<ends_tag>{names})>"),
        (r"(?P<begins_square>\[THINK\])", r"(?P<ends_square>\[/THINK\])"),
        ("(?P<begins_triangle>◁think▷)", "(?P<ends_triangle>◁/think▷)"),
        (r"(?P<begins_bar><\|begin_of_thought\|>)", r"(?P<ends_bar><\|end_of_thought\|>)"),
        (
            r"(?P<begins_channel>(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)<\|message\|>)",
            r"(?P<ends_channel><\|channel\|>final<\|message\|>)",
        ),
    )
    return re.compile("|".join(itertools.chain(*kinds)), re.IGNORECASE)


class _Mark(NamedTuple):
    """A beginning of thoughts or an end, of one kind, and the places in the reply where it starts and stops."""

    begins: bool
    kind: str
    start: int
    stop: int


_NAMES = "think|thinking|reasoning|seed:think"
_OF_TEXTS, _OF_OBJECTS = _marks(_NAMES), _marks(f"{_NAMES}|thoughts?")  # texts are asked for between <thought> and </thought>
# gpt-oss's channels where the endpoint has dropped their control tokens, and what ends its answers where it has not.
_BARE = re.compile(r"analysis.*?assistantfinal", re.DOTALL)
_SPACE = re.compile(r"\s*")
_OVER = ("<|return|>", "<|end|>")
_FENCE = re.compile(r"```(?:json)?\s(.*)```", re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*"')
_DRAFTS = 64  # objects before a reply's own that are looked at: nobody drafts more


class _Doubtful(ValueError):
    """It is an object, but not one that can be relied on."""


def spoken(reply: str) -> str:
    """A reply without thoughts aloud before it; "" where they never end, or where it is not sure where they do."""
    _, said = _parts(reply, _OF_TEXTS)
    return "" if any(not mark.begins for mark in _found(said, _OF_TEXTS)) else said


def _found(reply: str, marks: re.Pattern[str]) -> Iterator[_Mark]:
    for match in marks.finditer(reply):
        what, _, kind = str(match.lastgroup).partition("_")
        yield _Mark(what == "begins", match[0].strip("</>").lower() if kind == "tag" else kind, match.start(), match.end())


def _parts(reply: str, marks: re.Pattern[str]) -> tuple[str, str]:
    """(What stands before the thoughts, or is one that never began; what follows the first thoughts' end).

    Thoughts end where a mark of their own kind first says so: what they quote from a text may write another, with an answer of
    its own behind it. Some chat templates write <think> themselves, so that the reply has the end of it alone; what was opened
    and closed before it, of other kinds, was within these thoughts.
    """
    start = _space(reply, 0)
    if bare := _BARE.match(reply, start):
        return "", reply[bare.end() :]
    found = list(_found(reply, marks))
    closes = _closes(found)
    begins = bool(found) and found[0].begins
    outer = None if begins and found[0].start == start else _unopened(found, closes)
    if outer is not None and (outer == 0 or found[outer].kind != found[0].kind):
        head, end = reply[: found[outer].start], outer
    elif begins and closes[0] is not None:
        head, end = reply[: found[0].start], closes[0]
    else:
        return "", "" if begins and found[0].start == start else reply
    # Thoughts that begin where others end are thoughts still.
    while end + 1 < len(found) and found[end + 1].begins and found[end + 1].start == _space(reply, found[end].stop):
        if (next_end := closes[end + 1]) is None:
            return head, ""
        end = next_end
    said = reply[found[end].stop :]
    over = next((one for one in _OVER if found[end].kind == "channel" and said.rstrip().endswith(one)), "")
    return head, said.rstrip().removesuffix(over) if over else said


def _closes(found: Sequence[_Mark]) -> list[int | None]:
    """Of each mark the next end of its kind."""
    closes, ends = [], dict[str, int]()
    for at in reversed(range(len(found))):
        closes.append(ends.get(found[at].kind))
        if not found[at].begins:
            ends[found[at].kind] = at
    return closes[::-1]


def _unopened(found: Sequence[_Mark], closes: Sequence[int | None]) -> int | None:
    """The first end of what nothing began."""
    at = 0
    while at < len(found):
        if not found[at].begins:
            return at
        close = closes[at]
        at = (at if close is None else close) + 1
    return None


def _space(text: str, start: int) -> int:
    """Where the white space at a place ends."""
    found = _SPACE.match(text, start)
    return found.end() if found else start


def read_object(reply: str) -> dict[str, Any]:
    """The JSON object that a reply is, alone or in one code fence, thoughts aloud before it left out.

    What stands within other words is never taken: a model that examines a text may quote an object from it. Nor is one that
    contradicts another, which the reply had written before without saying that it was thinking.

    Half a surrogate pair, which JSON can name and no file can hold, becomes U+FFFD.

    Raises:
      ValueError: what is wrong, in words for the model.
    """
    before, said = _parts(reply, _OF_OBJECTS)
    if (found := _object(reply)) is not None:  # as a whole first: a string of an object may hold a tag
        return found
    if said == reply or (found := _object(said)) is None:
        raise ValueError("it is no JSON object")
    if any(_contradict(one, found) for one in _objects(before)):
        raise _Doubtful("it holds two JSON objects that contradict each other")
    return found


def _object(said: str) -> dict[str, Any] | None:
    """Raises _Doubtful where a key is given twice."""
    text = said.strip().removeprefix("\ufeff").strip()
    fence = _FENCE.fullmatch(text)
    try:
        # Models break lines within strings, too.
        value = json.loads(as_meant(fence[1] if fence else text), object_pairs_hook=_unique, strict=False)
    except _Doubtful:
        raise
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects that stand within a text, the outermost ones. Raises _Doubtful where there are too many to look at."""
    text, start, decoder = as_meant(text), 0, json.JSONDecoder(strict=False)
    for count, place in enumerate(_OBJECT.finditer(text)):
        if count == _DRAFTS:
            raise _Doubtful("it holds JSON objects without number")
        if place.start() < start:
            continue
        try:
            value, start = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _contradict(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """They have other values for the same key. Two texts, reasons say, may be put in other words."""
    return any(one[key] != other[key] and not isinstance(one[key], str) for key in one.keys() & other.keys())


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Doubtful(f"the key {json.dumps(key[:40])} is given twice")
        found[HALF.sub("\ufffd", key)] = _whole(value)
    return found


def _whole(value: Any) -> Any:
    """Objects are whole already: they are made from within."""
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    return [_whole(one) for one in value] if isinstance(value, list) else value
